"""Steps through windows: incremental as all at once, idempotent, small, quiet, and how severe what is."""

from __future__ import annotations

import random
import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from services.anticheat.detector import cleared, join, merge, replay, severity, step
from services.anticheat.evalues import advance, between, e_from_p
from services.anticheat.events import Event, Refusal, Window, tidy, windows
from services.anticheat.evidence import Evidence, Severity, Verdict
from services.anticheat.report import as_dict, course
from services.anticheat.state import DIGEST, EVENTS, PlayerState, StateError, packed, unpacked
from services.anticheat.thresholds import FLAG, LOW, TABLE
from tests.support.habits_of_cheats import START, person, program

times = st.one_of(st.floats(0, 4e9), st.integers(0, 40_000).map(lambda n: START + n / 2), st.just(START))
claims = st.one_of(st.integers(0, 400_000), st.sampled_from([0, 1, 1_000, 5_000, -5, 10**12]))
anything = st.lists(
    st.builds(Event, st.integers(0, 60), st.sampled_from(["a", "b", "", "\ud800"]), st.none() | times, times, claims),
    max_size=60,
)
refused = st.lists(
    st.builds(Refusal, times, st.sampled_from(["SUSPICIOUS_ACTIVITY", "RATE_LIMIT_EXCEEDED", "INTERNAL_ERROR", "x"])),
    max_size=30,
)  # fmt: skip


def incremental(events: list[Event], refusals: list[Refusal]) -> tuple[bytes, object]:
    """As tasks do it: the state goes through bytes, each window comes twice, and an older one late."""
    data, verdict = PlayerState().to_bytes(), None
    seen: list[Window] = []
    for window in windows(events, refusals):
        state, latest = step(PlayerState.from_bytes(data), window)
        data = state.to_bytes()
        verdict = merge(verdict, latest)
        for late in (window, *seen[-2:]):
            assert step(PlayerState.from_bytes(data), late)[0].to_bytes() == data
        seen.append(window)
    return data, verdict


@given(anything, refused)
@settings(deadline=None, max_examples=60)
def test_whatever_happened_windows_one_by_one_give_what_all_at_once_gives(
    events: list[Event], refusals: list[Refusal]
) -> None:
    with np.errstate(all="raise"):
        state, verdict = replay(events, refusals)
        assert len(state.to_bytes()) <= 4_096
        if events or refusals:
            assert incremental(events, refusals) == (state.to_bytes(), verdict)
    for total in state.totals:
        assert total >= 0
        assert np.isfinite(total)


@given(anything, st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=40)
def test_order_and_duplicates_change_nothing(events: list[Event], rng: random.Random) -> None:
    events = list({event.entry_id: event for event in events}.values())
    mixed = [*events, *events[:5]]
    rng.shuffle(mixed)
    assert replay(mixed) == replay(events)


def test_a_long_history_is_the_same_in_bytes_and_small() -> None:
    events = person(2_000)
    data, verdict = incremental(events, [])
    state, whole = replay(events)
    assert data == state.to_bytes()
    assert verdict == whole
    assert 3_000 < len(data) <= 4_096
    assert PlayerState.from_bytes(data) == state


def test_the_state_is_small_at_its_fullest() -> None:
    rng = random.Random(1)
    events = [event._replace(action_type=f"action{rng.randrange(40)}") for event in person(2_000)]
    assert len(replay(events)[0].to_bytes()) <= 4_096


@pytest.mark.parametrize(
    "data", [b"", b"\x01", b"\x07" + PlayerState().to_bytes()[1:], PlayerState().to_bytes() + b"x"]
)
def test_bytes_that_are_no_state_are_refused(data: bytes) -> None:
    with pytest.raises(StateError):
        PlayerState.from_bytes(data)


def test_a_state_made_by_other_thresholds_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = PlayerState().to_bytes()
    assert PlayerState.from_bytes(kept) == PlayerState()
    monkeypatch.setattr("services.anticheat.state.DIGEST", DIGEST ^ 1)
    with pytest.raises(StateError, match="thresholds"):
        PlayerState.from_bytes(kept)


def test_a_window_may_be_judged_before_it_is_over() -> None:
    events = program(90, lambda: 20.0)
    state, verdict = step(PlayerState(), Window(1, events[:40]))
    assert verdict.flagged
    assert step(PlayerState(), Window(1, events))[0] != state


