"""Patterns of play that a program shows and a person does not, on made-up histories."""

from __future__ import annotations

import random
from itertools import accumulate

import pytest
from hypothesis import given, strategies as st

from services.anticheat.patterns import HOURLY_CAP, PATTERNS, PAUSE_SECONDS, Event, regularity, velocity


def events(gaps: list[float], start: float = 1_700_000_000.0) -> list[Event]:
    return [Event(n, at, 5_000) for n, at in enumerate(accumulate(gaps, initial=start), start=1)]


def person(number: int, mean: float = 20.0, spread: float = 0.3, seed: int = 1) -> list[float]:
    chance = random.Random(seed)
    return [max(1.0, chance.gauss(mean, mean * spread)) for _ in range(number)]


def test_gaps_as_even_as_a_clocks_are_found() -> None:
    found = regularity(events(person(60, spread=0.01)))
    assert found
    assert found.rule == "regular_gaps"
    assert found.value < found.threshold
    assert found.entries == tuple(range(31, 62)), "the last 30 gaps have 31 ends"
    assert "%" in found.reason


@pytest.mark.parametrize("seed", range(20))
def test_a_person_is_not_found(seed: int) -> None:
    history = events(person(200, seed=seed))
    assert [found for pattern in PATTERNS if (found := pattern(history))] == []


def test_gaps_that_are_all_equal_are_found() -> None:
    found = regularity(events([10.0] * 30))
    assert found
    assert found.value == 0


def test_completions_all_at_the_same_moment_are_found_without_a_division_by_nought() -> None:
    found = regularity(events([0.0] * 30))
    assert found
    assert found.value == 0


@pytest.mark.parametrize("number", [0, 1, 2, 29])
def test_too_few_gaps_say_nothing(number: int) -> None:
    assert regularity(events([10.0] * number)) is None


def test_no_events_and_one_event_say_nothing() -> None:
    for pattern in PATTERNS:
        assert pattern([]) is None
        assert pattern(events([])) is None


def test_breaks_between_sittings_do_not_hide_a_program() -> None:
    found = regularity(events([10.0, 10.0, 10.0, PAUSE_SECONDS + 1] * 12))
    assert found
    assert found.value == 0
    assert found.entries[-4:] == (45, 46, 47, 48), "the last entry stands behind a break"


def test_a_gap_up_to_the_pause_counts() -> None:
    assert regularity(events([10.0] * 29 + [PAUSE_SECONDS])) is None


def test_a_player_who_becomes_a_program_is_found() -> None:
    assert regularity(events(person(100) + [10.0] * 30))


def test_a_program_that_was_replaced_by_a_person_is_not_found_again() -> None:
    assert regularity(events([10.0] * 100 + person(30))) is None


def test_three_hours_at_the_limit_are_found() -> None:
    found = velocity(events([36.0] * 299))
    assert found
    assert (found.rule, found.value) == ("sustained_velocity", 1.0)
    assert len(found.entries) == 300


def test_just_under_the_limits_share_is_not_found() -> None:
    assert velocity(events([10_800 / 292] * 400)) is None


def test_a_fast_hour_is_no_fast_three_hours() -> None:
    assert velocity(events([36.0] * (HOURLY_CAP - 1))) is None


def test_only_the_last_three_hours_count() -> None:
    assert velocity(events([36.0] * 299 + [20_000.0])) is None


@given(st.lists(st.floats(0, 2_000), max_size=120))
def test_any_history_has_an_answer_that_names_its_own_entries(gaps: list[float]) -> None:
    history = events(gaps)
    for pattern in PATTERNS:
        found = pattern(history)
        if found:
            assert set(found.entries) <= {event.entry_id for event in history}
            assert len(found.entries) == len(set(found.entries))
