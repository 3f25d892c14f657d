"""Refused calls on their way to the analysis: bounded, and off the good path."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from models.database import DatabaseUnavailableError
from services import refusals
from services.resources import Resources
from services.sessions import Player
from tests.support.people import People


def test_refusals_go_through_redis_to_postgresql_in_order(resources: Resources, people: People, player: Player) -> None:
    other = people.join()
    for who, code in ((player, "RATE_LIMIT_EXCEEDED"), (other, "ACTION_TOKEN_INVALID"), (player, "TOKEN_ALREADY_USED")):
        refusals.note(resources, who.user_id, code)
    assert refusals.drain(resources) == 3
    rows = people.execute("SELECT user_id, code, at <= recorded_at AND at > now() - interval '1 minute' FROM refusals")
    assert rows == [
        (player.user_id, "RATE_LIMIT_EXCEEDED", True),
        (other.user_id, "ACTION_TOKEN_INVALID", True),
        (player.user_id, "TOKEN_ALREADY_USED", True),
    ]
    assert refusals.drain(resources) == 0


def test_a_flood_by_one_player_is_cut_off_and_leaves_room_for_others(
    resources: Resources, people: People, player: Player
) -> None:
    other = people.join()
    for _ in range(refusals.MOST_OF_ONE + 50):
        refusals.note(resources, player.user_id, "RATE_LIMIT_EXCEEDED")
    refusals.note(resources, other.user_id, "RATE_LIMIT_EXCEEDED")
    assert refusals.drain(resources) == refusals.MOST_OF_ONE + 1
    assert resources.redis.ttl(f"{refusals.LIST}:of:{player.user_id}") > 3_000


def test_a_flood_of_harmless_ones_keeps_out_none_that_tell(
    resources: Resources, people: People, player: Player
) -> None:
    for code in ["VALIDATION_ERROR"] * refusals.MOST_OF_ONE + ["ACTION_TOKEN_INVALID"] * 40:
        refusals.note(resources, player.user_id, code)
    refusals.drain(resources)
    kept = people.execute("SELECT code, count(*) FROM refusals GROUP BY 1 ORDER BY 1")
    assert kept == [("ACTION_TOKEN_INVALID", 40), ("VALIDATION_ERROR", refusals.MOST_OF_ONE)]
    for _ in range(refusals.MOST_OF_ONE):
        refusals.note(resources, player.user_id, "SUSPICIOUS_ACTIVITY")
    assert refusals.drain(resources) == refusals.MOST_OF_ONE - 40


def test_while_no_worker_comes_the_oldest_go(
    resources: Resources, player: Player, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refusals, "MOST_WAITING", 10)
    for code in range(25):
        refusals.note(resources, player.user_id, f"CODE_{code}")
    assert resources.redis.lrange(refusals.LIST, 0, 0)[0].split()[1] == b"CODE_15"
    assert refusals.drain(resources) == 10


def test_an_outage_loses_nothing_that_was_noted(
    resources: Resources, without: Callable[[str], Resources], people: People, player: Player
) -> None:
    for code in ("FIRST", "SECOND"):
        refusals.note(resources, player.user_id, code)
    refusals.note(without("redis"), player.user_id, "LOST")
    with pytest.raises(DatabaseUnavailableError):
        refusals.drain(without("postgres"))
    assert refusals.drain(resources) == 2
    assert people.execute("SELECT code FROM refusals ORDER BY id") == [("FIRST",), ("SECOND",)]


def test_who_was_refused_is_due_whatever_fails_afterwards(
    resources: Resources, people: People, player: Player, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first batch is taken, and the server is gone before the second."""
    monkeypatch.setattr(refusals, "BATCH", 1)
    real = refusals._insert
    for _ in range(2):
        refusals.note(resources, player.user_id, "RATE_LIMIT_EXCEEDED")

    def insert_one(resources: Resources, lines: list[bytes]) -> None:
        monkeypatch.setattr(refusals, "_insert", None)  # It cannot be called.
        real(resources, lines)

    monkeypatch.setattr(refusals, "_insert", insert_one)
    with pytest.raises(TypeError):
        refusals.drain(resources)
    assert people.execute("SELECT user_id FROM anticheat_states WHERE due_at IS NOT NULL") == [(player.user_id,)]


def test_nobody_who_is_not_there_and_nothing_for_ever(resources: Resources, people: People, player: Player) -> None:
    refusals.note(resources, 999_999_999, "RATE_LIMIT_EXCEEDED")
    refusals.note(resources, player.user_id, "RATE_LIMIT_EXCEEDED")
    assert refusals.drain(resources) == 2
    assert people.execute("SELECT user_id FROM refusals") == [(player.user_id,)]
    assert refusals.purge(resources) == 0
    people.execute("UPDATE refusals SET recorded_at = now() - interval '31 days'")
    assert refusals.purge(resources) == 1
