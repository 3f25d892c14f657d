"""How a person plays: how long a round takes, the pause after it, the breaks, and the drift of a day.

Nothing here waits or calls anybody; times go in and come out as seconds, so that a whole day can be tried in a moment.
"""

from __future__ import annotations

import math
import random
from collections import deque
from dataclasses import dataclass
from typing import Self

from fairboard_client import Action

MINUTE, HOUR, DAY = 60.0, 3_600.0, 86_400.0
# What the demo catalogue's actions take a person of middling skill.
TYPICAL_SECONDS = {"reaction": 2.0, "typing": 11.0, "puzzle": 22.0}
PATIENCE_SECONDS = 90.0
LONG_BREAK_SECONDS = 16 * MINUTE
LONG_BREAK_SHARE = 0.3
LONGEST_STRETCH_SECONDS = 100 * MINUTE


def lognormal(rng: random.Random, median: float, spread: float) -> float:
    """A time as people take them: never negative, and long ones are longer than short ones are short."""
    return rng.lognormvariate(math.log(median), spread)


@dataclass(frozen=True, slots=True)
class Habits:
    """What makes one player differ from another."""

    slowness: float
    """Factor on the time that a round takes; under 1 is quick."""
    unevenness: float
    """Spread of the times of one kind of round."""
    pause: float
    """Median seconds between two rounds."""
    hourly: int
    """Rounds an hour that are enough for this player."""

    @classmethod
    def draw(cls, rng: random.Random) -> Self:
        """A player out of the crowd."""
        return cls(
            slowness=lognormal(rng, 1.0, 0.25),
            unevenness=rng.uniform(0.22, 0.4),
            pause=lognormal(rng, 5.0, 0.25),
            hourly=rng.randint(75, 92),
        )


class Budget:
    """The rounds that a player allows itself, well inside the server's 10 a minute, 100 an hour and 500 a day."""

    def __init__(self, minute: int = 8, hour: int = 90, day: int = 460) -> None:
        self.limits = ((MINUTE, minute), (HOUR, hour), (DAY, day))
        self._begun: deque[float] = deque(maxlen=day)

    def note(self, now: float) -> None:
        """A round begins now."""
        self._begun.append(now)

    def wait(self, now: float) -> float:
        """Seconds from `now` until one more round fits into every window."""
        waits = [0.0]
        for seconds, most in self.limits:
            if len(self._begun) >= most:
                waits.append(self._begun[-most] + seconds - now)
        return max(waits)

    def tiredness(self, now: float) -> float:
        """The share of the day's rounds that is played, 0 to 1."""
        seconds, most = self.limits[-1]
        return sum(1 for begun in self._begun if begun > now - seconds) / most


class Routine:
    """The course of one player's day: rounds and pauses in sittings, with breaks between them."""

    def __init__(self, rng: random.Random, habits: Habits, now: float) -> None:
        self.habits = habits
        self.budget = Budget(hour=habits.hourly)
        self._rng = rng
        self._form = 0.0
        self._tastes: dict[str, float] = {}
        self._sitting_ends = now + self._sitting()
        self._rested = now

    def choose(self, actions: list[Action]) -> Action:
        """What to play next; everybody likes some actions better than others."""
        for action in actions:
            self._tastes.setdefault(action.action_type, self._rng.uniform(0.5, 1.5))
        return self._rng.choices(actions, [self._tastes[action.action_type] for action in actions])[0]

    def play_seconds(self, action: Action) -> float:
        """How long this round takes: inside the bounds of the action, and never twice the same."""
        low, high = (action.min_ms or 1_000) / 1_000, (action.max_ms or 60_000) / 1_000
        high = min(high, low + PATIENCE_SECONDS)
        low, high = low + min(low, high - low) * 0.1, high - (high - low) * 0.1
        self._form = 0.97 * self._form + self._rng.gauss(0.0, 0.03)
        typical = TYPICAL_SECONDS.get(action.action_type) or min(low * 4, 20.0)
        median = max(typical * self.habits.slowness * math.exp(self._form), low * 1.2)
        for _ in range(50):
            # What lies too near a bound is drawn again: moving it to the bound would make equal times.
            seconds = lognormal(self._rng, median, self.habits.unevenness)
            if low < seconds < high:
                return seconds
        return self._rng.uniform(low, high)

    def rest_seconds(self, now: float) -> float:
        """How long to wait before the next round: a pause, or a break at the end of a sitting."""
        rest = lognormal(self._rng, self.habits.pause, 0.7)
        if now >= self._sitting_ends:
            rest = self._break(now)
        short = self.budget.wait(now + rest)
        if short > 0:
            # Coming back at the very moment a window opens is what a script would do.
            rest += short + lognormal(self._rng, 4.0 + short * 0.1, 0.6)
        if rest >= MINUTE * 3:
            self._sitting_ends = now + rest + self._sitting()
        if rest >= LONG_BREAK_SECONDS:
            self._rested = now + rest
        return rest

    def _sitting(self) -> float:
        return lognormal(self._rng, 13 * MINUTE, 0.35)

    def _break(self, now: float) -> float:
        long = now - self._rested > LONGEST_STRETCH_SECONDS or self._rng.random() < LONG_BREAK_SHARE
        seconds = LONG_BREAK_SECONDS + lognormal(self._rng, 6 * MINUTE, 0.6) if long else self._short_break()
        return seconds * (1.0 + 6.0 * self.budget.tiredness(now) ** 2)

    def _short_break(self) -> float:
        return 3 * MINUTE + lognormal(self._rng, 6 * MINUTE, 0.5)
