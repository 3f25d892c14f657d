"""Whose turn it is. Some players are keen, so that the top of the board moves all the time; none meets the limits."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from drills.people import Person

MINUTE, HOUR = 60.0, 3_600.0
A_MINUTE, AN_HOUR = 7, 90
"""Rounds that a player may begin, which leaves room for attempts that have to be repeated."""
KEEN_SHARE, KEEN_TURNS = 0.3, 0.5
"""So many of the players have so many of the turns."""
TRIES = 50


@dataclass
class Roster:
    """Picks players by a seeded generator of random numbers."""

    people: Sequence[Person]
    random: random.Random
    _begun: dict[int, deque[float]] = field(default_factory=dict)

    def pick(self, now: float) -> Person | None:
        """Someone who may play, None if that was not found quickly."""
        keen = self.people[: max(1, int(len(self.people) * KEEN_SHARE))]
        for _ in range(TRIES):
            person = self.random.choice(keen if self.random.random() < KEEN_TURNS else self.people)
            if self._may(person, now):
                return person
        return None

    def _may(self, person: Person, now: float) -> bool:
        times = self._begun.setdefault(person.user_id, deque(maxlen=AN_HOUR))
        full_minute = len(times) >= A_MINUTE and times[-A_MINUTE] > now - MINUTE
        full_hour = len(times) == AN_HOUR and times[0] > now - HOUR
        if full_minute or full_hour:
            return False
        times.append(now)
        return True
