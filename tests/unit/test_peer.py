"""One WebSocket on a socket pair: what is kept when the kernel takes no more, and what a client may say in a second."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator

import gevent
import pytest
from gevent.socket import wait_read
from wsproto.connection import Connection, ConnectionType
from wsproto.events import CloseConnection, Event, TextMessage

from web.sockets import frames
from web.sockets.loop import STALL_SECONDS, Loop
from web.sockets.peer import Peer

BIG = frames.text("x" * 300_000)


class Echo(Peer):
    """Says what it hears, and has something newest to say."""

    __slots__ = ("latest", "over")

    def __init__(self, loop: Loop, sock: socket.socket) -> None:
        super().__init__(loop, sock)
        self.latest: bytes | None = None
        self.over = 0

    def received(self, message: str | bytes) -> None:
        assert isinstance(message, str)
        self.send(frames.text(message))

    def newest(self) -> bytes | None:
        latest, self.latest = self.latest, None
        return latest

    def ended(self) -> None:
        self.over += 1


class StillLoop(Loop):
    """A loop whose greenlets do not run: the test does their work, and sets the clock."""

    @staticmethod
    def _forever(turn: object) -> None:
        del turn


class Other:
    """The client's end of the pair."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._parser = Connection(ConnectionType.CLIENT)

    def say(self, data: bytes) -> None:
        self.sock.sendall(data)

    def hear(self) -> list[Event]:
        """What has arrived; texts that came in parts are put together."""
        heard: list[Event] = []
        self.sock.setblocking(False)
        try:
            while data := self.sock.recv(1_000_000):
                self._parser.receive_data(data)
                heard += self._parser.events()
        except BlockingIOError:
            pass
        return heard

    def texts(self) -> list[str]:
        """The texts that have arrived, each of them whole."""
        events = self.hear()
        assert all(isinstance(event, TextMessage) for event in events), events
        return [event.data for event in events if isinstance(event, TextMessage)]


def masked(opcode: int, payload: bytes, *, final: bool = True) -> bytes:
    return struct.pack("!BB", (0x80 if final else 0) | opcode, 0x80 | len(payload)) + b"\0\0\0\0" + payload


@pytest.fixture
def pair() -> Iterator[tuple[StillLoop, Echo, Other]]:
    here, there = socket.socketpair()
    loop = StillLoop()
    peer = Echo(loop, here)
    loop.adopt(peer)

    try:
        yield loop, peer, Other(there)
    finally:
        loop.drop(peer)
        there.close()


Pair = tuple[StillLoop, Echo, Other]


def take_all(peer: Echo, other: Other) -> list[str]:
    """Read and let the server write in turns, until nothing waits; texts."""
    texts: list[str] = []
    parts = ""
    while True:
        events = other.hear()
        for event in events:
            assert isinstance(event, TextMessage)
            parts += event.data
            if event.message_finished:
                texts.append(parts)
                parts = ""
        if peer.stuck:
            peer.writable()
        elif not events:
            return texts


def test_an_idle_client_has_no_parser_of_its_own(pair: Pair) -> None:
    _, peer, other = pair
    for _ in range(3):
        other.say(masked(frames.TEXT, b"hello") + masked(frames.PING, b""))
        peer.readable()
    assert peer._parser is None
    assert [event for event in other.hear() if isinstance(event, TextMessage)] == [TextMessage(data="hello")] * 3


def test_parts_of_messages_of_two_clients_do_not_mix(pair: Pair) -> None:
    loop, peer, other = pair
    here, there = socket.socketpair()
    second, another = Echo(loop, here), Other(there)
    loop.adopt(second)
    whole, foreign = masked(frames.TEXT, b"one message"), masked(frames.TEXT, b"of somebody else")
    other.say(whole[:9])
    peer.readable()
    another.say(foreign)
    second.readable()
    other.say(whole[9:])
    peer.readable()
    assert (other.texts(), another.texts()) == (["one message"], ["of somebody else"])
    loop.drop(second)
    there.close()


def test_a_broken_frame_of_one_client_is_not_held_against_another(pair: Pair) -> None:
    loop, peer, other = pair
    here, there = socket.socketpair()
    rude = Echo(loop, here)
    loop.adopt(rude)
    there.sendall(masked(3, b"") + masked(frames.TEXT, b"left over"))
    rude.readable()
    assert rude.closing
    other.say(masked(frames.TEXT, b"still here"))
    peer.readable()
    assert other.texts() == ["still here"]
    loop.drop(rude)
    there.close()


def test_a_frame_in_flight_ends_before_another_begins_and_only_the_newest_follows(pair: Pair) -> None:
    _, peer, other = pair
    peer.offer(BIG)
    assert peer.stuck
    for number in range(5):
        peer.latest = frames.text(f"board {number}")
        peer.offer(peer.latest)
    peer.send(frames.text("an answer"))
    assert take_all(peer, other) == ["x" * 300_000, "an answer", "board 4"]
    assert not peer.stuck


