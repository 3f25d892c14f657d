"""The round over a room, on socket pairs: who gets which board when they come one after another."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from typing import cast

import pytest
from wsproto.connection import Connection, ConnectionType
from wsproto.events import TextMessage

from services.resources import Resources
from web.sockets.hub import Hub
from web.sockets.loop import Loop
from web.sockets.member import Member
from web.sockets.peer import Peer


def board(version: int) -> str:
    return json.dumps({"leaderboard": [], "updatedAt": "2026-01-01T00:00:00.000Z", "version": version})


class Watcher:
    """A member of the room, and the client at the other end."""

    def __init__(self, hub: Hub) -> None:
        here, self._there = socket.socketpair()
        self.member = Member(hub, here, leave_at=float("inf"))
        self._parser = Connection(ConnectionType.CLIENT)
        hub.loop.adopt(self.member)
        self.member.watching, self.member.version = True, 0
        hub._room[self.member] = None

    def versions(self) -> list[int]:
        """Of the boards that have arrived since this was last asked."""
        self._there.setblocking(False)
        try:
            self._parser.receive_data(self._there.recv(100_000))
        except BlockingIOError:
            return []
        texts = [event.data for event in self._parser.events() if isinstance(event, TextMessage)]
        return [json.loads(text)["data"]["version"] for text in texts]

    def close(self) -> None:
        self._there.close()


@pytest.fixture(params=[True, False], ids=["io_uring", "one by one"])
def hub(request: pytest.FixtureRequest) -> Iterator[Hub]:
    made = Hub(cast(Resources, None), "global", nullcontext, Loop(io_uring=request.param))
    yield made
    for peer in made.loop.peers():
        made.loop.drop(peer)


@pytest.fixture
def watchers(hub: Hub) -> Iterator[list[Watcher]]:
    made = [Watcher(hub) for _ in range(3)]
    yield made
    for watcher in made:
        watcher.close()


def test_everybody_gets_a_board_once(hub: Hub, watchers: list[Watcher]) -> None:
    hub.board_changed(board(7))
    hub._send_newest()
    hub.board_changed(board(7))
    hub.board_changed(board(6))
    assert not hub._board_wanted.is_set(), "what is not newer is no news"
    assert [watcher.versions() for watcher in watchers] == [[7], [7], [7]]


def test_a_newer_board_goes_to_those_who_follow_at_once_and_to_the_others_next(
    hub: Hub, watchers: list[Watcher], monkeypatch: pytest.MonkeyPatch
) -> None:
    broadcast = Loop.broadcast

    def broadcast_and_change(loop: Loop, frame: bytes, peers: Sequence[Peer]) -> None:
        broadcast(loop, frame, peers)
        if watchers[1].member in peers:
            hub.board_changed(board(8))

    monkeypatch.setattr("web.sockets.hub.CHUNK", 2)
    monkeypatch.setattr(Loop, "broadcast", broadcast_and_change)
    hub.board_changed(board(7))
    hub._send_newest()
    assert [watcher.versions() for watcher in watchers] == [[7], [7], [8]]
    hub._send_newest()
    assert [watcher.versions() for watcher in watchers] == [[8], [8], []]


def test_who_left_or_waits_for_the_first_board_gets_none(hub: Hub, watchers: list[Watcher]) -> None:
    hub.leave(watchers[0].member)
    hub.join(watchers[1].member)
    hub.board_changed(board(7))
    hub._send_newest()
    assert [watcher.versions() for watcher in watchers] == [[], [], [7]]
    watchers[1].member.begin(5, b"")
    assert watchers[1].versions() == [7], "what is newer than the first board follows it at once"


def test_one_that_is_gone_or_takes_no_more_disturbs_nobody(hub: Hub, watchers: list[Watcher]) -> None:
    deaf, gone, good = watchers
    while not deaf.member.stuck:
        deaf.member.offer(b"\x82\x7e\xff\xff" + bytes(65_535))
    gone.close()
    for version in (7, 8):
        hub.board_changed(board(version))
        hub._send_newest()
    assert good.versions() == [7, 8]
    assert (deaf.member.version, gone.member.closing) == (0, True)


def test_a_ring_that_fails_is_given_up_and_everybody_gets_the_board_once(hub: Hub, watchers: list[Watcher]) -> None:
    if hub.loop._ring:
        os.close(hub.loop._ring._number)
    hub.board_changed(board(7))
    hub._send_newest()
    assert hub.loop._ring is None or not hub.loop._ring.works
    assert [watcher.versions() for watcher in watchers] == [[7], [7], [7]]


def test_a_board_has_the_cause_that_was_said_for_its_version(hub: Hub) -> None:
    """A worker of an older version says none, and one that was said for another board is not taken."""
    hub.board_caused(7, {"correlation": "request-7", "rung_at": 1.5, "traceparent": None})
    hub.board_changed(board(7))
    assert hub.board is not None
    assert (hub.board.cause.correlation, hub.board.cause.rung_at) == ("request-7", 1.5)
    hub.board_changed(board(8))
    assert hub.board.cause.correlation not in ("request-7", "-")
    assert hub.board.cause.rung_at is None
