"""A clock of PostgreSQL that goes back: an operator's mistake, or a standby that took over. No player is to blame."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, text

from config.catalogue import BOARD
from models.database import transaction
from services import reversals
from services.errors import ActionTokenExpired, SuspiciousActivity
from services.resources import Resources
from services.sessions import Player
from services.verify import fold_differences
from tests.support.ground import Servers
from tests.support.people import People

_CLOCK = """
    CREATE SCHEMA backwards;
    CREATE SEQUENCE backwards.looks;
    CREATE FUNCTION backwards.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE AS
        $$ SELECT pg_catalog.clock_timestamp() - make_interval(secs => nextval('backwards.looks')) $$;
    GRANT USAGE ON SCHEMA backwards TO fairboard_app;
    GRANT USAGE ON SEQUENCE backwards.looks TO fairboard_app;
"""
_EARN = text("SELECT append_entry(:id, :board, :action, 'once', 10, NULL, NULL, NULL, NULL, :data)")


@pytest.fixture
def backwards(servers: Servers, resources: Resources) -> Iterator[Connection]:
    """A transaction in which PostgreSQL's clock is a second earlier at each look."""
    servers.superuser(_CLOCK)
    try:
        with transaction(resources.engine) as connection:
            connection.execute(text("SET LOCAL search_path = backwards, pg_catalog, public"))
            yield connection
    finally:
        servers.superuser("DROP SCHEMA backwards CASCADE")


def earn(connection: Connection, player: Player) -> None:
    for action in ("first", "second", "third"):
        values = {"id": player.user_id, "board": BOARD, "action": action, "data": json.dumps({})}
        connection.execute(_EARN, values)


@pytest.mark.parametrize("claimed_ms", [1_500, 20_000, 10])
def test_a_token_that_has_yet_to_be_issued_has_expired_and_nobody_is_suspected(
    people: People, player: Player, claimed_ms: int
) -> None:
    token = people.token(player, age_ms=-60_000)
    with pytest.raises(ActionTokenExpired):
        people.spend(player, token, claimed_ms)
    assert people.execute("SELECT count(*) FROM evidence") == [(0,)]
    assert people.execute("SELECT used_at FROM action_tokens") == [(None,)]
    assert people.status(player) == "active"
    assert people.complete(player).new_score == 100


def test_a_claim_that_is_longer_than_a_token_is_old_is_suspicious(people: People, player: Player) -> None:
    """Also after a small step of the clock, which looks the same: docs/production.md."""
    with pytest.raises(SuspiciousActivity):
        people.spend(player, people.token(player, age_ms=1_000), 1_500)
    assert people.status(player) == "flagged"


def test_a_ledger_is_well_whose_last_entry_is_not_the_latest(backwards: Connection, player: Player) -> None:
    earn(backwards, player)
    times = backwards.execute(text("SELECT created_at FROM ledger_entries ORDER BY seq")).scalars().all()
    assert times == sorted(times, reverse=True)
    assert list(fold_differences(backwards)) == []


def test_reversals_are_folded_by_their_order_too(backwards: Connection, people: People, player: Player) -> None:
    earn(backwards, player)
    entries = backwards.execute(text("SELECT id FROM ledger_entries ORDER BY seq")).scalars().all()
    assert reversals.reverse(backwards, player.user_id, entries[:2], {}) == 2
    assert list(fold_differences(backwards)) == []
    assert backwards.execute(text("SELECT score FROM standings")).scalar_one() == 10
