"""A WebSocket with one writer, whole frames and a deadline.

simple-websocket hands a frame to `send` and ignores how much of it was taken, from two threads; a slow reader then sees
a torn stream. Its reading thread also dies silently on malformed frames. Both are mended here, outside the library.
"""

from __future__ import annotations

import logging
import threading
from contextlib import suppress
from typing import Any

import gevent
from simple_websocket import Server
from wsproto.utilities import ProtocolError

log = logging.getLogger(__name__)

WRITE_SECONDS = 20
"""A client that takes nothing for this long is cut off."""
POLICY, TOO_BIG, RESTART = 1008, 1009, 1012
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
    """simple-websocket's reading thread, which tells the handler when it has to give up."""

    def __init__(self, target: Any) -> None:
        """`target` is the bound `_thread` of the WebSocket."""
        super().__init__(target=target, daemon=True)
        self._socket: Server = target.__self__

    def run(self) -> None:
        """Read until the end, and let nobody wait for more when it comes unexpectedly."""
        try:
            super().run()
        except (ProtocolError, UnicodeDecodeError) as error:
            log.info("a socket ends: %s", error)
        finally:
            self._socket.connected = False
            self._socket.event.set()
            with suppress(OSError):
                self._socket.sock.shutdown(2)
