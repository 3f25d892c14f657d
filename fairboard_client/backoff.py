"""How long to wait before trying again."""

from __future__ import annotations

import random


class Backoff:
    """Exponential backoff with full jitter: each wait is drawn from 0 to a ceiling that doubles up to a limit.

    Full jitter spreads the clients that a restarted server lost at one moment over the whole interval.
    """

    def __init__(self, base: float = 0.5, limit: float = 30.0, rng: random.Random | None = None) -> None:
        self.base = base
        self.limit = limit
        self.attempt = 0
        self._rng = rng or random.Random()

    @property
    def ceiling(self) -> float:
        """The longest that the next wait can be."""
        # The exponent is bounded, because a float overflows after a thousand attempts.
        return min(self.limit, self.base * 2.0 ** min(self.attempt, 60))

    def next(self) -> float:
        """Seconds to wait now; the next ceiling is twice as high."""
        wait = self._rng.uniform(0.0, self.ceiling)
        self.attempt += 1
        return wait

    def reset(self) -> None:
        """Begin again at the base, after something worked."""
        self.attempt = 0
