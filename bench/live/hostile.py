"""Slow readers and hostile clients: `python -m bench.live.hostile`, a process of its own that takes orders.

The first line on its input is JSON: `port`, `slow` and `hostile` with an access token for each client. Each line after
that is answered by one of JSON: what became of them so far.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress

from bench.live.contestants import upgrade

HOST = "127.0.0.1"
MASK = b"\x21\x43\x65\x87"
JOIN = '{"event":"join","data":{"room":"leaderboard"}}'
PATIENCE = 90.0
"""Seconds that a hostile client waits for its end."""
SIP, SIP_SECONDS = 512, 1.0
"""What one half of the slow readers takes, and how often: less than is sent, so they fall behind for ever."""
NAP, NAP_SECONDS = 65_536, 8.0
"""The other half takes all that has come, but seldom."""


def masked(payload: bytes, opcode: int = 1) -> bytes:
    """A frame as a client has to send it."""
    size = len(payload)
    head = bytes([0x80 | opcode]) + (bytes([0x80 | size]) if size < 126 else b"\xfe" + struct.pack(">H", size))
    return head + MASK + bytes(byte ^ MASK[place % 4] for place, byte in enumerate(payload))


class Line:
    """A connection of somebody who may misbehave."""

    def __init__(self, port: int, token: str = "") -> None:
        """Nothing is open yet."""
        self.port, self._token = port, token
        self._loop = asyncio.get_running_loop()
        self.sock = socket.socket()
        self.sock.setblocking(False)

    async def open(self, *, receive: int = 0) -> None:
        """Shake hands."""
        if receive:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
        await self._loop.sock_connect(self.sock, (HOST, self.port))
        await self.send(upgrade("/ws", *([f"Authorization: Bearer {self._token}"] if self._token else [])).encode())
        answer = await self.take(4096)
        if not answer.startswith(b"HTTP/1.1 101"):
            raise ConnectionError(answer[:60])

    async def send(self, data: bytes) -> None:
        """Send all of it."""
        await self._loop.sock_sendall(self.sock, data)

    async def take(self, size: int) -> bytes:
        """What has come; nothing at the end."""
        return await self._loop.sock_recv(self.sock, size)

    async def until_closed(self) -> None:
        """Read and say nothing, not even a pong."""
        while await self.take(65_536):
            pass

    def close(self, *, reset: bool = False) -> None:
        """Hang up, in good order or not."""
        if reset:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


async def unmasked(line: Line) -> None:
    """A frame without a mask."""
    await line.open()
    await line.send(b"\x81\x02{}")
    await line.until_closed()


async def oversized(line: Line) -> None:
    """A frame of a mebibyte."""
    await line.open()
    await line.send(b"\x81\xff" + struct.pack(">Q", 1 << 20) + MASK + bytes(1 << 20))
    await line.until_closed()


async def malformed(line: Line) -> None:
    """Text that is not UTF-8."""
    await line.open()
    await line.send(masked(b"\xff\xfe\xc0"))
    await line.until_closed()


async def nonsense(line: Line) -> None:
    """Messages that are no messages."""
    await line.open()
    for _ in range(3):
        await line.send(masked(b"[[[["))
    await line.until_closed()


async def flood(line: Line) -> None:
    """Valid messages without end, and answers that nobody takes."""
    await line.open()
    many = masked(b'{"event":"ping"}') * 200
    while True:
        await line.send(many)
        await asyncio.sleep(0.05)


async def half_a_frame(line: Line) -> None:
    """The beginning of a frame, then silence."""
    await line.open()
    await line.send(b"\x81\xe4" + MASK + b"abc")
    await line.until_closed()


async def never_reads(line: Line) -> None:
    """Joins, and takes nothing."""
    await line.open(receive=4096)
    await line.send(masked(JOIN.encode()))
    while True:
        await line.send(masked(b"", 10))
        await asyncio.sleep(1)


async def nobody(line: Line) -> None:
    """Never says who it is."""
    await line.open()
    await line.until_closed()


async def resets(line: Line) -> None:
    """Goes as soon as it has come."""
    await line.open()
    line.close(reset=True)
    raise ConnectionResetError


async def half_a_request(line: Line) -> None:
    """Never ends its handshake."""
    await asyncio.get_running_loop().sock_connect(line.sock, (HOST, line.port))
    await line.send(b"GET /ws HTTP/1.1\r\nHost: loc")
    await line.until_closed()


KINDS: dict[str, Callable[[Line], Awaitable[None]]] = {
    kind.__name__.replace("_", " "): kind
    for kind in (unmasked, oversized, malformed, nonsense, flood, half_a_frame, never_reads, resets, half_a_request)
}
ANONYMOUS = "never authenticates"


class Cast:
    """All of them, and what became of them."""

    def __init__(self, port: int) -> None:
        """Nobody has come yet."""
        self.port = port
        self.ended: Counter[str] = Counter()
        self.waiting: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.slow: Counter[str] = Counter()

    async def misbehave(self, kind: str, token: str) -> None:
        """Come, do what this kind does until it is thrown out, and come again."""
        behave = KINDS.get(kind, nobody)
        while True:
            line = Line(self.port, "" if behave is nobody else token)
            try:
                await asyncio.wait_for(behave(line), PATIENCE)
                self.ended[kind] += 1
            except TimeoutError:
                self.waiting[kind] += 1
            except OSError as error:
                refused = isinstance(error, ConnectionError) and "HTTP" in str(error)
                (self.refused if refused else self.ended)[kind] += 1
            finally:
                line.close()
            await asyncio.sleep(1)

    async def read_slowly(self, token: str, kind: str) -> None:
        """Join, take what comes too slowly, answer pings late, and watch that frames stay whole."""
        line = Line(self.port, token)
        self.slow[kind] += 1
        with suppress(OSError):
            await line.open(receive=4096 if kind == "sipping" else 0)
            await line.send(masked(JOIN.encode()))
            await self._read(line, *((SIP, SIP_SECONDS) if kind == "sipping" else (NAP, NAP_SECONDS)))
        self.slow[kind] -= 1
        self.slow["closed"] += 1
        line.close()

    async def _read(self, line: Line, size: int, pause: float) -> None:
        buffer, version = b"", -1
        while more := await line.take(size):
            buffer += more
            while (frame := whole_frame(buffer)) is not None:
                opcode, payload, buffer = frame
                if opcode == 9:
                    await line.send(masked(payload, 10))
                elif opcode == 1:
                    version = self._judge(payload, version)
            await asyncio.sleep(pause)

    def _judge(self, payload: bytes, version: int) -> int:
        self.slow["frames"] += 1
        try:
            newer = int(json.loads(payload)["data"].get("version", version + 1))
        except ValueError:
            self.slow["torn"] += 1
            return version
        self.slow["torn"] += newer <= version
        return newer

    def summary(self) -> dict[str, object]:
        """What became of them so far."""
        return {
            "slow": self.slow,
            "ended": self.ended,
            "waiting": self.waiting,
            "refused": self.refused,
        }


def whole_frame(data: bytes) -> tuple[int, bytes, bytes] | None:
    """Opcode, payload and the rest, once a frame of a server has come whole."""
    if len(data) < 2:
        return None
    size, head = data[1] & 0x7F, 2
    if size == 126:
        if len(data) < 4:
            return None
        size, head = struct.unpack(">H", data[2:4])[0], 4
    if len(data) < head + size:
        return None
    return data[0] & 0x0F, data[head : head + size], data[head + size :]


async def run() -> None:
    """Until the input ends."""
    loop, reader = asyncio.get_running_loop(), asyncio.StreamReader(limit=1 << 20)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    orders = json.loads(await reader.readline())
    cast, kinds = Cast(orders["port"]), [*KINDS, ANONYMOUS]
    tasks = [
        loop.create_task(cast.read_slowly(token, ("sipping", "napping")[number % 2]))
        for number, token in enumerate(orders["slow"])
    ]
    for number, token in enumerate(orders["hostile"]):
        tasks.append(loop.create_task(cast.misbehave(kinds[number % len(kinds)], token)))
    while await reader.readline():
        print(json.dumps(cast.summary()), flush=True)
    for task in tasks:
        task.cancel()
    with suppress(asyncio.CancelledError):
        await asyncio.gather(*tasks)


if __name__ == "__main__":
    asyncio.run(run())
