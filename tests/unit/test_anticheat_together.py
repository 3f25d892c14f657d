"""What shows only when players are compared: farms, school classes, and times copied from another."""

from __future__ import annotations

import random

import numpy as np
import pytest

from bench.evaluate import farms
from services.anticheat.detector import join
from services.anticheat.echoes import echoes, telling
from services.anticheat.events import Event, Presence
from services.anticheat.groups import judge
from services.anticheat.state import PlayerState
from tests.support.habits_of_cheats import START, person


def test_a_farm_keeps_step() -> None:
    crowd = farms.farm(np.random.default_rng(3), "together")
    (group, *_) = judge(crowd.presences, crowd.completions)
    assert set(group.members) <= crowd.bad
    assert len(group.members) >= len(crowd.bad) / 2
    assert group.evidence.family == "F"
    assert f"{len(group.members)} accounts that share an" in group.evidence.reason
    assert group.evidence.e_value > 1e5
    assert judge(crowd.presences, crowd.completions)[0] == group, "the same when it runs again"


@pytest.mark.parametrize(("mode", "rule"), [("in turn", "in_turn"), ("at random times", "same_hand")])
def test_other_farms(mode: str, rule: str) -> None:
    crowd = farms.farm(np.random.default_rng(3), mode)
    group, *_ = [group for group in judge(crowd.presences, crowd.completions) if group.evidence.rule == rule]
    assert set(group.members) <= crowd.bad
    assert group.evidence.e_value > 3e5
    assert str(len(group.members)) in group.evidence.reason


def test_a_play_of_fixed_length_makes_no_hand() -> None:
    rng = random.Random(4)
    rounds = {user: [Event(n, "a", None, START + n * 90 + rng.random() * 60, 30_000) for n in range(150)]
              for user in range(12)}  # fmt: skip
    presences = [Presence(user, "school", "", START) for user in rounds]
    assert [group for group in judge(presences, rounds) if group.evidence.rule == "same_hand"] == []


def test_accounts_that_are_played_in_turn_never_meet() -> None:
    rng, at = random.Random(1), START
    turns: dict[int, list[Event]] = {user: [] for user in range(10)}
    for n in range(4_000):
        at += rng.uniform(4, 9)
        turns[rng.randrange(10)].append(Event(n, "a", None, at, 5_000))
    (group,) = [group for group in judge([Presence(user, "one", "", START) for user in turns], turns)
                if group.evidence.rule == "in_step"]  # fmt: skip
    assert group.members == tuple(range(10))
    assert "more rarely" in group.evidence.reason
    assert join(PlayerState(), [group.evidence])[1].severity == "low"
    household = {user: turns[user] for user in range(4)}
    assert judge([Presence(user, "one", "", START) for user in household], household) == []


def shunned(seed: int) -> dict[int, list[Event]]:
    """Somebody who plays honestly (0), and six who complete a little after them, and never close to anybody."""
    rng, at = random.Random(seed), START
    crowd: dict[int, list[Event]] = {user: [] for user in range(7)}
    for n in range(400):
        at += max(6.0, 22.0 * rng.lognormvariate(0.0, 0.45))
        crowd[0].append(Event(n, "a", None, at, rng.randrange(4_000, 6_000)))
        late = 2.1
        for user in rng.sample(range(1, 7), rng.randint(1, 3)):
            late += rng.uniform(0.0, 2.0)
            crowd[user].append(Event(10_000 * user + n, "a", None, at + late, rng.randrange(3_000, 9_000)))
            late += 2.1
    return crowd


@pytest.mark.parametrize("seed", range(3))
def test_whoever_is_kept_out_of_the_way_of_is_remarked_on_at_most(seed: int) -> None:
    crowd = shunned(seed)
    groups = [group for group in judge([Presence(user, "school", "", START) for user in crowd], crowd)
              if 0 in group.members]  # fmt: skip
    assert [group.evidence.rule for group in groups] == ["in_step"]
    assert "more rarely" in groups[0].evidence.reason
    assert join(PlayerState(), [group.evidence for group in groups])[1].severity == "low"
    assert groups[0].met[0] == (399,)


def at_own_pace(seed: int, spread: float) -> list[Event]:
    rng, at, events = random.Random(seed), START, list[Event]()
    for n in range(300):
        at += (25.0 + 2.0 * seed) * rng.lognormvariate(0.0, spread)
        events.append(Event(1_000 * seed + n, "puzzle", None, at, rng.randrange(4_000, 9_000 + 2_000 * seed)))
    return events


def follow(events: list[Event], late: float, seed: int) -> list[Event]:
    rng = random.Random(seed)
    return [event._replace(submitted_at=event.submitted_at + late + rng.gauss(0, 0.02)) for event in events]


@pytest.mark.parametrize("spread", [0.2, 0.6], ids=["steadily", "as most do"])
@pytest.mark.parametrize("late", [0.5, 12.5])
def test_whoever_is_only_followed_is_not_accused(late: float, spread: float) -> None:
    """Two accounts complete after each completion of somebody, also of one who plays steadily, among others."""
    leader = at_own_pace(0, spread)
    crowd = {0: leader, 1: follow(leader, late, 1), 2: follow(leader, late + 0.4, 2)}
    crowd |= {user: at_own_pace(user, 0.6) for user in range(3, 12)}
    groups = judge([Presence(user, "school", "", START) for user in crowd], crowd)
    assert groups
    assert {user for group in groups for user in group.members} == {1, 2}


