"""Simulated people play like people: whole days in no time, since habits only compute."""

from __future__ import annotations

import random
import statistics
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise

import pytest

from cli.simulate.habits import DAY, HOUR, MINUTE, Budget, Habits, Routine
from fairboard_client import Action
from services.anticheat.detector import replay
from services.anticheat.events import Event

TIMED = [
    Action("reaction", "Reaction targets", "timed", 100, 1_000, 60_000),
    Action("typing", "Typing sprint", "timed", 250, 5_000, 120_000),
    Action("puzzle", "Sliding puzzle", "timed", 500, 1_000, 300_000),
]
SEEDS = range(25)


@dataclass
class Life:
    """What one player did: when rounds were requested and completed, and how long they took."""

    requested: list[float] = field(default_factory=list)
    completed: list[float] = field(default_factory=list)
    took: list[tuple[Action, float]] = field(default_factory=list)

    @property
    def gaps(self) -> list[float]:
        return [later - earlier for earlier, later in pairwise(self.completed)]


def live(seed: int, seconds: float) -> Life:
    rng, life, now = random.Random(seed), Life(), 0.0
    routine = Routine(rng, Habits.draw(rng), now)
    while True:
        now += routine.rest_seconds(now)
        if now > seconds:
            return life
        action = routine.choose(TIMED)
        took = routine.play_seconds(action)
        routine.budget.note(now)
        life.requested.append(now)
        now += took
        life.completed.append(now)
        life.took.append((action, took))


@pytest.fixture(scope="module")
def lives() -> list[Life]:
    return [live(seed, 2 * DAY) for seed in SEEDS]


def most_within(events: list[float], window: float) -> int:
    first = most = 0
    for last, now in enumerate(events):
        while events[first] <= now - window:
            first += 1
        most = max(most, last - first + 1)
    return most


def least_cv(values: list[float], size: int) -> float:
    windows: Iterable[list[float]] = (values[start : start + size] for start in range(0, len(values) - size, 5))
    return min(statistics.stdev(window) / statistics.fmean(window) for window in windows)


@pytest.mark.parametrize(("window", "limit"), [(MINUTE, 10), (HOUR, 100), (DAY, 500)])
def test_nobody_reaches_a_limit_of_the_server(lives: list[Life], window: float, limit: int) -> None:
    for life in lives:
        assert most_within(life.requested, window) < limit
        # A long round before short ones can bring completions closer together than their requests were.
        assert most_within(life.completed, window) <= limit


def test_nobody_is_regular(lives: list[Life]) -> None:
    for life in lives:
        assert least_cv(life.gaps, 30) > 0.15
        for action in TIMED:
            assert least_cv([took for played, took in life.took if played == action], 30) > 0.1


def test_the_detectors_find_nothing(lives: list[Life]) -> None:
    for life in lives:
        rounds = zip(life.requested, life.completed, life.took, strict=True)
        events = [
            Event(n, action.action_type, asked, done, int(took * 1_000))
            for n, (asked, done, (action, took)) in enumerate(rounds)
        ]
        assert replay(events)[1].severity in ("none", "low")


def test_everybody_rests(lives: list[Life]) -> None:
    for life in lives:
        sittings, begun, last = [], life.completed[0], life.completed[0]
        for now in life.completed:
            if now - last >= 15 * MINUTE:
                sittings.append(last - begun)
                begun = now
            last = now
        assert max(sittings) < 2.8 * HOUR
        assert len({int(now // HOUR) for now in life.completed if now < DAY}) < 18


def test_rounds_stay_inside_the_bounds_of_their_action(lives: list[Life]) -> None:
    for life in lives:
        for action, took in life.took:
            assert action.min_ms is not None
            assert action.max_ms is not None
            assert action.min_ms < took * 1_000 < action.max_ms


def test_any_catalogue_can_be_played() -> None:
    rng = random.Random(3)
    routine = Routine(rng, Habits.draw(rng), 0.0)
    for low, high in [(1_000, 1_500), (1_000, 300_000), (60_000, 300_000), (290_000, 300_000)]:
        action = Action("new", "New", "timed", 1, low, high)
        assert all(low <= routine.play_seconds(action) * 1_000 <= high for _ in range(200))


def test_a_crowd_of_twelve_keeps_the_board_moving() -> None:
    first_minutes = [now for seed in range(12) for now in live(seed, 10 * MINUTE).completed]

    assert len(first_minutes) > 10 * MINUTE / 2.5


def test_players_differ() -> None:
    scores = [sum(action.points for action, _ in live(seed, 30 * MINUTE).took) for seed in range(12)]

    assert max(scores) > 1.5 * min(scores)
    assert len(set(scores)) > 8


def test_a_day_repeats_for_a_seed() -> None:
    assert live(5, HOUR) == live(5, HOUR)


def test_a_budget_opens_when_its_oldest_round_leaves_the_window() -> None:
    budget = Budget(minute=2, hour=3, day=4)
    for now in (0.0, 30.0):
        budget.note(now)

    assert budget.wait(30.0) == 30.0
    assert budget.wait(60.0) == 0.0
    budget.note(60.0)
    assert budget.wait(100.0) == HOUR - 100.0
