"""The purge of what nobody needs any more."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import event

from config.catalogue import BOARD
from services import purging, reconcile, refusals
from services.reconcile import purge
from services.resources import Resources
from services.sessions import Player
from services.verify import verify
from tests.support.people import People


@pytest.fixture
def deletions(resources: Resources) -> Iterator[list[int]]:
    """How many rows each DELETE removed."""
    removed: list[int] = []

    def watch(connection: object, cursor: Any, statement: str, *_: object) -> None:
        if statement.lstrip().startswith("DELETE"):
            removed.append(cursor.rowcount)

    event.listen(resources.engine, "after_cursor_execute", watch)
    yield removed
    event.remove(resources.engine, "after_cursor_execute", watch)


def test_expired_tokens_and_sessions_are_purged_in_batches_a_day_later(
    resources: Resources, people: People, deletions: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconcile, "PURGE_BATCH", 3)
    day = 86_400_000
    old, young = people.several(7), people.several(2)
    for player in old:
        people.token(player, age_ms=day + 301_000)
    tokens = [people.token(player, age_ms=day + 290_000) for player in young]
    people.execute(
        "UPDATE sessions SET expires_at = now() - interval '25 hours' WHERE user_id <= :last", last=old[-1].user_id
    )
    assert purge(resources) == reconcile.Purged(tokens=7, sessions=7)
    assert deletions == [3, 3, 1, 3, 3, 1]
    assert people.execute("SELECT count(*) FROM action_tokens") == [(len(tokens),)]
    assert people.execute("SELECT count(*) FROM sessions") == [(2,)]
    assert purge(resources) == reconcile.Purged(0, 0)


def test_a_purge_leaves_the_rest_for_the_next_time_when_its_time_is_over(
    resources: Resources, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconcile, "PURGE_BATCH", 3)
    monkeypatch.setattr(purging, "MOST_SECONDS", 0.0)
    for player in people.several(7):
        people.token(player, age_ms=86_400_000 + 301_000)
        refusals.note(resources, player.user_id, "RATE_LIMIT_EXCEEDED")
    assert [purge(resources).tokens for _ in range(4)] == [3, 3, 1, 0]
    monkeypatch.setattr(refusals, "BATCH", 3)
    refusals.drain(resources)
    people.execute("UPDATE refusals SET recorded_at = now() - interval '31 days'")
    assert [refusals.purge(resources) for _ in range(4)] == [3, 3, 1, 0]


def test_used_tokens_are_purged_while_their_entries_stay(resources: Resources, people: People, player: Player) -> None:
    people.complete(player)
    people.execute("UPDATE action_tokens SET expires_at = now() - interval '2 days'")
    assert purge(resources).tokens == 1
    assert list(verify(resources, BOARD)) == []
