"""What the task that beat asks for every two seconds does and sends, on real servers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services import refusals
from services.anticheat import schedule
from services.resources import Resources
from tests.support.people import People
from tests.support.workers import working_for


@pytest.fixture
def reconcile(resources: Resources) -> Iterator[Callable[[], dict[str, Any]]]:
    """The task, as a worker of these servers runs it."""
    with working_for(resources):
        from workers.maintenance import reconcile  # noqa: PLC0415 -- it wants settings

        yield reconcile


def test_a_message_to_the_analysis_expires_when_its_player_is_asked_for_again(
    resources: Resources, people: People, reconcile: Callable[[], dict[str, Any]]
) -> None:
    player = people.join()
    people.execute("INSERT INTO anticheat_states (user_id, due_at) VALUES (:id, now())", id=player.user_id)
    assert reconcile()["analyses"] == 1
    assert reconcile()["analyses"] == 0
    (sent,) = resources.broker.lrange(schedule.QUEUE, 0, -1)
    expires = datetime.fromisoformat(json.loads(sent)["headers"]["expires"])
    left = expires - datetime.now(UTC)
    assert timedelta(0) < timedelta(seconds=schedule.LEASE_SECONDS) - left < timedelta(seconds=60)


def test_who_was_drained_is_due_whatever_fails_afterwards(
    people: People, reconcile: Callable[[], dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    player = people.join()
    people.complete(player)

    def fail(resources: Resources) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(refusals, "drain", fail)
    with pytest.raises(ZeroDivisionError):
        reconcile()
    assert people.execute("SELECT user_id FROM anticheat_states WHERE due_at IS NOT NULL") == [(player.user_id,)]
