"""The loop: watches all sockets of a process with one epoll, in one greenlet; another one keeps the time.

Each second it asks a twenty-fifth of the clients whether they are there, so that all are asked every 25 s and never at
once; drops those that said nothing since they were last asked, hence within 50 s, or took nothing for 20 s; and tells
those whose time is over.
"""

from __future__ import annotations

import errno
import logging
import select
import time
from _socket import socket as PlainSocket  # noqa: N812 -- a class, whatever its name
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import gevent
from gevent import monkey
from gevent.event import Event
from gevent.threadpool import ThreadPool
from wsproto.connection import Connection, ConnectionState, ConnectionType

from web.metrics import SOCKET_CLOSES, SOCKETS
from web.sockets import frames
from web.sockets.pace import in_turns
from web.sockets.peer import Peer
from web.sockets.ring import Ring, open_ring

log = logging.getLogger(__name__)

PING_SECONDS = 25
STALL_SECONDS = 20
"""A client that takes nothing for this long is cut off."""
SENDERS = 2
"""Threads that send to many at once. More would take the cores that clients, workers and databases need."""
LINGER_SECONDS = 2
"""How long after our close frame a client may take to end its half."""
BATCH = 64
"""Sockets that are served before somebody else of the process has a turn."""
_PING = frames.encode(frames.PING)

_EPOLLIN, _EPOLLOUT, _EPOLLRDHUP = 0x001, 0x004, 0x2000


