"""What the hub does when it cannot read the board, of which Redis holds something that nobody expects."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import cast

import pytest

from config.catalogue import BOARD
from services.leaderboard.board import publish
from services.leaderboard.keys import BoardKeys
from services.leaderboard.reading import read_board
from services.resources import Resources
from services.sessions import Player
from tests.support.people import People
from web.sockets import hub as hubs
from web.sockets.hub import Hub
from web.sockets.loop import Loop
from web.sockets.member import ANYBODY, Member
from web.sockets.messages import event_frame

TOP10, PUBLISHED = BoardKeys(BOARD).top10, BoardKeys(BOARD).published


@pytest.fixture
def hub(resources: Resources, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub whose subscription stands, and which waits for nothing."""
    monkeypatch.setattr(hubs, "CATCH_UP_SECONDS", 0.0)
    made = Hub(resources, BOARD, nullcontext, Loop())
    made._channel._open.set()
    resources.redis.delete(TOP10)
    resources.redis.lpush(TOP10, "a list")
    yield made
    for peer in made.loop.peers():
        made.loop.drop(peer)


def test_who_joins_is_told_that_it_failed_and_may_join_again(hub: Hub, resources: Resources) -> None:
    here, there = socket.socketpair()
    with there:
        there.settimeout(5)
        member = Member(hub, here, leave_at=float("inf"))
        member.user_id = ANYBODY
        hub.loop.adopt(member)
        hub.join(member)
        hub._answer_joins()
        assert b"INTERNAL_ERROR" in there.recv(10_000)
        assert (member.watching, member.closing) == (False, False)
        resources.redis.delete(TOP10)
        hub.join(member)
        hub._answer_joins()
        assert b"leaderboard:initial" in there.recv(10_000)


def test_what_was_missed_is_asked_for_until_it_can_be_read(hub: Hub, resources: Resources) -> None:
    resources.redis.set(PUBLISHED, "no hash")
    hub.subscribed()
    hub._catch_up()
    assert hub._missed.is_set(), "nobody else would tell it"
    resources.redis.delete(PUBLISHED)
    publish(resources, BOARD)
    hub._catch_up()
    assert hub.board is not None
    assert not hub._missed.is_set()


def test_what_was_missed_is_what_others_were_shown_under_that_version(
    hub: Hub, resources: Resources, people: People, player: Player
) -> None:
    resources.redis.delete(TOP10)
    people.complete(player)
    publish(resources, BOARD)
    shown = resources.redis.get(TOP10)
    people.complete(player)
    hub.subscribed()
    hub._catch_up()
    assert hub.board is not None
    assert hub.board.update == event_frame("leaderboard:update", cast(bytes, shown).decode())


def test_nothing_was_missed_where_nothing_was_published(hub: Hub, resources: Resources) -> None:
    resources.redis.delete(TOP10)
    hub.subscribed()
    hub._catch_up()
    assert hub.board is None
    assert not hub._missed.is_set()


def test_who_joins_while_redis_is_away_is_not_shown_an_older_board_afterwards(
    without: Callable[[str], Resources],
) -> None:
    hub, (here, there) = Hub(without("redis"), BOARD, nullcontext, Loop()), socket.socketpair()
    hub._channel._open.set()
    hub.board_changed(body(7))
    with there:
        there.settimeout(5)
        member = Member(hub, here, leave_at=float("inf"))
        member.user_id = ANYBODY
        hub.loop.adopt(member)
        hub.join(member)
        hub._answer_joins()
        hub.board_changed(body(8))
        hub._send_newest()
        heard = b""
        while b'"version":8' not in heard:
            heard += there.recv(10_000)
        assert b'"version":0' in heard
        assert b'"version":7' not in heard
        hub.loop.drop(member)


def test_versions_that_began_anew_go_on_above_those_that_clients_have(hub: Hub, resources: Resources) -> None:
    resources.redis.delete(TOP10)
    publish(resources, BOARD)
    seen = 2**52
    hub.board_changed(body(seen))
    hub.board_changed(read_board(resources, BOARD).body.decode())
    hub._lift_versions()
    assert json.loads(read_board(resources, BOARD).body)["version"] == seen + 1


def body(version: int) -> str:
    return f'{{"leaderboard":[],"updatedAt":"2026-01-01T00:00:00.000Z","version":{version}}}'
