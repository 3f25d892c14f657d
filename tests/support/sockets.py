"""A WebSocket client that can do everything a good one would not: it owns each byte it sends."""

from __future__ import annotations

import base64
import json
import os
import socket
import struct
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, NamedTuple, Self

from tests.support.stack import Stack

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
JOIN = {"room": "leaderboard"}


class Frame(NamedTuple):
    """One frame from the server."""

    opcode: int
    payload: bytes


class Wire:
    """A TCP connection that has asked for an upgrade. `status` tells whether it got one (101)."""

    def __init__(
        self,
        stack: Stack | int,
        token: str | None = None,
        *,
        headers: Mapping[str, str | None] | None = None,
        buffer: int | None = None,
    ) -> None:
        """Headers that are None are left out; `buffer` is the size of the receive buffer."""
        port = stack if isinstance(stack, int) else stack.port
        self.socket = socket.socket()
        if buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        self.socket.settimeout(15)
        self.socket.connect(("127.0.0.1", port))
        self._rest = b""
        self._ask(port, {"Authorization": f"Bearer {token}" if token else None, **(headers or {})})

    def _ask(self, port: int, headers: Mapping[str, str | None]) -> None:
        wanted: dict[str, str | None] = {
            "Host": f"127.0.0.1:{port}",
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
            "Sec-WebSocket-Version": "13",
            **headers,
        }
        lines = [f"{name}: {value}" for name, value in wanted.items() if value is not None]
        self.socket.sendall("\r\n".join(["GET /ws HTTP/1.1", *lines, "", ""]).encode())
        head = self._until(b"\r\n\r\n").decode()
        self.status = int(head.split(" ", 2)[1])
        self.head = head.lower()

    def body(self) -> dict[str, Any]:
        """The problem of an upgrade that was refused."""
        length = next(int(line.split(":")[1]) for line in self.head.splitlines() if line.startswith("content-length"))
        problem: dict[str, Any] = json.loads(self._exactly(length))
        return problem

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.socket.close()

    def send(self, event: str, data: object = None) -> None:
        """Send an event."""
        message = {"event": event} if data is None else {"event": event, "data": data}
        self.send_text(json.dumps(message))

    def send_text(self, text: str | bytes) -> None:
        """Send a text frame."""
        self.send_frame(TEXT, text if isinstance(text, bytes) else text.encode())

    def send_frame(
        self, opcode: int, payload: bytes = b"", *, fin: bool = True, masked: bool = True, rsv: int = 0
    ) -> None:
        """Send one frame, whatever it is."""
        first = (0x80 if fin else 0) | rsv << 4 | opcode
        size = len(payload)
        short = size if size < 126 else 126 if size < 65536 else 127
        head = struct.pack("!BB", first, (0x80 if masked else 0) | short)
        head += struct.pack("!H", size) if short == 126 else struct.pack("!Q", size) if short == 127 else b""
        mask = os.urandom(4) if masked else b""
        body = bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload)) if masked else payload
        self.socket.sendall(head + mask + body)

    def frame(self, seconds: float = 10.0) -> Frame:
        """The next frame. Raises TimeoutError, or ConnectionError at the end."""
        self.socket.settimeout(seconds)
        first, second = self._exactly(2)
        assert not second & 0x80, "servers do not mask"
        size = second & 0x7F
        if size == 126:
            (size,) = struct.unpack("!H", self._exactly(2))
        elif size == 127:
            (size,) = struct.unpack("!Q", self._exactly(8))
        return Frame(first & 0x0F, self._exactly(size))

    def event(self, seconds: float = 10.0) -> tuple[str, dict[str, Any]]:
        """The next event; pings in between are answered."""
        deadline = time.monotonic() + seconds
        while True:
            frame = self.frame(max(0.01, deadline - time.monotonic()))
            if frame.opcode == PING:
                self.send_frame(PONG, frame.payload)
                continue
            assert frame.opcode == TEXT, frame
            message = json.loads(frame.payload)
            assert set(message) == {"event", "data"}, message
            return message["event"], message["data"]

    def expect(self, event: str, seconds: float = 10.0) -> dict[str, Any]:
        """The data of the next event, which must be this one."""
        name, data = self.event(seconds)
        assert name == event, (name, data)
        return data

    def join(self) -> dict[str, Any]:
        """Join the room; the first board."""
        self.send("join", JOIN)
        return self.expect("leaderboard:initial")

    def closed(self, seconds: float = 10.0) -> int | None:
        """Read to the end; the code of the server's close frame, None where it sent none."""
        deadline = time.monotonic() + seconds
        code = None
        while True:
            try:
                frame = self.frame(max(0.01, deadline - time.monotonic()))
            except TimeoutError as error:
                raise AssertionError("the server did not close") from error
            except OSError:
                return code
            if frame.opcode == CLOSE and len(frame.payload) >= 2:
                (code,) = struct.unpack("!H", frame.payload[:2])

    def boards_until(self, score: object, seconds: float = 10.0) -> list[dict[str, Any]]:
        """Updates up to the first that shows a score; their versions must grow."""
        boards: list[dict[str, Any]] = []
        while not boards or score not in [row["score"] for row in boards[-1]["leaderboard"]]:
            boards.append(self.expect("leaderboard:update", seconds))
        versions = [board["version"] for board in boards]
        assert versions == sorted(set(versions))
        return boards

    def _until(self, end: bytes) -> bytes:
        while end not in self._rest:
            self._fill()
        found, self._rest = self._rest.split(end, 1)
        return found

    def _exactly(self, size: int) -> bytes:
        while len(self._rest) < size:
            self._fill()
        found, self._rest = self._rest[:size], self._rest[size:]
        return found

    def _fill(self) -> None:
        data = self.socket.recv(65536)
        if not data:
            raise ConnectionError("the server ended the connection")
        self._rest += data


def assert_works(wire: Wire) -> None:
    """The server still listens to this one."""
    wire.send("ping")
    wire.expect("pong")