class Loop:
    """All sockets of one process. Its greenlets start with the first of them, hence after gunicorn's fork."""

    _epoll: select.epoll
    """There once the watcher is."""

    def __init__(self, *, io_uring: bool = True) -> None:
        """Nothing is open yet. `io_uring` says whether it may be used, where there is one."""
        self.now = time.monotonic()
        self.empty = Event()
        """Set while no socket is open."""
        self.empty.set()
        self._watcher: Any = None
        self._ready = Event()
        """Set while some sockets are ready and nobody has seen to them."""
        self._rings: list[Ring] = []
        """Those that nobody uses just now."""
        self._in_flight = 0
        """Frames of so many chunks are on their way to the kernel."""
        self._ended: list[PlainSocket] = []
        """Dropped while something was in flight."""
        self._may_use_ring = io_uring
        self._peers: dict[int, Peer] = {}
        self._stuck: set[Peer] = set()
        self._lingering: dict[Peer, float] = {}
        self._parser = Connection(ConnectionType.SERVER)

    def __len__(self) -> int:
        """How many sockets are open."""
        return len(self._peers)

    def peers(self) -> list[Peer]:
        """Who is here."""
        return list(self._peers.values())

    def adopt(self, peer: Peer) -> None:
        """Watch a new peer from now on."""
        if self._watcher is None:
            self._start()
        if not self._peers:
            # While it is empty. To begin to watch a full one, as `wait_read` would do each time, costs a millisecond,
            # because the kernel looks through all that is in it for a circle.
            self._watcher.start(self._ready.set)
        number = peer.sock.fileno()
        self._peers[number] = peer
        self.empty.clear()
        self._epoll.register(number, _EPOLLIN | _EPOLLRDHUP)
        SOCKETS.inc()

    def drop(self, peer: Peer) -> None:
        """End a connection without a word, or after the last one."""
        self._stuck.discard(peer)
        number = peer.sock.fileno()
        if self._peers.get(number) is not peer:
            return
        del self._peers[number]
        self._lingering.pop(peer, None)
        with suppress(OSError):
            self._epoll.unregister(number)
        self._ended.append(peer.sock)
        self._close_ended()
        SOCKETS.dec()
        if not self._peers:
            self._watcher.stop()
            self.empty.set()
        if not peer.closing:
            peer.closing = True
            SOCKET_CLOSES.labels("none").inc()
            peer.ended()

    def drop_gone(self, peers: Iterable[Peer]) -> None:
        """Drop those whose client has hung up, though their turn to be read has not come."""
        poll = monkey.get_original("select", "poll")()
        for peer in peers:
            poll.register(peer.sock.fileno(), _EPOLLRDHUP)
        for number, _ in poll.poll(0):
            self.drop(self._peers[number])

    def has(self, peer: Peer) -> bool:
        """Whether a peer is still here."""
        return self._peers.get(peer.sock.fileno()) is peer

    def broadcast(self, frame: bytes, peers: Sequence[Peer]) -> None:
        """Send a frame to at most CHUNK peers, none of them busy, in one system call if the kernel allows it.

        That call is made in another thread, and others of the process run meanwhile. What they have for these peers
        waits until it is known how much of the frame was taken; and no descriptor is closed, because its number could
        become another's while the kernel still sends to it.
        """
        ring = self._rings.pop() if self._rings else None
        if not ring:
            for peer in peers:
                peer.offer(frame)
            return
        answers = self._fly(ring, frame, [peer.take_off() for peer in peers])
        for peer, answer in zip(peers, answers, strict=True):
            peer.land(frame, answer)
        self._close_ended()

    def _fly(self, ring: Ring, frame: bytes, descriptors: Sequence[int]) -> list[int]:
        """What became of each; as if the kernel had taken nothing where the ring fails, which then is given up."""
        self._in_flight += 1
        try:
            return ring.send(frame, descriptors)
        except Exception:
            log.exception("io_uring failed")
            ring.close()
            return [-errno.EAGAIN] * len(descriptors)
        finally:
            self._in_flight -= 1
            if ring.works:
                self._rings.append(ring)

    def _close_ended(self) -> None:
        while self._ended and not self._in_flight:
            self._ended.pop().close()

    def stick(self, peer: Peer, *, progress: bool) -> None:
        """The kernel takes no more for this peer: wait until it does."""
        if peer not in self._stuck:
            self._stuck.add(peer)
            peer.stuck_since = self.now
            self._epoll.modify(peer.sock.fileno(), _EPOLLIN | _EPOLLOUT | _EPOLLRDHUP)
        elif progress:
            peer.stuck_since = self.now

    def unstick(self, peer: Peer) -> None:
        """The kernel took all."""
        if peer in self._stuck:
            self._stuck.discard(peer)
            self._epoll.modify(peer.sock.fileno(), _EPOLLIN | _EPOLLRDHUP)

    def linger(self, peer: Peer) -> None:
        """Wait a little for the other half to end."""
        if self.has(peer):
            self._lingering[peer] = self.now + LINGER_SECONDS

    @contextmanager
    def shared_parser(self) -> Iterator[Connection]:
        """The parser for everybody who is between two messages; a new one follows if this one is left within one.

        A peer stops reading when it closes, which also leaves the parser of a client that broke the protocol.
        """
        clean = False
        try:
            yield self._parser
            clean = self._parser.state is ConnectionState.OPEN
        finally:
            if not clean:
                self._parser = Connection(ConnectionType.SERVER)

    def _start(self) -> None:
        self.now = time.monotonic()
        # gevent takes epoll away because waiting on it blocks; this one is only asked once it is known to be ready.
        self._epoll = monkey.get_original("select", "epoll")()
        watcher = gevent.get_hub().loop.io(self._epoll.fileno(), 1)
        gevent.spawn(self._forever, self._serve)
        gevent.spawn(self._forever, self._keep_time)
        self._watcher = watcher  # Last of what is needed: where that fails, the next socket begins anew.
        run = ThreadPool(SENDERS).apply
        self._rings = [ring for _ in range(SENDERS * self._may_use_ring) if (ring := open_ring(run))]

    @staticmethod
    def _forever(turn: Callable[[], object]) -> None:
        while True:
            try:
                turn()
            except Exception:
                log.exception("the loop of the sockets failed")  # It must live as long as the process.

    def _serve(self) -> None:
        """One turn: wait until some sockets are ready, then serve some of them."""
        self._ready.wait()
        self._ready.clear()
        self.now = time.monotonic()
        for number, ready in self._epoll.poll(0, BATCH):
            peer = self._peers.get(number)
            if peer is not None and ready & _EPOLLOUT:
                peer.writable()
            if peer is not None and ready & ~_EPOLLOUT:
                peer.readable()

    def _keep_time(self) -> None:
        """One turn: everything that is due this second."""
        gevent.sleep(1 - time.time() % 1)
        self.now, wall = time.monotonic(), time.time()
        self._end_overdue()
        turn = int(wall) % PING_SECONDS
        for number, peer in in_turns(list(self._peers.items())):
            if number % PING_SECONDS == turn:
                self._ask(peer)
            if wall >= peer.leave_at and not peer.closing:
                peer.time_over()

    def _end_overdue(self) -> None:
        for peer in [peer for peer, until in self._lingering.items() if until < self.now]:
            self.drop(peer)
        for peer in [peer for peer in self._stuck if peer.stuck_since + STALL_SECONDS < self.now]:
            self.drop(peer)

    def _ask(self, peer: Peer) -> None:
        """Ask whether a client is there, or drop one that did not say so since it was last asked."""
        if peer.heard <= peer.pinged:
            self.drop(peer)
        elif not peer.closing and not peer.stuck:
            peer.pinged = self.now
            peer.send(_PING)