def test_a_member_answers_for_the_completions_that_met_others() -> None:
    """Three keep step with every other completion, in no order."""
    base, rng = at_own_pace(0, 0.3), random.Random(2)
    crowd = {
        user: [
            event._replace(submitted_at=event.submitted_at + (rng.uniform(0, 0.9) if n % 2 else 3.0 + 5.0 * user))
            for n, event in enumerate(base)
        ]
        for user in range(3)
    }
    groups = judge([Presence(user, "home", "", START) for user in crowd], crowd)
    assert {group.evidence.rule for group in groups} == {"in_step", "in_turn"}
    (in_step,) = [group for group in groups if group.evidence.rule == "in_step"]
    assert in_step.members == (0, 1, 2)
    for named in in_step.met.values():
        assert len([entry for entry in named if entry % 2]) >= 145
        assert len([entry for entry in named if not entry % 2]) < 30


@pytest.mark.parametrize("seed", range(5))
def test_a_school_class_shares_an_address_and_no_more(seed: int) -> None:
    crowd = farms.school(np.random.default_rng(seed))
    assert [group for group in judge(crowd.presences, crowd.completions) if group.evidence.e_value > 1e3] == []


def test_what_two_share_or_nearly_everybody_shares_says_nothing() -> None:
    same = {user: [Event(n, "a", None, START + n * 30, 5_000) for n in range(50)] for user in range(100)}
    assert judge([Presence(user, "home", "", START) for user in range(2)], same) == []
    assert judge([Presence(user, "", "browser", START) for user in range(100)], same) == []
    assert judge([], {}) == []
    with np.errstate(all="raise"):
        groups = judge([Presence(user, "office", "", START) for user in range(4)], same)
    assert {group.members for group in groups} == {(0, 1, 2, 3)}


def test_another_players_times() -> None:
    source, other = person(100, seed=1), person(100, seed=2)
    copy = [event._replace(entry_id=n, submitted_at=event.submitted_at + 1e6) for n, event in enumerate(source[20:40])]
    found = echoes({"source": source, "other": other, "copier": person(60, seed=3, start=START + 5e5) + copy})
    assert set(found) == {"copier"}
    assert telling(found["copier"])
    assert found["copier"].value == 20
    assert found["copier"].entries == tuple(range(20))
    assert "source handed in before" in found["copier"].reason
    assert found["copier"].told_at in range(10)


def test_a_copy_is_found_however_few_places_are_followed_up() -> None:
    source = person(300, seed=1)
    copy = [event._replace(submitted_at=event.submitted_at + 1e6) for event in source]
    assert echoes({"source": source, "copier": copy}, most=3) == echoes({"source": source, "copier": copy})


def test_what_was_cleared_is_no_copy_and_may_be_copied() -> None:
    source = person(40, seed=1)
    copy = [event._replace(submitted_at=event.submitted_at + 1e6) for event in source]
    again = [event._replace(submitted_at=event.submitted_at + 2e6) for event in source]
    at = copy[19].submitted_at
    assert echoes({"source": source, "copier": copy}, {"copier": at})["copier"].value == 20
    assert echoes({"source": source, "copier": copy}, {"copier": at + 1e6}) == {}
    assert set(echoes({"copier": copy, "third": again}, {"copier": at + 1e5})) == {"third"}


def test_own_times_from_longer_ago_than_a_state_remembers() -> None:
    events = person(900, seed=4)
    copy = [event._replace(entry_id=2_000 + n, submitted_at=event.submitted_at + 1e7) for n, event in enumerate(events)]
    found = echoes({"alone": events + copy})["alone"]
    assert telling(found)
    assert (found.rule, found.value) == ("repeated_times", 900)
    assert found.told_at in range(2_000, 2_010)
    assert "900 completions earlier" in found.reason
    assert echoes({"alone": events}) == {}


def test_rounds_that_ran_out_are_no_copies() -> None:
    """A game hands in its longest time while nobody is there."""
    played = {name: person(900, seed) for seed, name in enumerate("abc")}
    left = {
        name: [event._replace(claimed_ms=60_000) if event.entry_id % 300 < 20 else event for event in events]
        for name, events in played.items()
    }
    assert echoes(left) == {}


def test_times_that_everybody_has_are_no_copies() -> None:
    rounds = {
        name: [event._replace(claimed_ms=30_000) for event in person(100, seed)] for seed, name in enumerate("abc")
    }
    assert not any(telling(evidence) for evidence in echoes(rounds).values())
    coarse = {
        name: [event._replace(claimed_ms=round(event.claimed_ms, -3)) for event in person(300, seed)]
        for seed, name in enumerate("abc")
    }
    assert not any(telling(evidence) for evidence in echoes(coarse).values())
    assert echoes({}) == echoes({"alone": person(10)}) == {}
