"""How simulated players come to their completions: times as arrays, limits as the server's, events at the end."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from services.anticheat.events import Event, Refusal

Floats = npt.NDArray[np.float64]
Random = np.random.Generator
START = 1_760_000_400.0
DAY, HOUR, MINUTE = 86_400.0, 3_600.0, 60.0
LIMITS = ((MINUTE, 10), (HOUR, 100), (DAY, 500))
MOST_CLAIM = 290.0
ACTION = "puzzle"


@dataclass
class Log:
    """What a player has done."""

    events: list[Event] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    turns: int = 0
    """The event with which cheating began, from 0; nought for those who never did otherwise."""


class Clock:
    """A player's time, which the limits hold up as they do on the server."""

    def __init__(self, rng: Random, at: float, late: float = 1.6) -> None:
        """`late` is how many seconds after a limit's end the player usually comes back."""
        self.rng, self.at, self.log, self.late = rng, at, Log(), late
        self.latency = float(rng.uniform(0.03, 0.3))
        self._past: deque[float] = deque(maxlen=500)

    def resume(self, events: list[Event]) -> None:
        """Go on from what the player did before."""
        self.log.events += events
        self._past.extend(event.submitted_at for event in events)
        self.at = events[-1].submitted_at

    def play(self, idle: float, claim: float, extra: float = 0.0, gap: float | None = None) -> None:
        """One play: idle, then `claim` seconds and `extra` that the client does not count. `gap` fixes the whole."""
        latency = self.latency * float(self.rng.lognormal(0.0, 0.3))
        claim = min(max(claim, 1.0), MOST_CLAIM)
        if gap is not None:
            idle = max(gap - claim - extra - latency, 0.0)
        at = self.at + max(idle, 0.0) + claim + extra + latency
        late = self._wait(at)
        self._add(at + late, claim, claim + extra + latency)

    def raw(self, gap: float, claim: float, elapsed: float) -> None:
        """One completion `gap` after the last, with a claim that need not have to do with what passed."""
        at = self.at + gap
        self._add(at + self._wait(at), min(max(claim, 1.0), MOST_CLAIM), min(elapsed, gap))

    def _add(self, at: float, claim: float, elapsed: float) -> None:
        number = len(self.log.events) + 1
        self.log.events.append(Event(number, ACTION, at - elapsed, at, round(claim * 1_000)))
        self._past.append(at)
        self.at = at

    def held(self, at: float | None = None) -> float:
        """Seconds from now, or then, until the limits allow a completion."""
        at, wait = self.at if at is None else at, 0.0
        for seconds, most in LIMITS:
            if len(self._past) >= most:
                wait = max(wait, self._past[-most] + seconds - at)
        return wait

    def _wait(self, at: float) -> float:
        """Seconds until the limits allow a completion; who is held up comes back a little later than possible."""
        wait = self.held(at)
        return wait + self.late * float(self.rng.lognormal(0.0, 0.7)) if wait > 0 else 0.0

    @property
    def day(self) -> float:
        """Days since the start."""
        return (self.at - START) / DAY


def log_uniform(rng: Random, low: float, high: float) -> float:
    """A number whose order of magnitude is equally likely."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))
