"""How many lines of one kind the log takes."""

from __future__ import annotations

import time


class Allowance:
    """So many lines a second for long and ten times as many at once: a flood is not to fill the disk."""

    def __init__(self, a_second: float) -> None:
        """Full at the beginning."""
        self._a_second = a_second
        self._left = 10 * a_second
        self._seen = time.monotonic()
        self.withheld = 0
        """How many asked in vain since the last one that did not."""

    def take(self) -> bool:
        """Whether there is room for one more."""
        now = time.monotonic()
        self._left = min(10 * self._a_second, self._left + (now - self._seen) * self._a_second)
        self._seen = now
        if self._left < 1:
            self.withheld += 1
            return False
        self._left -= 1
        return True