def test_a_client_that_lets_too_many_answers_wait_is_cut_off(pair: Pair) -> None:
    loop, peer, _ = pair
    peer.offer(BIG)
    for _ in range(peer.MAX_WAITING):
        peer.send(frames.text("answer"))
    assert len(loop) == 1
    peer.send(frames.text("one too many"))
    assert len(loop) == 0
    assert peer.over == 1


def test_taking_something_now_and_then_is_enough_and_taking_nothing_is_not(pair: Pair) -> None:
    loop, peer, other = pair
    peer.offer(BIG)
    for _ in range(3):
        loop.now += STALL_SECONDS - 1
        other.sock.recv(100_000)
        peer.writable()
        loop._end_overdue()
        assert len(loop) == 1
    loop.now += STALL_SECONDS + 1
    loop._end_overdue()
    assert len(loop) == 0


def test_who_did_not_answer_since_last_asked_is_gone(pair: Pair) -> None:
    loop, peer, other = pair
    loop._ask(peer)
    loop.now += 25
    other.say(masked(frames.PONG, b""))
    peer.readable()
    loop._ask(peer)
    loop.now += 25
    assert len(loop) == 1
    loop._ask(peer)
    assert len(loop) == 0


def test_a_client_may_talk_fast_for_a_moment_but_not_for_long(pair: Pair) -> None:
    loop, peer, other = pair
    for _ in range(20):
        loop.now += 1
        for _ in range(45):
            other.say(masked(frames.PONG, b""))
            peer.readable()
        assert not peer.closing
    for _ in range(160):
        if not peer.closing:
            other.say(masked(frames.PONG, b""))
            peer.readable()
    assert peer.closing
    (goodbye,) = other.hear()
    assert isinstance(goodbye, CloseConnection)
    assert goodbye.code == frames.POLICY


def test_a_byte_at_a_time_is_talking_too(pair: Pair) -> None:
    _, peer, other = pair
    other.say(masked(frames.TEXT, b"")[:1] + struct.pack("!B", 0xFE) + struct.pack("!H", 4_000) + b"\0\0\0\0")
    peer.readable()
    for count in range(4_000):
        other.say(b"x")
        peer.readable()
        if peer.closing:
            assert 900 < count < 1_200
            return
    pytest.fail("it was let through")


def test_a_goodbye_comes_after_what_waits_and_nothing_after_it(pair: Pair) -> None:
    loop, peer, other = pair
    peer.offer(BIG)
    peer.send(frames.text("the last answer"))
    peer.close(frames.RESTART)
    peer.latest = frames.text("too late")
    assert peer.over == 1
    heard: list[Event] = []
    while peer.stuck:
        heard += other.hear()
        peer.writable()
    heard += other.hear()
    texts = "".join(event.data for event in heard if isinstance(event, TextMessage))
    assert texts == "x" * 300_000 + "the last answer"
    assert isinstance(heard[-1], CloseConnection)
    assert heard[-1].code == frames.RESTART
    other.sock.setblocking(True)
    assert other.sock.recv(1) == b"", "our half is over"
    other.say(masked(frames.TEXT, b"hello?"))
    peer.readable()
    loop.now += 3
    loop._end_overdue()
    assert len(loop) == 0
    assert peer.over == 1


def test_what_is_said_after_the_goodbye_is_not_sent_and_does_not_cut_it_off(pair: Pair) -> None:
    loop, peer, other = pair
    peer.close(frames.RESTART)
    peer.send(frames.text("too late"))
    peer.offer(frames.text("too late"))
    assert loop.has(peer), "the client has time to read the goodbye"
    assert other.hear() == [CloseConnection(code=frames.RESTART, reason="")]


def test_one_that_was_dropped_during_a_flight_is_not_written_to(pair: Pair) -> None:
    loop, peer, other = pair
    peer.offer(BIG)
    loop._in_flight = 1
    loop.drop(peer)
    assert peer.sock.fileno() > 0
    other.hear()
    peer.writable()
    assert other.hear() == []
    assert not peer.took(BIG, 100)
    assert not loop._stuck
    loop._in_flight = 0
    loop._close_ended()


def test_a_start_that_fails_is_begun_anew_by_the_next_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    (here, there), (last, end), loop = socket.socketpair(), socket.socketpair(), Loop(io_uring=False)

    def fail(*_: object) -> None:
        raise MemoryError

    with monkeypatch.context() as broken:
        broken.setattr(gevent, "spawn", fail)
        with pytest.raises(MemoryError):
            loop.adopt(Echo(loop, here))
    peer = Echo(loop, last)
    loop.adopt(peer)
    end.sendall(masked(frames.TEXT, b"hello"))
    wait_read(end.fileno(), timeout=5)
    assert Other(end).texts() == ["hello"]
    loop.drop(peer)
    for sock in (here, there, end):
        sock.close()
