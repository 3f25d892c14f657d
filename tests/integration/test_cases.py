"""Cases as PostgreSQL keeps them: severity, holds, and what the door adds."""

from __future__ import annotations

from typing import Any

import pytest

from config.catalogue import BOARD
from services import scoring
from services.errors import SuspiciousActivity
from services.reconcile import drain_outbox
from services.resources import Resources
from services.sessions import Player
from services.verify import verify
from tests.support.people import People, ranking


def add(people: People, player: Player, severity: str, fingerprint: str, family: str = "A") -> Any:
    rows = people.execute(
        "SELECT add_evidence(:id, 'rule', 'Looks odd.', 1, 2, '{}', '{}', :fingerprint, :family, :severity)",
        id=player.user_id,
        fingerprint=fingerprint,
        family=family,
        severity=severity,
    )
    return rows[0][0]


def case_of(people: People, player: Player) -> Any:
    return people.execute("SELECT severity, held FROM review_cases WHERE user_id = :id", id=player.user_id)[0]


def test_a_case_takes_the_highest_severity_of_its_evidence(people: People, player: Player) -> None:
    for number, (severity, expected) in enumerate([("low", "low"), ("medium", "medium"), ("low", "medium")]):
        add(people, player, severity, str(number))
        assert case_of(people, player) == (expected, False)
    assert people.status(player) == "active"


def test_what_is_high_holds_the_player_and_redis_follows(resources: Resources, people: People, player: Player) -> None:
    other = people.join()
    people.complete(player, "puzzle")
    people.complete(other)
    before = people.standing(player)
    add(people, player, "medium", "one")
    assert [user for user, _ in ranking(resources)] == [player.user_id, other.user_id]
    add(people, player, "high", "two")
    assert case_of(people, player) == ("high", True)
    after = people.standing(player)
    assert (after.score, after.hidden, after.version) == (before.score, True, before.version + 1)
    drain_outbox(resources)
    assert [user for user, _ in ranking(resources)] == [other.user_id]
    assert list(verify(resources, BOARD)) == []


def test_a_held_players_points_go_on_counting(resources: Resources, people: People, player: Player) -> None:
    people.complete(player)
    add(people, player, "high", "one")
    assert people.complete(player).new_score == 200
    assert people.standing(player).hidden
    add(people, player, "high", "two")
    assert len(people.execute("SELECT FROM evidence")) == 2


def test_the_same_finding_twice_changes_nothing(people: People, player: Player) -> None:
    people.complete(player)
    case = add(people, player, "low", "one")
    assert case
    assert add(people, player, "high", "one") is None
    assert case_of(people, player) == ("low", False)


@pytest.mark.parametrize(("column", "value"), [("severity", "none"), ("family", "Z")])
def test_unknown_words_are_refused(people: People, player: Player, column: str, value: str) -> None:
    arguments = {"severity": "low", "family": "A", column: value}
    with pytest.raises(Exception, match=f"ck_evidence_{column}"):
        add(people, player, fingerprint="one", **arguments)


def test_a_refusal_at_the_door_is_low_evidence_and_flags_the_account(people: People, player: Player) -> None:
    with pytest.raises(SuspiciousActivity):
        people.spend(player, people.token(player), 1)
    assert people.execute("SELECT rule, family, severity FROM evidence") == [("too_fast", "G", "low")]
    assert (people.status(player), case_of(people, player)) == ("flagged", ("low", False))


def test_nobody_earns_more_in_a_minute_than_actions_and_limits_make_possible(
    resources: Resources, people: People, player: Player
) -> None:
    """Ten puzzles are all that fits, however few entries they are."""
    assert resources.points_ceiling == 5_000
    people.execute(
        "SELECT append_entry(:id, 'global', 'puzzle', 'timed', 5000, sha256('t'), NULL, 1500, 1600, NULL)",
        id=player.user_id,
    )
    with pytest.raises(SuspiciousActivity):
        people.complete(player)
    assert people.execute("SELECT rule, value, threshold FROM evidence") == [("velocity_ceiling", 5_100, 5_000)]
    scoring.complete_once(resources, player, action_type="quiz", data={"answer": "redis"})
    assert people.standing(player).score == 5_050


def test_a_minute_later_the_ceiling_is_free_again_and_a_clock_that_steps_back_bars_nobody(
    people: People, player: Player
) -> None:
    for away in ("-56 seconds", "1 hour"):
        _move_the_ledger(people, player, away)
        assert people.complete(player).score_incr == 100


def _move_the_ledger(people: People, player: Player, away: str) -> None:
    """Ten puzzles at another time. The hashes are wrong, which nobody looks at here."""
    people.execute(
        "INSERT INTO ledger_entries "
        "(user_id, seq, board, action_type, kind, points, created_at, previous_hash, hash) "
        "SELECT :id, h.seq + i, 'global', 'puzzle', 'timed', 500, clock_timestamp() + CAST(:away AS interval), '', '' "
        "FROM ledger_heads h, generate_series(1, 10) i WHERE h.user_id = :id",
        id=player.user_id,
        away=away,
    )
    people.execute("UPDATE ledger_heads SET seq = seq + 10 WHERE user_id = :id", id=player.user_id)
