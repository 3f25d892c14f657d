"""A TCP proxy of our own between two parts: it delays, goes silent, refuses, cuts, and springs traps on what passes."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, TypeVar

from cli.embedded import free_port

T = TypeVar("T")
CHUNK = 65_536


class Way(Enum):
    """Which way bytes flow."""

    UP = "from the client to the server"
    DOWN = "from the server to the client"


class Deed(Enum):
    """What a trap does with the bytes that sprang it."""

    CUT = "drop them and reset the connection"
    CUT_ANSWER = "let them through, and reset the connection when the server answers"
    LATE = "deliver them after `seconds`, even if the client has left by then"


@dataclass
class Trap:
    """Waits for bytes that hold all `needles`. `call` comes before the deed, on another thread, and `sprung` after."""

    needles: tuple[bytes, ...]
    deed: Deed
    way: Way = Way.UP
    times: int = 1
    seconds: float = 0.0
    call: Callable[[], object] = lambda: None
    sprung: threading.Event = field(default_factory=threading.Event)

    def takes(self, way: Way, data: bytes) -> bool:
        """Whether these bytes spring it; it counts them if so."""
        if way is not self.way or self.times <= 0 or not all(needle in data for needle in self.needles):
            return False
        self.times -= 1
        return True


class Links:
    """The thread that all proxies of a site run on."""

    def __init__(self) -> None:
        """It starts with the first link."""
        self.named: dict[str, Link] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="links", daemon=True)

    def add(self, name: str, port: int) -> Link:
        """The link of that name, which leads to a port; it is made where it does not exist."""
        if not self._thread.is_alive():
            self._thread.start()
        if name not in self.named:
            self.named[name] = Link(name, port, self._run)
        return self.named[name]

    def mend(self) -> None:
        """Let everything pass again."""
        for link in self.named.values():
            link.mend()

    def close(self) -> None:
        """End all of them."""
        if self._thread.is_alive():
            for link in self.named.values():
                link.close()
            self._run(_end_all_tasks())
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
        self._loop.close()

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)


@dataclass(eq=False)
class _Pair:
    """A client's connection and the one behind it."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    trap: Trap | None = None
    """Whose answer is to be cut."""
    late: bool = False
    """Bytes are on their way to the server, which are delivered even if the client leaves."""

    def reset(self) -> None:
        """End both sides with a reset, as a killed process does."""
        for writer in (self.client, self.server):
            reset(writer)


class Link:
    """One proxy: whoever connects to `port` talks to the server behind it, as long as nothing is wrong with it."""

    def __init__(self, name: str, target: int, run: Callable[[Coroutine[Any, Any, Any]], Any]) -> None:
        self.name = name
        self.target = target
        self.traps: list[Trap] = []
        self.port = free_port()
        self._run = run
        self._delay = 0.0
        self._refusing = False
        self._open = asyncio.Event()
        self._pairs: set[_Pair] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server = run(self._listen())

    def delay(self, seconds: float) -> None:
        """Hold everything back this long, both ways."""
        self._delay = seconds

    def hole(self) -> None:
        """Let nothing through and tell nobody, as a partition does."""
        self._run(self._set_open(passing=False))

    def refuse(self) -> None:
        """Reset every connection, and each new one."""
        self._refusing = True
        self.cut()

    def cut(self) -> None:
        """Reset the connections that are open now."""
        self._run(self._cut())

    def mend(self) -> None:
        """Let everything pass; what a hole held back is delivered now."""
        self._delay, self._refusing = 0.0, False
        self.traps.clear()
        self._run(self._set_open(passing=True))

    def set_trap(self, trap: Trap) -> Trap:
        """Wait for some bytes."""
        self.traps.append(trap)
        return trap

    def close(self) -> None:
        """Stop listening and reset what is open."""
        self._run(self._end())

    async def _listen(self) -> asyncio.Server:
        self._open.set()
        return await asyncio.start_server(self._serve, "127.0.0.1", self.port)

    async def _set_open(self, *, passing: bool) -> None:
        self._open.set() if passing else self._open.clear()

    async def _cut(self) -> None:
        for pair in list(self._pairs):
            pair.reset()

    async def _end(self) -> None:
        self._server.close()
        self._open.set()
        await self._cut()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._open.wait()
        if self._refusing:
            reset(writer)
            return
        try:
            from_server, to_server = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            reset(writer)
            return
        pair = _Pair(writer, to_server)
        self._pairs.add(pair)
        try:
            await asyncio.gather(self._pump(Way.UP, reader, pair), self._pump(Way.DOWN, from_server, pair))
        finally:
            self._pairs.discard(pair)
            pair.client.close()
            if not pair.late:
                pair.server.close()

    async def _pump(self, way: Way, reader: asyncio.StreamReader, pair: _Pair) -> None:
        writer = pair.server if way is Way.UP else pair.client
        try:
            while data := await reader.read(CHUNK):
                await self._open.wait()
                if self._delay:
                    await asyncio.sleep(self._delay)
                await self._pass(way, data, writer, pair)
        except OSError:
            pair.reset()
        else:
            if not pair.late:
                writer.close()

    async def _pass(self, way: Way, data: bytes, writer: asyncio.StreamWriter, pair: _Pair) -> None:
        """Deliver, unless a trap has other plans."""
        trap = next((trap for trap in self.traps if trap.takes(way, data)), None)
        if trap is not None:
            await self._spring(trap, data, writer, pair)
        elif pair.trap is not None and way is Way.DOWN:
            pair.reset()
            pair.trap.sprung.set()
        else:
            writer.write(data)
            await writer.drain()

    async def _spring(self, trap: Trap, data: bytes, writer: asyncio.StreamWriter, pair: _Pair) -> None:
        await asyncio.to_thread(trap.call)
        if trap.deed is Deed.CUT:
            pair.reset()
            trap.sprung.set()
        elif trap.deed is Deed.CUT_ANSWER:
            pair.trap = trap
            writer.write(data)
            await writer.drain()
        else:
            pair.late = True
            task = asyncio.create_task(self._deliver(trap, data, writer))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _deliver(self, trap: Trap, data: bytes, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(trap.seconds)
        try:
            writer.write(data)
            await writer.drain()
            await asyncio.sleep(0.2)  # The server is to read it before the end of the connection.
            writer.close()
        finally:
            trap.sprung.set()


async def _end_all_tasks() -> None:
    """Cancel whatever still waits, and let transports notice that they were aborted."""
    every = asyncio.all_tasks() - {asyncio.current_task()}
    for task in every:
        task.cancel()
    await asyncio.gather(*every, return_exceptions=True)
    await asyncio.sleep(0.05)


def reset(writer: asyncio.StreamWriter) -> None:
    """End a connection with a reset instead of an orderly end."""
    sock = writer.get_extra_info("socket")
    if sock is not None and sock.fileno() >= 0:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
