"""One frame to many sockets in one system call: a ring of io_uring, asked through libc.

A broadcast is the same send(2) ten thousand times over, and only the descriptor differs. Here the requests lie in
memory that the kernel shares and are filled once for a frame; then a chunk of sockets needs its descriptors written
into them, and one system call, which has done each send when it returns, and none of them waits. The call is made in
another thread, without Python's lock: the process serves others meanwhile, and two rings use two cores. Until it is
back nobody else may write to these sockets or close them, which is the caller's care. See ADR 11.
"""

from __future__ import annotations

import ctypes
import errno
import logging
import mmap
import os
import socket
import struct
from array import array
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

log = logging.getLogger(__name__)

CHUNK = 256
"""Sends of one call, a power of two: two or three milliseconds."""
_SETUP, _ENTER = 425, 426  # The numbers of the system calls, on every architecture.
_REQUESTS_AT = 0x1000_0000
_SUBMIT_ALL = 1 << 7
"""A request that fails does not keep back those after it."""
_SEND = 26
_NOBODY = -1
_PARAMETERS = struct.Struct("7I12x" + "7I12x" + "7I12x")
"""Sizes and flags; where things are in the queue of requests; and in that of results."""
_REQUEST = struct.Struct("BxxxiQQIIQ24x")
"""Operation, descriptor, offset, address, length, flags of send, and a number that comes back with the result."""
_RESULT_WORDS = 4

Run = Callable[[Callable[[int], int], tuple[int]], Any]
"""Calls a function with these arguments, perhaps in another thread, and waits for its result."""

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


def open_ring(run: Run) -> Ring | None:
    """A ring that has sent something, or None where the kernel has none for us: containers often forbid it."""
    ring = None
    try:
        ring = Ring(run)
        here, there = socket.socketpair()
        with here, there:
            if ring.send(b"?", [here.fileno()]) == [1]:
                return ring
        log.info("io_uring does not do what it should here, so frames are sent one by one")
    except Exception as error:  # noqa: BLE001 -- whatever is wrong, such as that no thread can be had, it is not needed
        log.info("no io_uring here, so frames are sent one by one: %s", error)
    if ring:
        ring.close()
    return None


class Ring:
    """Room for CHUNK requests, which are always handed over all together."""

    def __init__(self, run: Run) -> None:
        """`run` makes the system calls. Raises OSError where the kernel has no io_uring, or does not let us."""
        parameters = ctypes.create_string_buffer(_PARAMETERS.size)
        _PARAMETERS.pack_into(parameters, 0, 0, 0, _SUBMIT_ALL, *[0] * 18)
        self._run = run
        self._number = _call(_SETUP, CHUNK, parameters)
        self.works = True
        """Until it is closed, or the kernel did not take all that it was given."""
        self._frame = b""
        self._handed_over = 0
        try:
            self._map(*_PARAMETERS.unpack(parameters.raw))
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Give it back, for good."""
        number, self._number, self.works = self._number, -1, False
        with suppress(OSError):
            os.close(number)

    def send(self, frame: bytes, descriptors: Sequence[int]) -> list[int]:
        """Send a frame to at most CHUNK sockets. For each, how much of it was taken, or what was wrong as -errno.

        Where the ring works no more, that is EAGAIN, because nothing was sent. Others run meanwhile, but not this ring.
        """
        if frame is not self._frame:
            self._load(frame)
        self._descriptors[:] = array("i", [*descriptors, *[_NOBODY] * (CHUNK - len(descriptors))])
        return self._results(self._hand_over(), len(descriptors))

    def _map(self, *parameters: int) -> None:
        room, results = parameters[7 + 6] + 4 * CHUNK, parameters[14 + 5] + 4 * _RESULT_WORDS * 2 * CHUNK
        self._queues = memoryview(mmap.mmap(self._number, max(room, results))).cast("I")
        self._requests = mmap.mmap(self._number, _REQUEST.size * CHUNK, offset=_REQUESTS_AT)
        self._tail = parameters[7 + 1] // 4
        self._results_head, self._results_tail = parameters[14] // 4, parameters[14 + 1] // 4
        order = parameters[7 + 6] // 4
        self._queues[order : order + CHUNK] = array("I", range(CHUNK))
        first = parameters[14 + 5] // 4
        self._answers = self._queues[first : first + _RESULT_WORDS * 2 * CHUNK]
        flags = socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL
        for number in range(CHUNK):
            _REQUEST.pack_into(self._requests, number * _REQUEST.size, _SEND, _NOBODY, 0, 0, 0, flags, number)
        view = memoryview(self._requests)
        self._descriptors = view.cast("i")[1 :: _REQUEST.size // 4]
        self._addresses = view.cast("Q")[2 :: _REQUEST.size // 8]
        self._lengths = view.cast("I")[6 :: _REQUEST.size // 4]

    def _load(self, frame: bytes) -> None:
        """Let all requests send this frame, which is kept for as long as they do."""
        self._frame = frame
        address = ctypes.cast(ctypes.c_char_p(frame), ctypes.c_void_p).value or 0
        self._addresses[:] = array("Q", [address]) * CHUNK
        self._lengths[:] = array("I", [len(frame)]) * CHUNK

    def _hand_over(self) -> int:
        """Give the requests to the kernel, which does them. How many it took."""
        self._handed_over += CHUNK
        self._queues[self._tail] = self._handed_over & 0xFFFF_FFFF
        taken = int(self._run(_enter, (self._number,)))
        if taken < CHUNK:
            log.warning("io_uring failed: %s", os.strerror(-taken) if taken < 0 else f"{taken} of {CHUNK} were taken")
            self.close()
        return max(taken, 0)

    def _results(self, taken: int, asked: int) -> list[int]:
        """What became of those that were asked for. Results lie in one half of the queue or in the other."""
        results = [-errno.EIO] * taken + [-errno.EAGAIN] * (CHUNK - taken)
        start = (self._handed_over - CHUNK) % (2 * CHUNK) * _RESULT_WORDS
        done = (self._queues[self._results_tail] - self._queues[self._results_head]) & 0xFFFF_FFFF
        answers = self._answers[start : start + done * _RESULT_WORDS]
        for number, result in zip(answers[::_RESULT_WORDS], answers[2::_RESULT_WORDS].tolist(), strict=True):
            results[number] = result - (1 << 32) if result >> 31 else result
        self._queues[self._results_head] = self._queues[self._results_tail]
        return results[:asked]


def _enter(number: int) -> int:
    """Let the kernel do all requests of a ring. How many it took, or -errno."""
    try:
        return _call(_ENTER, number, CHUNK, 0, 0, 0, 0)
    except OSError as error:
        return -(error.errno or errno.EIO)


def _call(*arguments: int | ctypes.Array[ctypes.c_char]) -> int:
    """A system call. Raises OSError."""
    asked = [ctypes.c_long(each) if isinstance(each, int) else each for each in arguments]
    result = int(_libc.syscall(*asked))
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result
