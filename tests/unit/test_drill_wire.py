"""The drills' HTTP client: a connection that the server has ended between two requests is no failed request."""

from __future__ import annotations

import asyncio

from drills.wire import NO_ANSWER, Answer, Wire

LAST_WORDS = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


async def _ask(*, answered: int) -> list[Answer]:
    """Two requests, the second when the connection of the first has ended. Connections after `answered` say nothing."""
    served = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal served
        await reader.readuntil(b"\r\n\r\n")
        served += 1
        writer.write(LAST_WORDS if served <= answered else b"")
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        wire = Wire(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        first = await wire.post("/", "", {})
        if wire._streams is not None:
            assert await wire._streams[0].read() == b""
        second = await wire.post("/", "", {})
        wire.close()
        return [first, second]


def test_a_connection_that_was_ended_is_opened_again() -> None:
    assert [answer.status for answer in asyncio.run(_ask(answered=2))] == [200, 200]


def test_a_request_that_got_no_answer_has_failed() -> None:
    assert asyncio.run(_ask(answered=1))[1] == NO_ANSWER
