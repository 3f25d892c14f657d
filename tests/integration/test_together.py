"""Players who share an address or a client, looked at together."""

from __future__ import annotations

import random
import time

import pytest
from sqlalchemy import text

from services.anticheat import together
from services.anticheat.analysis import analyse_player
from services.anticheat.events import WINDOW_SECONDS, Event
from services.anticheat.recompute import recompute
from services.anticheat.together import analyse_groups
from services.resources import Resources
from services.review.cases import get_case
from services.review.decisions import decide
from services.sessions import Player, origin
from tests.support.people import People, steady

START = (time.time() // WINDOW_SECONDS - 30) * WINDOW_SECONDS


def play(seed: int, number: int = 80, start: float = START) -> list[Event]:
    """Somebody's rounds, as people play them."""
    rng, at, events = random.Random(seed), start, []
    for n in range(number):
        claim = rng.lognormvariate(2.5, 0.4)
        at += claim + rng.lognormvariate(2.5, 0.8) + (7_000 if n % 40 == 39 else 0)
        events.append(Event(n, "puzzle", at - claim - 0.2, at, round(claim * 1_000)))
    return events


def in_step(events: list[Event], seed: int) -> list[Event]:
    """The same moments, a second or so apart, with times of their own."""
    rng = random.Random(seed)
    return [
        event._replace(
            submitted_at=event.submitted_at + (late := rng.uniform(0.0, 0.9)),
            issued_at=(event.issued_at or 0.0) + late,
            claimed_ms=max(1_000, event.claimed_ms - rng.randrange(1, 900)),
        )
        for event in events
    ]


def seen_from(people: People, address: str, *players: Player, agent: str = "") -> None:
    came_from = origin(people.resources, address, agent)
    people.execute(
        "UPDATE sessions SET address = :address, user_agent = :user_agent WHERE user_id = ANY(:ids)",
        ids=[player.user_id for player in players],
        **came_from._asdict(),
    )


def accused(people: People) -> dict[str, set[int]]:
    found: dict[str, set[int]] = {}
    for rule, user_id in people.execute("SELECT rule, user_id FROM evidence"):
        found.setdefault(rule, set()).add(user_id)
    return found


@pytest.fixture
def farm(people: People) -> list[Player]:
    """Four accounts of one hand and a stranger, on one address; and somebody elsewhere who happens to keep step."""
    players = people.several(6)
    base = play(1)
    for number, player in enumerate(players):
        people.have_played(player, play(99) if number == 4 else in_step(base, number))
    seen_from(people, "198.51.100.7", *players[:5])
    seen_from(people, "203.0.113.9", players[5])
    return players


def test_accounts_that_keep_step_join_each_members_case(
    resources: Resources, people: People, farm: list[Player]
) -> None:
    looked = analyse_groups(resources)
    assert looked is not None
    assert (looked.sets, looked.players, looked.left, len(looked.found)) == (1, 5, 0, 8)
    members = {player.user_id for player in farm[:4]}
    assert accused(people) == {"in_step": members, "in_turn": members}
    assert people.execute("SELECT DISTINCT family, severity FROM evidence") == [("F", "medium")]


def test_the_evidence_of_a_group_that_goes_on_is_all_that_met_the_others(
    resources: Resources, people: People, farm: list[Player]
) -> None:
    analyse_groups(resources)
    base = play(2, start=START + 25 * WINDOW_SECONDS)
    for number, player in enumerate(farm[:4]):
        people.have_played(player, in_step(base, number))
    analyse_groups(resources)
    case = people.execute("SELECT id FROM review_cases WHERE user_id = :id", id=farm[0].user_id)[0][0]
    reasons = get_case(resources, case).evidence
    assert {reason.rule for reason in reasons} >= {"in_step", "in_turn"}
    assert len(reasons) == len({reason.rule for reason in reasons})
    assert decide(resources, people.join(role="analyst"), case, "confirm", "a farm").reversed_entries == 160
    assert people.standing(farm[0]).score == 0


def test_what_met_nobody_is_not_named(resources: Resources, people: People, farm: list[Player]) -> None:
    people.have_played(farm[0], play(77, 30, START + 26 * WINDOW_SECONDS))
    analyse_groups(resources)
    ((entries,),) = people.execute(
        "SELECT entries FROM evidence WHERE user_id = :id AND rule = 'in_step'", id=farm[0].user_id
    )
    own = people.entries(farm[0])
    assert set(entries) <= set(own[:80])
    assert len(entries) > 75


def test_a_group_brings_up_what_its_members_own_play_has_shown(
    resources: Resources, people: People, farm: list[Player]
) -> None:
    people.have_played(farm[0], steady(START + 20 * WINDOW_SECONDS, 50))
    assert analyse_player(resources, farm[0].user_id).outcome == "clean"
    analyse_groups(resources)
    assert farm[0].user_id in accused(people)["steady_gaps"]


def in_turn(players: list[Player], people: People, seed: int, start: float, number: int = 80) -> None:
    """Each plays as many seconds after the one before."""
    for place, player in enumerate(players):
        people.have_played(player, in_step(play(seed, number, start + 12 * place), place))


def test_a_farm_that_was_cleared_is_not_told_of_again_for_what_it_was_cleared_of(
    resources: Resources, people: People
) -> None:
    players, analyst = people.several(4), people.join(role="analyst")
    seen_from(people, "198.51.100.7", *players)
    in_turn(players, people, 1, START)
    analyse_groups(resources)
    assert set(accused(people)) == {"in_turn"}
    for (case,) in people.execute("SELECT id FROM review_cases"):
        decide(resources, analyst, case, "clear", "a family that counts down together")
    in_turn(players, people, 3, START + 54 * WINDOW_SECONDS, 3)
    looked = analyse_groups(resources)
    assert looked is not None
    assert looked.found == []
    assert people.execute("SELECT DISTINCT status FROM review_cases") == [("cleared",)]


def test_twice_is_once_and_one_pass_at_a_time(resources: Resources, people: People, farm: list[Player]) -> None:
    analyse_groups(resources)
    looked = analyse_groups(resources)
    assert looked is not None
    assert looked.found == []
    assert len(people.execute("SELECT FROM evidence")) == 8
    with resources.engine.connect().execution_options(isolation_level="READ COMMITTED") as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": together.GROUPS_LOCK})
        assert analyse_groups(resources) is None
        connection.rollback()


def test_a_verdict_of_a_group_counts_with_the_players_own(
    resources: Resources, people: People, farm: list[Player]
) -> None:
    """Found together first, then alone: the second family makes it high. Computed anew it is the same."""
    analyse_groups(resources)
    start = (time.time() // WINDOW_SECONDS + 1) * WINDOW_SECONDS
    clockwork = [Event(n, "puzzle", start + n * 30 - 21.0, start + n * 30, 20_000 + n * 7) for n in range(1, 100)]
    people.have_played(farm[0], clockwork)
    assert analyse_player(resources, farm[0].user_id).outcome == "flag high: regularity, claim against clock, groups"
    assert people.execute("SELECT severity, held FROM review_cases WHERE user_id = :id", id=farm[0].user_id) == [
        ("high", True)
    ]
    stored = recompute(resources, farm[0].username).as_dict()["stored"]
    assert stored["same_bytes"] is True


def test_times_that_another_handed_in_before(resources: Resources, people: People) -> None:
    source, copier, bystander = people.several(3)
    base = play(1)
    people.have_played(source, base)
    late = 9 * WINDOW_SECONDS
    people.have_played(
        copier,
        [
            event._replace(submitted_at=event.submitted_at + late, issued_at=(event.issued_at or 0) + late)
            for event in base
        ],
    )
    people.have_played(bystander, play(3))
    seen_from(people, "", source, copier, bystander, agent="farm/1.0")
    analyse_groups(resources)
    assert accused(people) == {"others_times": {copier.user_id}}
    reason, severity = people.execute("SELECT reason, severity FROM evidence")[0]
    assert f"exactly those that {source.username} handed in" in reason
    assert severity == "high"


def moved(events: list[Event], seconds: float) -> list[Event]:
    return [
        event._replace(submitted_at=event.submitted_at + seconds, issued_at=(event.issued_at or 0.0) + seconds)
        for event in events
    ]


def test_who_was_cleared_of_copying_is_told_of_for_what_they_copy_later(resources: Resources, people: People) -> None:
    source, copier = people.several(2)
    base = play(1)
    people.have_played(source, base)
    people.have_played(copier, moved(base[:30], 300))
    seen_from(people, "198.51.100.7", source, copier)
    analyse_groups(resources)
    ((case,),) = people.execute("SELECT id FROM review_cases")
    decide(resources, people.join(role="analyst"), case, "clear", "one person, two accounts")
    people.have_played(copier, play(9, 30, time.time() + 60))
    analyse_groups(resources)
    assert analyse_player(resources, copier.user_id).outcome == "clean"
    assert accused(people) == {"others_times": {copier.user_id}}
    people.have_played(copier, moved(base[40:60], time.time() + 7_000 - START))
    analyse_groups(resources)
    rule, severity, entries = people.execute("SELECT rule, severity, entries FROM evidence ORDER BY id DESC LIMIT 1")[0]
    assert (rule, severity) == ("others_times", "high")
    assert entries == people.entries(copier)[-20:]


def test_of_very_many_who_share_something_some_are_looked_at(
    resources: Resources, people: People, farm: list[Player], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(together, "MOST_ACCOUNTS", 4)
    looked = analyse_groups(resources)
    assert looked is not None
    assert (looked.sets, looked.players) == (1, 4)


def test_accounts_that_do_not_play_hide_no_farm(resources: Resources, people: People, farm: list[Player]) -> None:
    seen_from(people, "198.51.100.7", *people.several(200))
    assert analyse_groups(resources) is not None
    assert accused(people)["in_step"] == {player.user_id for player in farm[:4]}


def test_accounts_that_do_not_play_take_no_time(resources: Resources, people: People, farm: list[Player]) -> None:
    """Two hundred pairs, each with a client of its own; and who did play, long ago."""
    for number in range(200):
        seen_from(people, "", *people.several(2), agent=f"made up {number}")
    former = people.several(2)
    for player in former:
        people.have_played(player, play(5, 20, time.time() - 9 * together.DAY_SECONDS))
    seen_from(people, "192.0.2.77", *former)
    looked = analyse_groups(resources)
    assert looked is not None
    assert (looked.sets, looked.players) == (1, 5)


def test_of_a_players_clients_the_newest_are_looked_at_and_pairs_last(
    resources: Resources, people: People, farm: list[Player], monkeypatch: pytest.MonkeyPatch
) -> None:
    people.execute(
        "INSERT INTO sessions (id, user_id, refresh_id, expires_at, rotated_at, user_agent) "
        "SELECT gen_random_uuid(), u, gen_random_uuid(), now(), now() - make_interval(mins => n), 'made up ' || n "
        "FROM generate_series(1, 40) AS n, unnest(CAST(:ids AS bigint[])) AS u",
        ids=[player.user_id for player in farm[3:5]],
    )
    looked = analyse_groups(resources)
    assert looked is not None
    assert (looked.sets, looked.left) == (1 + together.NEWEST, 0)
    with resources.engine.connect() as connection:
        assert [len(users) for _, _, users in together._shared(connection)] == [5, 2, 2, 2]


def test_what_takes_too_long_is_left_for_the_next_time(
    resources: Resources, farm: list[Player], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(together, "MOST_SECONDS", -1.0)
    looked = analyse_groups(resources)
    assert looked is not None
    assert (looked.sets, looked.left) == (0, 1)


def test_an_address_is_kept_as_a_keyed_hash_and_a_client_in_part(resources: Resources) -> None:
    kept = origin(resources, "198.51.100.7", "x" * 5_000 + "\0")
    assert (len(kept.address), len(kept.user_agent)) == (32, 200)
    assert kept.address == origin(resources, "198.51.100.7", "another").address
    assert kept.address != origin(resources, "198.51.100.8", "").address
    assert origin(resources, "", "") == ("", "")
