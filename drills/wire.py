"""A small HTTP/1.1 client on asyncio: a drill needs hundreds of clients on the cores that also run the servers."""

from __future__ import annotations

import asyncio
import json
import ssl
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

HEAD_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. `status` 0: nothing did."""

    status: int
    body: Any = None
    retry_after: float = 0.0

    @property
    def code(self) -> str:
        """The error's code, empty for a success."""
        return str(self.body.get("code", "")) if self.status >= 400 and isinstance(self.body, dict) else ""


NO_ANSWER = Answer(0)


@dataclass
class Wire:
    """One connection, opened again where it broke. Not for two requests at once."""

    url: str
    timeout: float = 6.0
    keep: bool = True
    trust: ssl.SSLContext | None = None
    _streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = field(default=None, repr=False)

    async def post(self, path: str, bearer: str, body: object) -> Answer:
        """POST JSON as somebody. Never raises: no answer is an answer here."""
        try:
            async with asyncio.timeout(self.timeout):
                return await self._exchange(path, bearer, json.dumps(body).encode())
        except (OSError, TimeoutError, EOFError, ValueError):
            self.close()
            return NO_ANSWER

    def close(self) -> None:
        """End the connection, if there is one."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None

    async def _exchange(self, path: str, bearer: str, body: bytes) -> Answer:
        if self._streams is not None and self._streams[0].at_eof():
            self.close()  # The server has ended it meanwhile, which every client looks at before it says more.
        reader, writer = self._streams or await self._open()
        writer.write(self._head(path, bearer, len(body)) + body)
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
        raw = await reader.readexactly(int(headers.get("content-length") or 0))
        closes = headers.get("connection", "").lower() == "close" or "content-length" not in headers
        if closes or not self.keep:
            self.close()
        status, retry = int(head[0].split()[1]), headers.get("retry-after", "")
        return Answer(status, _parsed(status, raw), float(retry) if retry.isdigit() else 0)

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        place = urlsplit(self.url)
        self._streams = await asyncio.open_connection(
            place.hostname, place.port, ssl=self.trust if place.scheme == "https" else None, limit=HEAD_BYTES
        )
        return self._streams

    def _head(self, path: str, bearer: str, length: int) -> bytes:
        return (
            f"POST {path} HTTP/1.1\r\nHost: {urlsplit(self.url).netloc}\r\nAuthorization: Bearer {bearer}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {length}\r\n"
            f"Connection: {'keep-alive' if self.keep else 'close'}\r\n\r\n"
        ).encode()


def _parsed(status: int, raw: bytes) -> Any:
    """The body. An error keeps its status where it is no JSON, as a proxy's own pages are; a success is worth nothing

    without one. Raises ValueError.
    """
    try:
        return json.loads(raw) if raw else None
    except ValueError:
        if status < 400:
            raise
        return None
