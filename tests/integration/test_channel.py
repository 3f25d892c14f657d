"""The subscriber of a web process: what it hears, and that it notices when it hears nothing any more."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError, TimeoutError as RedisTimeoutError

from config.catalogue import BOARD
from services import sessions
from services.leaderboard.board import publish
from services.redis_client import QuickConnection
from services.resources import Resources
from services.sessions import Player
from tests.support.people import People
from web.sockets import channel
from web.sockets.channel import Channel

LATER = datetime.now(UTC) + timedelta(days=1)


class Stop(Exception):  # noqa: N818 -- no error: the test has heard enough
    """Ends the subscriber."""


class Ear:
    """Notes what is heard, does something once it is subscribed, and stops after so many."""

    def __init__(self, once_subscribed: Callable[[], object], enough: int) -> None:
        self.heard: list[object] = []
        self.causes: dict[int, dict[str, Any]] = {}
        self._once_subscribed = once_subscribed
        self._enough = enough

    def subscribed(self) -> None:
        self._once_subscribed()

    def board_changed(self, body: str) -> None:
        self._note(json.loads(body)["leaderboard"][0]["userId"])

    def board_caused(self, version: int, why: dict[str, Any]) -> None:
        self.causes[version] = why

    def session_ended(self, user_id: int, session_id: str | None, reason: str) -> None:
        self._note((user_id, session_id, reason))

    def _note(self, what: object) -> None:
        self.heard.append(what)
        if len(self.heard) == self._enough:
            raise Stop


def listen(resources: Resources, ear: Ear) -> None:
    """Hear until the ear has had enough."""
    Channel(resources, BOARD, ear)._hear()


def test_boards_and_ended_sessions_are_heard(resources: Resources, people: People, player: Player) -> None:
    other = people.join()

    def act() -> None:
        people.complete(player, "reaction")
        publish(resources, BOARD)
        sessions.revoke(resources, player.user_id, player.session_id)
        sessions.refresh_cache(resources, other.user_id, {other.session_id: LATER}, sessions.SUSPENDED)
        sessions.refresh_cache(resources, other.user_id, {other.session_id: LATER}, "+active|player|name")

    ear = Ear(act, 3)
    with pytest.raises(Stop):
        listen(resources, ear)
    assert ear.heard == [
        player.user_id,
        (player.user_id, str(player.session_id), "logged out"),
        (other.user_id, None, "suspended"),
    ]


def test_a_server_that_says_nothing_any_more_is_noticed(resources: Resources, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that died without a word looks like a quiet one; only an unanswered question tells."""
    monkeypatch.setattr(channel, "HEALTH_SECONDS", 0.3)
    ear = Ear(lambda: resources.redis.execute_command("CLIENT", "PAUSE", 1_500, "ALL"), 1)
    with pytest.raises(RedisTimeoutError):
        listen(resources, ear)
    resources.redis.ping()  # Waits until the pause is over, for the tests that follow.


def test_a_master_that_was_replaced_is_left_though_it_answers(
    resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one does that is cut off from its Sentinels alone: row 10c of docs/drills.md does it with real ones."""
    monkeypatch.setattr(channel, "HEALTH_SECONDS", 0.2)
    monkeypatch.setattr(channel, "has_moved", lambda redis, pubsub: True)
    resources.quick.call(("PING",))
    with pytest.raises(RedisConnectionError):
        listen(resources, Ear(lambda: None, 1))
    assert isinstance(resources.quick, QuickConnection)
    assert not resources.quick._idle, "reads go elsewhere as well"


def test_a_quiet_server_that_answers_is_not_given_up(resources: Resources, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel, "HEALTH_SECONDS", 1.0)
    moments = iter(range(12))

    class Patient(Channel):
        def _take(self, message: dict[str, object]) -> None:
            if message["type"] == "pong" and next(moments) == 3:
                raise Stop
            super()._take(message)

    with pytest.raises(Stop):
        Patient(resources, BOARD, Ear(lambda: None, 1))._hear()


def test_sessions_that_ended_are_found_among_those_that_live(
    resources: Resources, people: People, player: Player
) -> None:
    lives, logged_out, suspended = people.join(), people.join(), player
    sessions.revoke(resources, logged_out.user_id, logged_out.session_id)
    people.execute("UPDATE users SET status = 'suspended' WHERE id = :id RETURNING id", id=suspended.user_id)
    unknown = str(uuid.uuid4())
    asked = [str(who.session_id) for who in (lives, logged_out, suspended)] + [unknown]
    assert set(sessions.ended_among(resources, asked)) == {
        (str(logged_out.session_id), "logged out"),
        (str(suspended.session_id), "suspended"),
        (unknown, "logged out"),
    }
