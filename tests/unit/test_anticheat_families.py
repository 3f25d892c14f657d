"""Each family: a person who is not found, a program that is, and the sentence that a moderator reads."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from services.anticheat import clock, endurance, refusals, regularity, replay, velocity
from services.anticheat.detector import JUDGES, replay as replay_all
from services.anticheat.events import Event, Refusal, windows
from services.anticheat.evidence import Evidence, Silence
from services.anticheat.history import History, Judged, absorb
from services.anticheat.state import PlayerState
from services.anticheat.thresholds import P_TELLING, RULES, TABLE
from tests.support.habits_of_cheats import START, history, person, program


def found(judged: list[Judged], rule: str) -> Evidence:
    (item,) = [item for item in judged if item.rule == rule]
    assert isinstance(item, Evidence), item
    return item


def silent(judged: list[Judged], rule: str) -> str:
    (item,) = [item for item in judged if item.rule == rule]
    assert isinstance(item, Silence), item
    return item.why


def telling(item: Evidence) -> bool:
    return item.percentile is not None and item.percentile <= P_TELLING


@pytest.mark.parametrize("seed", range(12))
def test_a_person_gives_no_family_much_to_say(seed: int) -> None:
    _, verdict = replay_all(person(600, seed))
    assert verdict.severity == "none", verdict.evidence


def test_every_rule_says_where_it_comes_from() -> None:
    for row in TABLE.values():
        assert row.source
        assert row.telling != row.mild
    assert {row.family for row in TABLE.values()} == set("ABCDEFG")
    assert len(RULES) == len(set(RULES))


def test_a_timer_is_steady() -> None:
    rng = random.Random(1)
    item = found(regularity.judge(history(program(31, lambda: rng.gauss(20, 0.2)))), "steady_gaps")
    assert telling(item)
    assert item.n == 30
    assert item.entries == tuple(range(2, 32))
    assert "vary by only" in item.reason


def test_jitter_is_as_often_short_as_long() -> None:
    rng = random.Random(2)
    item = found(regularity.judge(history(program(430, lambda: rng.uniform(8, 32)))), "even_gaps")
    assert telling(item)
    assert abs(item.value) < 0.05
    assert "random number generator" in item.reason
    honest = found(regularity.judge(history(person(450))), "even_gaps")
    assert honest.value > 0.2
    assert honest.percentile == pytest.approx(1, abs=0.9)


def test_a_random_number_between_two_limits_is_flat() -> None:
    rng = random.Random(9)
    item = found(regularity.judge(history(program(210, lambda: float(rng.randint(10, 40))))), "flat_gaps")
    assert telling(item)
    assert "between two limits" in item.reason
    assert not telling(found(regularity.judge(history(person(300))), "flat_gaps"))


def test_an_idle_time_that_follows_from_the_play() -> None:
    rng = random.Random(10)
    events = program(80, lambda: rng.gauss(40, 0.5), lambda _: rng.lognormvariate(2.3, 0.3))
    late = [event._replace(issued_at=event.submitted_at - event.claimed_ms / 1_000 - 0.1) for event in events]
    item = found(regularity.judge(history(late)), "linked_idles")
    assert telling(item)
    assert item.value < -0.93
    assert "the shorter, the longer" in item.reason
    assert not telling(found(regularity.judge(history(person(300))), "linked_idles"))


def test_gaps_that_a_limit_made_are_not_the_players() -> None:
    rng = random.Random(11)
    events: list[Event] = []
    at = START
    for n in range(400):
        at += rng.gauss(30, 6)
        at = max(at, events[-100].submitted_at + 3_601) if n >= 100 else at
        events.append(Event(n, "a", None, at, round(rng.lognormvariate(2, 0.3) * 1_000)))
    past = history(events)
    assert past.gaps.max() < 60
    assert telling(found(regularity.judge(past), "even_gaps"))


def test_small_jitter_has_no_long_pauses() -> None:
    rng = random.Random(3)
    assert telling(found(regularity.judge(history(program(301, lambda: rng.gauss(20, 1)))), "no_long_gaps"))
    assert telling(found(regularity.judge(history(program(301, lambda: rng.gauss(20, 0.8)))), "narrow_gaps"))


def test_plays_that_begin_by_themselves_say_nothing_by_their_idle_time() -> None:
    rng = random.Random(4)
    events = program(430, lambda: rng.lognormvariate(3, 0.4))
    instant = [event._replace(issued_at=before.submitted_at + 0.05)
               for before, event in pairwise(events)]  # fmt: skip
    assert "by themselves" in silent(regularity.judge(history(instant)), "even_idles")


def test_a_claim_that_does_not_follow_the_clock() -> None:
    rng = random.Random(5)
    events = program(40, lambda: rng.lognormvariate(3, 0.5) + 10, lambda gap: gap * 0.8 * 0.4)
    item = found(clock.judge(history(events)), "unrelated_claims")
    assert telling(item)
    assert item.value == pytest.approx(1.0, abs=0.01)
    assert "grows with the claim" in item.reason
    made_up = program(40, lambda: rng.gauss(25, 0.3), lambda _: rng.lognormvariate(2.5, 0.2))
    assert telling(found(clock.judge(history(made_up)), "unrelated_claims"))
    assert not telling(found(clock.judge(history(person(200))), "unrelated_claims"))


def test_a_coarse_timer_is_no_forgery() -> None:
    rng = random.Random(8)
    events = [event._replace(claimed_ms=round(event.claimed_ms, -2))
              for event in program(300, lambda: rng.lognormvariate(1.2, 0.03))]  # fmt: skip
    assert "timer's step" in silent(clock.judge(history(events)), "unrelated_claims")


def test_claims_over_the_clock_are_impossible_and_a_step_of_the_clock_is_not_enough() -> None:
    events = person(100)
    stepped = [*events[:50], events[50]._replace(claimed_ms=events[50].claimed_ms + 60_000), *events[51:]]
    assert (found(clock.judge(history(stepped)), "impossible_claims").percentile or 0) > 0.1
    forged = [event._replace(claimed_ms=event.claimed_ms + 5_000) for event in events[:30]]
    item = found(clock.judge(history(forged)), "impossible_claims")
    assert telling(item)
    assert item.value == 1.0


def test_without_issue_times_the_clock_cannot_tell_and_says_so() -> None:
    events = [event._replace(issued_at=None) for event in person(100)]
    assert "no issue times" in silent(clock.judge(history(events)), "unrelated_claims")


def test_exact_times_that_came_before() -> None:
    events = person(200)
    copy = [
        event._replace(entry_id=event.entry_id + 500, submitted_at=event.submitted_at + 1e6) for event in events[50:62]
    ]
    item = found(replay.judge(history(events + copy, fresh=12)), "repeated_times")
    assert telling(item)
    assert item.value == 12
    assert "150 completions earlier" in item.reason
    assert item.entries == tuple(event.entry_id for event in copy)
    assert not telling(found(replay.judge(history(events)), "repeated_times"))


def test_times_that_are_always_the_same_are_no_replay() -> None:
    events = [event._replace(claimed_ms=30_000) for event in person(300)]
    judged = replay.judge(history(events))
    assert found(judged, "repeated_times").percentile == 1.0
    assert "the same" in silent(judged, "repeated_shape")


def test_a_coarse_timer_is_no_replay() -> None:
    events = [event._replace(claimed_ms=round(event.claimed_ms, -3)) for event in person(450)]
    assert not telling(found(replay.judge(history(events)), "repeated_times"))


def test_rounds_that_ran_out_are_no_replay() -> None:
    """Somebody is called away twice, and a game hands in its longest time until they are back."""
    events = [event._replace(claimed_ms=60_000) if event.entry_id % 200 < 20 else event for event in person(450)]
    item = found(replay.judge(history(events[:425])), "repeated_times")
    assert item.percentile == 1.0


def test_a_replay_with_noise_has_the_same_shape() -> None:
    rng = random.Random(6)
    events = person(160)
    copy = [event._replace(entry_id=event.entry_id + 500, claimed_ms=round(event.claimed_ms * rng.gauss(1, 0.05)))
            for event in events[20:110]]  # fmt: skip
    judged = replay.judge(history(events + copy, fresh=90))
    assert telling(found(judged, "repeated_shape_long"))
    assert "rise and fall" in found(judged, "repeated_shape_long").reason
    assert not telling(found(replay.judge(history(person(400))), "repeated_shape_long"))


def day(hours: int, gap: float = 300.0) -> History:
    events = [Event(n, "a", None, START + n * gap, 5_000 + n * 37 % 4_000) for n in range(round(hours * 3_600 / gap))]
    past = History(PlayerState(), ())
    for part in windows(events):
        past = absorb(past.state, part.window_id, part.events, ())
    return past


def test_nobody_plays_around_the_clock() -> None:
    judged = endurance.judge(day(24))
    item = found(judged, "active_hours")
    assert item.value == 24
    assert telling(item)
    assert "none measured played in more than 13" in item.reason
    assert telling(found(judged, "no_break"))
    waking = endurance.judge(day(16, gap=1_800.0))
    assert not telling(found(waking, "active_hours"))
    assert "without a break" in silent(waking, "no_break")


def test_hours_at_the_limit() -> None:
    item = found(endurance.judge(day(5, gap=36.0)), "at_the_cap")
    assert telling(item)
    assert "400 completions in 4 hours" in item.reason
    assert "limits are not in force" in silent(endurance.judge(day(5, gap=30.0)), "at_the_cap")


def limited(late: float) -> History:
    """Five hours of a hundred plays in ten minutes each, back so many seconds after the limit has let them."""
    events = []
    for n in range(480):
        hour, place = divmod(n, 100)
        at = START + hour * (3_600 + late) + place * 6.5
        events.append(Event(n, "a", None, at, 2_000 + n * 37 % 900))
    return history(events)


def test_back_to_the_second_after_every_long_wait() -> None:
    item = found(endurance.judge(limited(0.5)), "prompt_returns")
    assert telling(item)
    assert (item.value, item.n) == (4, 4)
    assert "when it suits them" in item.reason
    assert found(endurance.judge(limited(60)), "prompt_returns").percentile == 1.0
    assert "ten minutes" in silent(endurance.judge(history(person(300))), "prompt_returns")


def test_sudden_skill() -> None:
    events = person(300)
    better = [event._replace(claimed_ms=event.claimed_ms // 3) for event in events[-60:]]
    item = found(velocity.judge(history(events[:-60] + better)), "sudden_skill")
    assert telling(item)
    assert "Three in four of the last 60 plays take less than" in item.reason
    assert not telling(found(velocity.judge(history(events)), "sudden_skill"))
    assert not telling(found(velocity.judge(history(events[:-60] + better[:30] + events[-30:])), "sudden_skill"))


def test_who_was_as_fast_long_ago_is_not_suddenly_fast() -> None:
    events = person(1_400)
    fast = [event._replace(claimed_ms=event.claimed_ms // 3) for event in events]
    state, _ = replay_all(fast[:200] + events[200:1_300])
    again = absorb(state, 10**6, fast[1_300:], ())
    assert not telling(found(velocity.judge(again), "sudden_skill"))
    state, _ = replay_all(events[:1_300])
    assert telling(found(velocity.judge(absorb(state, 10**6, fast[1_300:], ())), "sudden_skill"))


def test_another_action_is_no_sudden_skill() -> None:
    events = person(200)
    other = [event._replace(action_type="reaction", claimed_ms=event.claimed_ms // 8) for event in events[-40:]]
    assert "of the same action" in silent(velocity.judge(history(events[:-40] + other)), "sudden_skill")


def test_a_minority_of_plays_by_a_program() -> None:
    rng = random.Random(7)
    mixed = [
        event._replace(claimed_ms=event.claimed_ms // 6) if rng.random() < 0.12 else event for event in person(400)
    ]
    item = found(velocity.judge(history(mixed)), "fast_minority")
    assert telling(item)
    assert "the others are not" in item.reason
    other_game = [event._replace(claimed_ms=event.claimed_ms // 6) if event.entry_id % 80 < 10 else event
                  for event in person(400)]  # fmt: skip
    assert "another task" in silent(velocity.judge(history(other_game)), "fast_minority")
    coarse = [event._replace(claimed_ms=rng.choice([1_000, 2_000, 2_000, 2_000, 3_000])) for event in person(400)]
    assert not telling(found(velocity.judge(history(coarse)), "fast_minority"))


def test_probing_is_remarked_and_outages_are_not() -> None:
    bad = [Refusal(START + n, "SUSPICIOUS_ACTIVITY") for n in range(40)]
    item = found(refusals.judge(absorb(PlayerState(), 1, person(30), bad)), "probing")
    assert telling(item)
    assert item.reason.startswith("40 of 70 calls")
    outage = [*bad, Refusal(START + 5, "SERVICE_UNAVAILABLE")]
    assert "needs 20 calls" in silent(refusals.judge(absorb(PlayerState(), 1, person(10), outage)), "probing")
    retries = [
        Refusal(START + n * 30, code) for n in range(20) for code in ("TOKEN_ALREADY_USED", "RATE_LIMIT_EXCEEDED")
    ]
    assert found(refusals.judge(absorb(PlayerState(), 1, person(10), retries)), "probing").value == 0


def test_a_loop_that_ignores_the_limit_is_telling() -> None:
    loop = [Refusal(START + n * 0.05, "RATE_LIMIT_EXCEEDED") for n in range(30)]
    assert telling(found(refusals.judge(absorb(PlayerState(), 1, person(20), loop)), "probing"))
    assert not telling(found(refusals.judge(absorb(PlayerState(), 1, [], loop)), "probing"))


def test_all_families_of_one_player_have_a_judge() -> None:
    assert set(JUDGES) == set("ABCDEG")
