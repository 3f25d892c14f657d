"""A member on a socket pair: how long it may take to say who it is, and what it hears when it closes."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import cast

import pytest
from wsproto.connection import Connection, ConnectionType
from wsproto.events import CloseConnection, Event

from services.errors import InvalidToken
from services.resources import Resources
from web.sockets import frames
from web.sockets.endpoint import AUTHENTICATE_SECONDS
from web.sockets.hub import Hub
from web.sockets.loop import Loop
from web.sockets.member import ANSWER_SECONDS, Member


class StillLoop(Loop):
    """A loop whose greenlets do not run: the test does their work."""

    @staticmethod
    def _forever(turn: object) -> None:
        del turn


class Visit:
    """A member whose handshake is done and who has said nothing, and its client."""

    def __init__(self, resources: Resources | None = None) -> None:
        self.asked: list[str] = []
        """Of whom it was asked who they are."""
        self.hub = Hub(cast(Resources, resources), "global", self._context, StillLoop(io_uring=False))
        here, self.there = socket.socketpair()
        self.member = Member(self.hub, here, time.time() + AUTHENTICATE_SECONDS)
        self.hub.loop.adopt(self.member)

    def _context(self) -> AbstractContextManager[None]:
        self.asked.append("somebody")
        return nullcontext()

    def says(self, event: str, **data: object) -> None:
        self.there.sendall(frame_of_a_client(json.dumps({"event": event, "data": data})))

    def hears(self) -> list[Event]:
        """All that has come."""
        parser = Connection(ConnectionType.CLIENT)
        self.there.setblocking(False)
        try:
            parser.receive_data(self.there.recv(100_000))
        except BlockingIOError:
            return []
        return list(parser.events())

    def close(self) -> None:
        self.hub.loop.drop(self.member)
        self.there.close()


def frame_of_a_client(text: str) -> bytes:
    data = text.encode()
    return bytes((0x81, 0x80 | len(data))) + b"\0\0\0\0" + data


@pytest.fixture
def visit() -> Iterator[Visit]:
    made = Visit()
    yield made
    made.close()


def test_who_says_nothing_in_time_is_closed(visit: Visit) -> None:
    visit.member.leave_at = time.time()
    visit.member.time_over()
    assert visit.hears() == [CloseConnection(code=frames.UNAUTHENTICATED, reason="authenticate")]


def test_how_long_the_answer_takes_is_not_counted_against_who_asked_in_time(visit: Visit) -> None:
    visit.says("authenticate", token="a.b.c")
    visit.member.readable()
    assert visit.member.leave_at > time.time() + ANSWER_SECONDS - 1


def test_what_was_said_in_time_is_read_before_the_time_is_over(visit: Visit) -> None:
    visit.says("authenticate", token="a.b.c")
    visit.member.leave_at = time.time()
    visit.member.time_over()
    assert not visit.member.closing
    assert visit.hub._asked.qsize() == 1


def test_the_answer_has_a_limit_too(visit: Visit) -> None:
    visit.says("authenticate", token="a.b.c")
    visit.member.readable()
    visit.says("authenticate", token="a.b.c")
    visit.member.leave_at = time.time()
    visit.member.time_over()
    assert visit.member.closing


def test_nobody_is_asked_who_somebody_is_that_has_left(visit: Visit) -> None:
    visit.says("authenticate", token="a.b.c")
    visit.member.readable()
    visit.member.close(frames.RESTART)
    visit.hub._answer_one()
    assert visit.asked == []


def test_who_is_told_goodbye_hears_no_answer_after_it(visit: Visit) -> None:
    visit.member.close(frames.RESTART)
    visit.member.answered(InvalidToken())
    visit.member.refuse(InvalidToken())
    visit.member.welcome_anybody()
    assert visit.hub.loop.has(visit.member), "the client has time to read the goodbye"
    assert visit.hears() == [CloseConnection(code=frames.RESTART, reason="")]


def test_who_was_on_the_way_in_while_all_were_told_of_a_restart_is_told_too(visit: Visit) -> None:
    visit.hub._started = True  # Nothing of it has to run.
    visit.hub.loop.drop(visit.member)
    visit.there.close()
    late, there = socket.socketpair()
    visit.hub.close_all(frames.RESTART)
    visit.member, visit.there = Member(visit.hub, late, float("inf")), there
    visit.hub.adopt(visit.member)
    assert visit.hears() == [CloseConnection(code=frames.RESTART, reason="")]
