"""The round over a room, on socket pairs: who gets which board when they come one after another."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext, suppress
from typing import cast
from uuid import UUID, uuid4

import gevent
import pytest
from gevent.event import Event
from gevent.socket import wait_read
from wsproto.connection import Connection, ConnectionType
from wsproto.events import TextMessage

from services import sessions
from services.errors import InvalidToken
from services.resources import Resources
from services.sessions import Player
from web.sockets.hub import ON_THE_WAY_SECONDS, Hub
from web.sockets.loop import Loop
from web.sockets.member import Member
from web.sockets.messages import event_frame
from web.sockets.peer import Peer
from web.tokens import Credentials


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

    def wait_for_versions(self) -> list[int]:
        """The same, once there are some."""
        wait_read(self._there.fileno(), timeout=5)
        return self.versions()

    def wait_for_all(self, number: int) -> list[int]:
        """So many boards, however much else comes before them."""
        found: list[int] = []
        while len(found) < number:
            found += self.wait_for_versions()
        return found

    def fill(self) -> None:
        """Let the kernel keep all that it will for this client, past the member's own bookkeeping."""
        with suppress(BlockingIOError):
            while True:
                self.member.sock.send(b"\x89\x00" * 1_000)

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
    monkeypatch.setattr("web.sockets.hub.SENDERS", 1)
    monkeypatch.setattr(Loop, "broadcast", broadcast_and_change)
    hub.board_changed(board(7))
    hub._send_newest()
    assert [watcher.versions() for watcher in watchers] == [[7], [7], [8]]
    hub._send_newest()
    assert [watcher.versions() for watcher in watchers] == [[8], [8], []]


def test_a_chunk_that_has_the_board_already_costs_no_call(
    hub: Hub, watchers: list[Watcher], monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.board_changed(board(7))
    hub._send_newest()
    monkeypatch.setattr(Loop, "broadcast", None)  # It cannot be called.
    hub._board_wanted.set()
    hub._send_newest()
    assert [watcher.versions() for watcher in watchers] == [[7], [7], [7]]


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
    rings = len(hub.loop._rings)
    for ring in hub.loop._rings:
        os.close(ring._number)
    hub.board_changed(board(7))
    hub._send_newest()
    assert [watcher.wait_for_versions() for watcher in watchers] == [[7], [7], [7]]
    assert len(hub.loop._rings) == max(0, rings - 1), "one was asked, and is given up"


with_io_uring = pytest.mark.parametrize("hub", [True], indirect=True)


@with_io_uring
def test_a_ring_that_raises_is_given_up_and_sockets_can_still_end(hub: Hub, watchers: list[Watcher]) -> None:
    if not hub.loop._rings:
        pytest.skip("io_uring is forbidden here, and without it there is no ring")
    rings = len(hub.loop._rings)

    def fail(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    hub.loop._rings[-1]._run = fail
    hub.board_changed(board(7))
    hub._send_newest()
    assert [watcher.wait_for_versions() for watcher in watchers] == [[7], [7], [7]]
    assert len(hub.loop._rings) == rings - 1
    hub.loop.drop(watchers[0].member)
    assert watchers[0].member.sock.fileno() == -1


@pytest.fixture
def held(hub: Hub, watchers: list[Watcher]) -> Iterator[Event]:
    """A board is on its way to all of them, and the kernel has it once this is set."""
    if not hub.loop._rings:
        pytest.skip("io_uring is forbidden here, and without it nothing is ever in flight")
    may_go = Event()

    def run(call: Callable[[int], int], arguments: tuple[int]) -> int:
        may_go.wait()
        return call(*arguments)

    for ring in hub.loop._rings:
        ring._run = run
    hub.board_changed(board(7))
    round_ = gevent.spawn(hub._send_newest)
    gevent.sleep(0)
    gevent.sleep(0)
    assert watchers[0].member.busy
    yield may_go
    may_go.set()
    round_.join()


@with_io_uring
def test_what_is_said_during_a_flight_comes_after_the_board(hub: Hub, watchers: list[Watcher], held: Event) -> None:
    first, *_ = watchers
    first.member.send(event_frame("leaderboard:update", board(1)))
    first.member.offer(event_frame("leaderboard:update", board(2)))
    assert first.versions() == [], "two writers would tear each other's frames"
    held.set()
    assert first.wait_for_versions() == [7, 1], "an offer is for those who wait for nothing"


@with_io_uring
def test_who_closes_or_goes_during_a_flight_ends_after_it(hub: Hub, watchers: list[Watcher], held: Event) -> None:
    closing, gone, good = watchers
    closing.member.close(1000)
    gone.fill()
    number = gone.member.sock.fileno()
    hub.loop.drop(gone.member)
    assert gone.member.sock.fileno() == number, "this number could become another's while the kernel still sends to it"
    held.set()
    assert [watcher.wait_for_versions() for watcher in (closing, good)] == [[7], [7]]
    assert gone.member.sock.fileno() == -1
    hub.board_changed(board(8))
    hub._send_newest()
    assert good.versions() == [8]


@with_io_uring
def test_a_client_that_gets_stuck_in_a_flight_goes_on_afterwards(
    hub: Hub, watchers: list[Watcher], held: Event
) -> None:
    deaf, _, good = watchers
    deaf.fill()
    deaf.member.send(event_frame("leaderboard:update", board(1)))
    held.set()
    assert good.wait_for_versions() == [7]
    assert deaf.member.stuck
    assert deaf.wait_for_all(2) == [7, 1]


def test_a_board_has_the_cause_that_was_said_for_its_version(hub: Hub) -> None:
    """A worker of an older version says none, and one that was said for another board is not taken."""
    hub.board_caused(7, {"correlation": "request-7", "rung_at": 1.5, "traceparent": None})
    hub.board_changed(board(7))
    assert hub.board is not None
    assert (hub.board.cause.correlation, hub.board.cause.rung_at) == ("request-7", 1.5)
    hub.board_changed(board(8))
    assert hub.board.cause.correlation not in ("request-7", "-")
    assert hub.board.cause.rung_at is None


def test_a_socket_on_its_way_in_is_looked_at_again_if_a_session_of_the_player_ended(
    monkeypatch: pytest.MonkeyPatch, hub: Hub, watchers: list[Watcher]
) -> None:
    """Neither the question who it is nor the announcement could have told: each came while the other was on its way."""
    monkeypatch.setattr(hub, "_may_hold", lambda member, user_id: True)
    asked: list[int] = []

    def ended(resources: Resources, user_id: int, session_id: UUID) -> None:
        asked.append(user_id)
        raise InvalidToken

    monkeypatch.setattr(sessions, "authenticate", ended)
    late, other = (Player(number, uuid4(), f"player {number}", "player", "active") for number in (1, 2))
    hub.session_ended(late.user_id, str(late.session_id), "logged out")
    for watcher, player in zip(watchers, (late, other), strict=False):
        watcher.member.answered((player, Credentials(player.user_id, player.session_id, 2**40)))
    assert asked == [late.user_id]
    assert [watcher.member.closing for watcher in watchers[:2]] == [True, False]


def test_ends_are_forgotten_in_time(monkeypatch: pytest.MonkeyPatch, hub: Hub) -> None:
    for number in range(3):
        hub.session_ended(number, None, "suspended")
    hub.loop.now += ON_THE_WAY_SECONDS + 1
    hub.session_ended(2, None, "suspended")
    assert list(hub._ends) == [2]
