"""Runs players through the detectors and counts."""

from __future__ import annotations

import csv
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from statistics import median

import numpy as np
from scipy.special import betaincinv

from bench.evaluate import cheats, farms, honest
from bench.evaluate.play import DAY
from services.anticheat.detector import join, step
from services.anticheat.echoes import echoes, telling
from services.anticheat.events import Event, Window, windows
from services.anticheat.groups import judge
from services.anticheat.report import Course, course
from services.anticheat.state import PlayerState

POINTS = 100
"""What a completion is worth in these figures."""
Best = dict[str, list[float]]


@dataclass
class Honest:
    """How a set of honest players fared."""

    name: str
    players: int = 0
    days: int = 0
    events: int = 0
    low: int = 0
    flags: Counter[str] = field(default_factory=Counter)

    @property
    def flagged(self) -> int:
        """Players with a flag; each counts once."""
        return self.flags.total()

    def bound(self) -> float:
        """The upper 95 % Clopper-Pearson bound, in flags per 10,000 player-days, players being the units.

        A single player's days are taken for independent, which they are not: the bound is then too low.
        """
        if self.players == 1:
            return upper(self.flagged, self.days) * 10_000
        return upper(self.flagged, self.players) * self.players / max(self.days, 1) * 10_000


@dataclass
class Cheats:
    """How a kind of cheats fared: for each player events and days from the first cheat to the flag, None if never."""

    kind: cheats.Kind
    events: list[int | None] = field(default_factory=list)
    days: list[float | None] = field(default_factory=list)
    banked: list[int] = field(default_factory=list)
    early: int = 0
    """Flagged before they cheated at all."""
    rules: Counter[str] = field(default_factory=Counter)

    @property
    def players(self) -> int:
        """How many there were."""
        return len(self.events)

    def detected(self, within: float | None = None) -> float:
        """The share that was flagged, within the kind's own limit or ever."""
        times = self.events if self.kind.unit == "events" else self.days
        limit = self.kind.within if within is None else within
        return sum(1 for value in times if value is not None and value <= limit) / max(self.players, 1)

    def typical(self) -> tuple[float | None, float | None]:
        """Median events and days to the flag, of those who were flagged."""
        hits = [value for value in self.events if value is not None]
        days = [value for value in self.days if value is not None]
        return (median(hits), median(days)) if hits else (None, None)


def upper(k: int, n: int) -> float:
    """The upper end of a one-sided 95 % Clopper-Pearson interval."""
    return 1.0 if k >= n else float(betaincinv(k + 1, n - k, 0.95))


