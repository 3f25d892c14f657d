"""One WebSocket after its handshake: whole frames out, whole messages in, and nothing here ever waits.

It costs no greenlet, no buffer and no parser while it is idle. What it writes goes straight to the kernel; only what
the kernel does not take is kept, and then at most one frame is in flight. See ADR 0011.
"""

from __future__ import annotations

import errno
import socket
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar

from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Event, Ping, TextMessage

from web.metrics import SOCKET_CLOSES
from web.sockets import frames

if TYPE_CHECKING:
    from _socket import socket as PlainSocket  # noqa: N812 -- a class, whatever its name

    from web.sockets.loop import Loop

RECEIVE_BYTES = 16_384
DROP = 0.1
"""What a piece of data counts as besides the messages in it, and each fragment of one: who sends a byte at a time, or
fragments without end, is work as well."""
SEND_BUFFER_BYTES = 16_384
"""Of the kernel, for each socket: a slow reader is not to work through megabytes of boards that are out of date."""
IN_FLIGHT = memoryview(b"")
"""Stands for the rest of a frame while it is not known what will be left of it."""


class Peer:
    """The transport of one client. Subclasses say what to do with its messages and what it is to be sent."""

    __slots__ = (
        "__weakref__",
        "_allowance",
        "_allowed_at",
        "_parser",
        "_parts",
        "_rest",
        "_size",
        "_waiting",
        "closing",
        "heard",
        "leave_at",
        "loop",
        "pinged",
        "sock",
        "stuck_since",
    )

    MAX_MESSAGE: ClassVar[float] = 4_096
    """Bytes, of all fragments together."""
    MAX_WAITING: ClassVar[int] = 64
    """Frames in a row that may wait for a reader that takes nothing."""
    MESSAGES_PER_SECOND: ClassVar[float] = 50
    """What a client may say for long; twice that at once."""

    def __init__(self, loop: Loop, sock: PlainSocket) -> None:
        """Owns `sock`, a plain one after its handshake."""
        self.loop = loop
        self.sock = sock
        self.heard = self.stuck_since = self._allowed_at = loop.now
        self.pinged = float("-inf")
        self.leave_at = float("inf")
        self.closing = False
        self._allowance = 2 * self.MESSAGES_PER_SECOND
        self._parser: Connection | None = None
        self._parts: list[str | bytes | bytearray] | None = None
        self._size = 0
        self._rest: memoryview | None = None
        self._waiting: deque[bytes] | None = None
        sock.setblocking(False)
        with suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    # What a subclass says

    def received(self, message: str | bytes) -> None:
        """Called with each whole message."""
        raise NotImplementedError

    def newest(self) -> bytes | None:
        """Called when everything was taken that had to wait: the next frame, if there is something newer."""
        return None

    def time_over(self) -> None:
        """Called once when `leave_at`, in seconds of `time.time()`, has come."""

    def ended(self) -> None:
        """Called once, when nothing may be sent any more."""

    # Out

    @property
    def stuck(self) -> bool:
        """Whether the kernel took only a part of the last frame."""
        return self._rest is not None and self._rest is not IN_FLIGHT

    @property
    def busy(self) -> bool:
        """Whether a frame is under way: stuck, or on its way to the kernel in another thread."""
        return self._rest is not None

    def take_off(self) -> int:
        """A frame goes to the kernel by another way, until `land`. The descriptor, which stays open until then."""
        self._rest = IN_FLIGHT
        return self.sock.fileno()

    def land(self, frame: bytes, sent: int) -> None:
        """Note how much of that frame the kernel took, or its error as -errno; then send what had to wait for it."""
        self._rest = None
        if (sent != len(frame) or self._waiting) and self.loop.has(self) and self.took(frame, sent):
            self._follow()

    def send(self, frame: bytes) -> None:
        """Send a frame in its turn; none after the close frame. A client that lets too many wait is cut off."""
        if not self.closing:
            self._say(frame)

    def _say(self, frame: bytes) -> None:
        if self._rest is None:
            self._write(frame)
            return
        if self._waiting is None:
            self._waiting = deque()
        if len(self._waiting) < self.MAX_WAITING:
            self._waiting.append(frame)
        else:
            self.loop.drop(self)

    def offer(self, frame: bytes) -> None:
        """Send a frame if the one before was taken; else `newest` is asked when it is."""
        if self._rest is None and not self.closing:
            self._write(frame)

    def close(self, code: int, reason: str = "") -> None:
        """Say goodbye, after what waits already, and listen no more."""
        if not self.closing:
            self.closing = True
            SOCKET_CLOSES.labels(code if code in frames.OURS else "other").inc()
            self.ended()
            self._say(frames.close(code, reason))
            self.loop.linger(self)
            self._finish()

    def writable(self) -> None:
        """The kernel takes more."""
        rest, self._rest = self._rest, None
        if rest is None or self._write(rest):
            self._follow()

    def _follow(self) -> None:
        """All was taken: send what waited for that, and then what is newest."""
        while following := self._waiting.popleft() if self._waiting else None if self.closing else self.newest():
            if not self._write(following):
                return
        self.loop.unstick(self)
        self._finish()

    def took(self, frame: bytes | memoryview, sent: int) -> bool:
        """Note how much of a frame the kernel took, or its error as -errno. Whether it took all."""
        if sent == len(frame):
            return True
        if not self.loop.has(self):
            return False  # It was dropped, and its descriptor is only kept until a flight is over.
        if sent < 0 and sent != -errno.EAGAIN:
            self.loop.drop(self)
            return False
        self._rest = memoryview(frame)[max(sent, 0) :]
        self.loop.stick(self, progress=sent > 0)
        return False

    def _write(self, frame: bytes | memoryview) -> bool:
        """Whether the kernel took all of it."""
        if not self.loop.has(self):
            return False
        try:
            sent = self.sock.send(frame)
        except OSError as error:
            sent = -(error.errno or errno.EIO)
        return self.took(frame, sent)

    def _finish(self) -> None:
        """After the close frame: our half is over, theirs goes on until they have read it."""
        if self.closing and self._rest is None:
            with suppress(OSError):
                self.sock.shutdown(socket.SHUT_WR)

    # In

    def readable(self) -> None:
        """There is something to read, or the client is gone."""
        try:
            data = self.sock.recv(RECEIVE_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.loop.drop(self)
        elif not self.closing:
            self.heard = self.loop.now
            self._parse(data)

    def _parse(self, data: bytes) -> None:
        if not self._within_rate(DROP):
            return
        for event in self._events(data):
            self._take(event)
            if self.closing or not self._within_rate(_cost(event)):
                return

    def _events(self, data: bytes) -> Iterator[Event]:
        """What wsproto makes of it. A parser of its own is only for a client that is in the middle of something."""
        if self._parser is None and not frames.ends_between_messages(data):
            self._parser = Connection(ConnectionType.SERVER)
        if self._parser is not None:
            self._parser.receive_data(data)
            yield from self._parser.events()
        else:
            with self.loop.shared_parser() as parser:
                parser.receive_data(data)
                yield from parser.events()

    def _within_rate(self, cost: float) -> bool:
        """Count, by a bucket that leaks; whoever talks faster for long is closed."""
        now = self.loop.now
        gained = (now - self._allowed_at) * self.MESSAGES_PER_SECOND
        self._allowance = min(2 * self.MESSAGES_PER_SECOND, self._allowance + gained) - cost
        self._allowed_at = now
        if self._allowance < 0:
            self.close(frames.POLICY, "too many messages")
        return self._allowance >= 0

    def _take(self, event: Event) -> None:
        if isinstance(event, TextMessage | BytesMessage):
            self._collect(event)
        elif isinstance(event, Ping):
            self.send(frames.encode(frames.PONG, bytes(event.payload)))
        elif isinstance(event, CloseConnection):
            self.close(event.code, event.reason or "")

    def _collect(self, part: TextMessage | BytesMessage) -> None:
        """Put fragments together, as long as they are not too much."""
        data = part.data
        self._size += len(data.encode()) if isinstance(data, str) and not data.isascii() else len(data)
        if self._size > self.MAX_MESSAGE:
            self.close(frames.TOO_BIG, "message too big")
        elif part.message_finished:
            whole = self._join(data)
            self._parts, self._size = None, 0
            self.received(whole)
        elif self._parts is None:
            self._parts = [data]
        elif data:  # Empty fragments add nothing, however many come.
            self._parts.append(data)

    def _join(self, last: str | bytes | bytearray) -> str | bytes:
        parts: list[Any] = [*(self._parts or ()), last]  # One message is of one type.
        return "".join(parts) if isinstance(last, str) else b"".join(parts)


def _cost(event: Event) -> float:
    """What counts against a client's rate: messages, and fragments. A piece of a frame came with data that counted."""
    if isinstance(event, TextMessage | BytesMessage) and not event.message_finished:
        return DROP if event.frame_finished else 0.0
    return 1.0
