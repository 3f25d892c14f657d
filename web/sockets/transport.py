"""A WebSocket with one writer, whole frames and a deadline.

simple-websocket hands a frame to `send` and ignores how much of it was taken, from two threads; a slow reader then sees
a torn stream. Its reading thread also dies silently on malformed frames. Both are mended here, outside the library.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import Any

import gevent
from simple_websocket import ConnectionClosed, Server
from wsproto.utilities import ProtocolError

WRITE_SECONDS = 20
"""A client that takes nothing for this long is cut off."""
NORMAL, GOING_AWAY, PROTOCOL_ERROR, INVALID_DATA, POLICY, TOO_BIG, RESTART = 1000, 1001, 1002, 1007, 1008, 1009, 1012
UNAUTHENTICATED, FORBIDDEN = 4401, 4403


class WholeFrames:
    """The socket below a WebSocket: sends a frame to its end before another one begins, or gives the client up."""

    def __init__(self, sock: Any) -> None:
        """Takes the place of `sock`."""
        self._sock = sock
        self._lock = threading.Lock()

    def send(self, frame: bytes) -> int:
        """Send all of a frame. Raises OSError, and closes the socket, if the client does not take it in time."""
        try:
            with gevent.Timeout(WRITE_SECONDS, TimeoutError("the client takes nothing")), self._lock:
                self._sock.sendall(frame)
        except OSError:
            self.shut()
            raise
        return len(frame)

    def shut(self) -> None:
        """End the connection without a word, which also wakes whoever reads from it."""
        with suppress(OSError):
            self._sock.shutdown(2)

    def __getattr__(self, name: str) -> Any:
        """Everything but sending is the socket's own."""
        return getattr(self._sock, name)


class Reader(threading.Thread):
    """simple-websocket's reading thread, which tells the client and the handler when it has to give up."""

    def __init__(self, target: Any) -> None:
        """`target` is the bound `_thread` of the WebSocket."""
        super().__init__(target=target, daemon=True)
        self._socket: Server = target.__self__

    def run(self) -> None:
        """Read until the end; a frame against RFC 6455 ends with 1002, a text that is not UTF-8 with 1007."""
        try:
            super().run()
        except UnicodeDecodeError:
            self._give_up(INVALID_DATA)
        except ProtocolError:
            self._give_up(PROTOCOL_ERROR)

    def _give_up(self, reason: int) -> None:
        with suppress(ConnectionClosed, ProtocolError, OSError):
            self._socket.close(reason)
        self._socket.connected = False
        self._socket.event.set()
        with suppress(OSError):
            self._socket.sock.shutdown(2)