@pytest.mark.parametrize(
    "events",
    [
        [],
        person(1),
        person(2),
        [Event(n, "a", START, START, 0) for n in range(300)],
        [Event(n, "a", None, START + n % 2, n) for n in range(300)],
        [Event(n, "a", START + 50, START + n * 1e-3, 1_000) for n in range(300)],
        [Event(n, "a", None, START + n * 7, 1_000) for n in range(500)],
        [Event(n, "a", START - n * 3_600, START - n * 3_600 + 5, 4_000) for n in range(100)],
        [event._replace(issued_at=(event.issued_at or 0) + 3_600 * (n > 50)) for n, event in enumerate(person(100))],
    ],
    ids=["none", "one", "two", "same moment", "two moments", "zero gaps", "metronome", "backwards", "clock step"],
)
def test_bad_days_have_results_without_warnings(events: list[Event]) -> None:
    with np.errstate(all="raise"):
        state, verdict = replay(events)
    assert len(state.to_bytes()) <= 4_096
    assert verdict.severity in {"none", "low", "medium", "high"}
    assert all(len(item.entries) <= 200 for item in verdict.evidence)


def test_a_flood_in_one_window_ends() -> None:
    events = [Event(n, "a", None, START + n * 0.003, 1_000 + n * 7_919 % 5_000) for n in range(100_000)]
    began = time.process_time()
    state, _ = replay(events)
    assert time.process_time() - began < 20
    assert len(state.kinds) == EVENTS


def test_severity() -> None:
    def of(**totals: float) -> str:
        return severity([totals.get(family, 0.0) for family in "ABCDEFG"])

    assert of() == "none"
    assert of(A=LOW) == "low"
    assert of(A=FLAG) == "medium"
    assert of(A=FLAG, E=LOW) == "medium"
    assert of(A=FLAG, D=FLAG) == "high"
    assert of(B=FLAG) == of(C=FLAG) == "high"
    assert of(G=FLAG) == "medium"
    assert of(G=FLAG, E=FLAG) == "high"


LEVELS: tuple[Severity, ...] = ("none", "low", "medium", "high")


def test_a_remark_is_no_flag() -> None:
    assert [Verdict(level, (), ()).flagged for level in LEVELS] == [False, False, True, True]


def test_a_client_that_never_worked_is_remarked_and_one_that_works_is_flagged() -> None:
    bad = [Refusal(START + n * 30, "SUSPICIOUS_ACTIVITY") for n in range(60)]
    assert replay([], bad)[1].severity == "low", "a broken client earns refusals too"
    assert replay(person(40), bad)[1].severity == "medium"


def test_a_stable_trait_counts_once_and_a_cleared_player_stays_cleared() -> None:
    rng = random.Random(2)
    events = program(2_000, lambda: rng.uniform(20, 60))
    state, verdict = replay(events[:1_000])
    assert verdict.flagged
    again, later = state, verdict
    for window in windows(events[1_000:]):
        again, later = step(again, window)
    assert dict(later.e_values)["A"] < 1e4 * dict(verdict.e_values)["A"]
    fresh = cleared(state)
    assert severity(fresh.totals) == "none"
    for window in windows(events[1_000:]):
        fresh, _ = step(fresh, window)
    assert severity(fresh.totals) in {"none", "low"}


def test_new_evidence_counts_after_a_clearing() -> None:
    rng = random.Random(3)
    events = person(200)
    state, _ = replay(events)
    cheating = [
        Event(1_000 + n, "puzzle", None, events[-1].submitted_at + 7_200 + n * 20, rng.randrange(9_000))
        for n in range(60)
    ]
    state = cleared(state)
    for window in windows(cheating):
        state, _ = step(state, window)
    assert severity(state.totals) in {"medium", "high"}


def told(rule: str, e_value: float = 1e9, p: float = 1e-12) -> Evidence:
    row = TABLE[rule]
    return Evidence(row.family, rule, row.statistic, 30.0, row.telling, p, 30, (1,), "told", e_value)


def test_who_was_cleared_of_a_replay_is_flagged_for_the_next_one() -> None:
    events = person(100, seed=1)
    copy = [event._replace(entry_id=500 + event.entry_id, submitted_at=event.submitted_at + 1e6) for event in events]
    state, verdict = replay(events + copy)
    assert verdict.severity == "high"
    state = cleared(state)
    assert join(state, [told("others_times")])[1].severity == "high"
    later = [event._replace(entry_id=900 + event.entry_id, submitted_at=event.submitted_at + 2e6) for event in events]
    once = state
    for window in windows(later[:50]):
        once, verdict = step(once, window)
    assert verdict.severity == "none", "what came before the clearing has been judged"
    for window in windows(later[:50] + [event._replace(submitted_at=event.submitted_at + 1e6) for event in later[:50]]):
        state, verdict = step(state, window)
    assert verdict.severity == "high"