def days_of(events: Iterable[Event]) -> int:
    """Days with at least one completion."""
    return len({int(event.submitted_at // DAY) for event in events})


def add_honest(row: Honest, found: Course, events: list[Event]) -> None:
    """One honest player's fate."""
    row.players += 1
    row.days += days_of(events)
    row.events += len(events)
    row.low += found.verdict.severity == "low"
    if found.events_to_flag is not None:
        row.flags[found.first_rules[0] if found.first_rules else "?"] += 1
    else:
        row.flags.update(item.rule for item in echoes({"": events}).values() if telling(item))


def simulated(seed: int, players: int, days: int, say: Callable[[str], None], best: Best) -> list[Honest]:
    """Honest players of each kind."""
    rows = []
    for place, kind in enumerate(honest.KINDS):
        row = Honest(kind)
        for number in range(players):
            log = honest.simulate(np.random.default_rng([seed, 1, place, number]), kind, days)
            found = course(log.events, log.refusals)
            add_honest(row, found, log.events)
            _keep(best, found)
        say(f"honest, {kind}: {row.flagged} of {row.players} flagged, {row.days:,} days")
        rows.append(row)
    return rows


def _keep(best: Best, found: Course) -> None:
    for family, total in found.verdict.e_values:
        best[family].append(total)


def real(file: Path, every: bool) -> tuple[list[Honest], int]:
    """A real person's history, told in three ways, and the flags of the first when every completion is looked at.

    The second has all tasks under one name, the third the issue times of a client that asks right after each play.
    """
    with file.open(encoding="utf-8", newline="") as stream:
        rows = [(int(r["completed_at"]), r["session"], int(r["duration_ms"])) for r in csv.DictReader(stream)]
    events = [Event(n, action, None, float(at), claim) for n, (at, action, claim) in enumerate(sorted(rows), start=1)]
    one = [event._replace(action_type="solve") for event in events]
    issued = [
        event._replace(issued_at=max(before.submitted_at, event.submitted_at - 280)) for before, event in pairwise(one)
    ]
    told = {"one real person": events, "the same, one name for all tasks": one, "the same, with issue times": issued}
    found = []
    for name, history in told.items():
        found.append(Honest(name))
        add_honest(found[-1], course(history), history)
    state, looks = PlayerState(), 0
    for window in windows(events) if every else ():
        for end in range(1, len(window.events)):
            looks += step(state, Window(window.window_id, window.events[:end]))[1].flagged
        state, _ = step(state, window)
    return found, looks


def cheating(seed: int, kind: cheats.Kind, players: int, best: Best) -> Cheats:
    """Cheats of one kind, each until flagged."""
    row = Cheats(kind)
    for number in range(players):
        log = kind.make(np.random.default_rng([seed, 2, *kind.number.encode(), number]))
        found = course(log.events, log.refusals, to_the_flag=True)
        _keep(best, found)
        began = log.events[min(log.turns, len(log.events) - 1)].submitted_at
        taken = None if found.events_to_flag is None else found.events_to_flag - log.turns
        row.early += taken is not None and taken <= 0
        caught = taken is not None and taken > 0
        row.events.append(taken if caught else None)
        row.days.append((found.flagged_at - began) / DAY if caught and found.flagged_at is not None else None)
        row.banked.append(POINTS * (taken if caught and taken else len(log.events) - log.turns))
        row.rules.update(found.first_rules[:1])
    return row


def crowds(seed: int, number: int) -> dict[str, tuple[int, int, int]]:
    """Farms by mode and school classes: found, of how many, and honest accounts that were named."""
    rows = {}
    for mode in (*farms.MODES, "school class"):
        hits = named = 0
        for place in range(number):
            rng = np.random.default_rng([seed, 3, len(mode), place])
            crowd = farms.school(rng) if mode == "school class" else farms.farm(rng, mode)
            groups = [
                group
                for group in judge(crowd.presences, crowd.completions)
                if join(PlayerState(), [group.evidence])[1].flagged
            ]
            hits += any(len(set(group.members) & crowd.bad) >= len(crowd.bad) / 2 for group in groups if crowd.bad)
            named += len({user for group in groups for user in group.members} - crowd.bad)
        rows[mode] = (hits, number, named)
    return rows


def copies(seed: int, number: int) -> tuple[int, int, int]:
    """Replays of another player's times: found, of how many, and honest players accused."""
    hits = accused = 0
    for place in range(number):
        histories, _ = farms.copied(np.random.default_rng([seed, 4, place]))
        found = {name for name, evidence in echoes(histories).items() if telling(evidence)}
        hits += "copier" in found
        accused += len(found - {"copier"})
    return hits, number, accused


def long_replays(seed: int, number: int) -> tuple[int, int]:
    """Replays of own recordings that no state holds: found within ten in the whole history, and of how many."""
    hits = 0
    for place in range(number):
        log = cheats.replay(np.random.default_rng([seed, 6, place]), 0.0, 600, 1_500, days=10)
        told = [item.told_at or 0 for item in echoes({"": log.events}).values()]
        hits += any(log.turns < at <= log.turns + 10 for at in told)
    return hits, number


def costs(seed: int) -> tuple[float, float, int]:
    """CPU of a step in milliseconds, mean and 99th percentile, and bytes of the largest state.

    Each step is timed three times and the least counts: the machine has other work.
    """
    log = honest.simulate(np.random.default_rng([seed, 5]), "bursts", 30)
    state, times, size = PlayerState(), [], 0
    for window in windows(log.events):
        times.append(min(_timed(state, window) for _ in range(3)))
        state, _ = step(state, window)
        size = max(size, len(state.to_bytes()))
    return float(np.mean(times)), float(np.quantile(times, 0.99)), size


def _timed(state: PlayerState, window: Window) -> float:
    start = time.process_time()
    step(state, window)
    return (time.process_time() - start) * 1_000


def no_best() -> Best:
    """Where the R of families are kept for the pictures."""
    return defaultdict(list)
