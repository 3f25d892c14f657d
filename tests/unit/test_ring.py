"""The ring of io_uring on socket pairs: what it says of sockets that take all, a part, nothing, or are gone."""

from __future__ import annotations

import errno
import logging
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from web.sockets import ring as module
from web.sockets.ring import CHUNK, Ring, open_ring

FRAME = b"a board of ten rows" * 50


def at_once(call: Callable[[int], int], arguments: tuple[int]) -> int:
    """In this thread."""
    return call(*arguments)


@pytest.fixture
def ring() -> Iterator[Ring]:
    opened = open_ring(at_once)
    if opened is None:
        pytest.skip("io_uring is forbidden here; test_hub.py has the way without it")
    yield opened
    opened.close()


@pytest.fixture
def pairs() -> Iterator[list[tuple[socket.socket, socket.socket]]]:
    made = [socket.socketpair() for _ in range(8)]
    yield made
    for pair in made:
        for end in pair:
            end.close()


Pairs = list[tuple[socket.socket, socket.socket]]


def fill(sock: socket.socket) -> int:
    """Send until the kernel takes no more. How much it took."""
    sock.setblocking(False)
    size = 0
    try:
        while True:
            size += sock.send(b"x" * 10_000)
    except BlockingIOError:
        return size


def test_a_frame_goes_to_all_and_the_next_one_follows_it(ring: Ring, pairs: Pairs) -> None:
    numbers = [here.fileno() for here, _ in pairs]
    for frame in (b"first", b"the second"):
        assert ring.send(frame, numbers) == [len(frame)] * len(pairs)
    assert [there.recv(100) for _, there in pairs] == [b"firstthe second"] * len(pairs)


def test_as_many_as_it_holds_for_many_rounds(ring: Ring, pairs: Pairs) -> None:
    (here, there), *_ = pairs
    for number in range(50):
        frame = f"{number};".encode()
        assert ring.send(frame, [here.fileno()] * CHUNK) == [len(frame)] * CHUNK
        assert there.recv(10_000) == frame * CHUNK


def test_what_is_wrong_with_one_is_told_and_does_not_keep_the_others_back(ring: Ring, pairs: Pairs) -> None:
    (full, _), (gone, other_end), (closed, _), *good = pairs
    fill(full)
    other_end.close()
    number = closed.fileno()
    closed.close()
    answers = ring.send(FRAME, [good[0][0].fileno(), full.fileno(), gone.fileno(), number, good[1][0].fileno()])
    assert answers == [len(FRAME), -errno.EAGAIN, -errno.EPIPE, -errno.EBADF, len(FRAME)]
    assert [there.recv(10_000) for _, there in good[:2]] == [FRAME, FRAME]


def test_a_part_that_was_taken_is_told(ring: Ring) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    there = socket.create_connection(listener.getsockname())
    here, _ = listener.accept()
    with listener, there, here:
        here.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4_096)
        here.setblocking(False)
        frame = bytes(range(256)) * 40_000
        (taken,) = ring.send(frame, [here.fileno()])
        assert 0 < taken < len(frame)
        assert b"".join(iter(lambda: _some(there, taken), b"")) == frame[:taken]


def _some(sock: socket.socket, size: int) -> bytes:
    """What can be read at once, and nothing when there is no more."""
    sock.settimeout(0.2)
    try:
        return sock.recv(size)
    except TimeoutError:
        return b""


def test_who_gets_the_number_of_one_that_closed_gets_nothing_that_was_meant_for_it(ring: Ring) -> None:
    before = socket.socketpair()
    number = before[0].fileno()
    ring.send(b"old", [number])
    before[0].close()
    after = socket.socketpair()
    ends = {end.fileno(): end for end in after}
    assert number in ends, "the kernel gives the lowest number that is free"
    ring.send(b"new", [number])
    other = next(end for end in after if end.fileno() != number)
    assert other.recv(100) == b"new"
    for end in (*after, before[1]):
        end.close()


def test_a_ring_that_fails_has_sent_nothing(ring: Ring, pairs: Pairs) -> None:
    os.close(ring._number)
    ((here, there), *_) = pairs
    assert ring.send(b"?", [here.fileno()]) == [-errno.EAGAIN]
    assert not ring.works
    there.setblocking(False)
    with pytest.raises(BlockingIOError):
        there.recv(1)


def test_where_the_kernel_forbids_it_there_is_none_and_that_is_said_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "_SETUP", 10_000)  # A system call that no kernel has.
    caplog.set_level(logging.INFO)
    assert open_ring(at_once) is None
    assert [record.message for record in caplog.records] == [
        "no io_uring here, so frames are sent one by one: [Errno 38] Function not implemented"
    ]


def test_where_no_thread_can_be_had_there_is_none_and_it_is_given_back(ring: Ring) -> None:
    def no_thread(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    numbers = Path("/proc/self/fd")
    before = sorted(numbers.iterdir())
    assert open_ring(no_thread) is None
    assert sorted(numbers.iterdir()) == before