@pytest.mark.parametrize(
    ("known", "new", "after"),
    [
        ("steady_gaps", "steady_gaps", "none"),
        ("steady_gaps", "even_gaps", "none"),
        ("narrow_gaps", "linked_idles", "none"),
        ("linked_idles", "even_gaps", "medium"),
        ("steady_gaps", "steady_claims", "medium"),
        ("unrelated_claims", "impossible_claims", "high"),
        ("active_hours", "prompt_returns", "medium"),
        ("sudden_skill", "fast_minority", "medium"),
        ("in_step", "in_turn", "none"),
        ("in_step", "same_hand", "medium"),
    ],
)
def test_a_clearing_spends_one_habit_of_a_family_and_not_the_others(known: str, new: str, after: Severity) -> None:
    state = cleared(join(PlayerState(), [told(known)])[0])
    assert state.totals == PlayerState().totals
    assert join(state, [told(new)])[1].severity == after
    assert cleared(state).spent == PlayerState.from_bytes(state.to_bytes()).spent == state.spent


def test_what_was_no_remark_is_not_spent() -> None:
    state = cleared(join(PlayerState(), [told("steady_gaps", LOW)])[0])
    assert state.spent == 0
    assert join(state, [told("steady_gaps", 1e10)])[1].severity == "medium"


def test_a_window_that_goes_on_is_one_window() -> None:
    events = program(90, lambda: 20.0)
    whole, _ = step(PlayerState(), Window(1, events))
    half, _ = step(PlayerState(), Window(1, events[:40]))
    assert step(half, Window(1, events[40:]))[0] == half
    rest, _ = step(half, Window(1, events[40:]), goes_on=True)
    assert (rest.claims, rest.gaps, rest.hours, rest.run_events) == (
        whole.claims, whole.gaps, whole.hours, whole.run_events,
    )  # fmt: skip
    assert step(rest, Window(0, events), goes_on=True)[0] == rest


def test_evidence_of_many_players_joins_once() -> None:
    item = Evidence("C", "others_times", "run", 30.0, 6.0, 1e-12, 30, (1,), "copied", 1e9)
    state, verdict = join(PlayerState(), [item])
    assert verdict.severity == "high"
    assert join(state, [item])[0] == state
    assert replace(state, totals=PlayerState().totals, best=PlayerState().best) == PlayerState()


def test_e_values() -> None:
    ps = (np.arange(100_000) + 0.5) / 100_000
    assert np.mean([e_from_p(float(p)) for p in ps]) <= 1.0
    assert e_from_p(1e-9) > 1e6
    assert e_from_p(1.0) == 0.5
    assert e_from_p(0.0) == e_from_p(1e-12)
    assert between(3.0, 3.0, 2.0, 1e-9, 1e-3) == pytest.approx(1e-9)
    assert between(2.0, 3.0, 2.0, 1e-9, 1e-3) == pytest.approx(1e-3)
    assert between(0.03, 0.03, 0.055, 1e-9, 1e-3) == pytest.approx(1e-9)
    assert between(-5.0, 3.0, 2.0, 1e-9, 1e-3) == 1.0
    assert advance(5.0, 10.0, 10.0) == 5.0
    assert advance(5.0, 10.0, 20.0) == 12.0


@given(st.lists(st.floats(0.001, 1e6), min_size=1, max_size=50))
def test_packing_keeps_times_to_a_fiftieth_of_a_percent(seconds: list[float]) -> None:
    values = np.array(seconds)
    assert np.allclose(np.exp(unpacked(packed(values).tobytes())), values, rtol=2e-4)
    assert np.isnan(unpacked(packed(np.array([np.nan])).tobytes())).all()


def test_tidy() -> None:
    one, two = person(2)
    assert tidy([two, one, one, one._replace(entry_id=9)]) == [one, two]


def test_the_course_names_the_completion_that_raised_the_flag() -> None:
    events = program(200, lambda: 20.0)
    found = course(events)
    assert found.events_to_flag == 30, "30 equal claims; their gaps need one more"
    assert found.flagged_at == events[29].submitted_at
    told = as_dict("bot", found)
    assert told["flagged"]
    assert told["severity"] == "medium"
    assert {"family", "rule", "value", "threshold", "percentile", "n", "entries", "reason"} <= set(told["evidence"][0])
    assert {item["family"] for item in told["not_judged"]} == set("ABCDE")
    assert not as_dict("person", course(person(100)))["flagged"]


def test_a_rule_is_asked_as_soon_as_it_has_enough() -> None:
    """However few completions a window brings, and however lately the others were asked."""
    rng = random.Random(4)
    events = program(30, lambda: rng.lognormvariate(3.0, 0.4), lambda gap: gap * 0.5)
    state, verdict = step(PlayerState(), Window(0, events[:28]))
    assert not verdict.flagged
    _, verdict = step(state, Window(1, events[28:]))
    assert [item.rule for item in verdict.evidence] == ["unrelated_claims"]
    assert verdict.severity == "high"
