"""The drills' HTTP client: a connection that the server has ended between two requests is no failed request."""

from __future__ import annotations

import asyncio

import pytest

from drills.wire import NO_ANSWER, Answer, Wire

PAGE = b"<html>no server</html>"
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


async def _told(answer: bytes) -> tuple[Answer, bool]:
    """What a client makes of some bytes, and whether it would ask again over the same connection."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        wire = Wire(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        told, kept = await wire.post("/", "", {}), wire._streams is not None
        wire.close()
        return told, kept


@pytest.mark.parametrize("status", [400, 502, 504])
@pytest.mark.parametrize("sized", [True, False])
def test_an_error_without_json_keeps_its_status(status: int, sized: bool) -> None:
    size = b"Content-Length: %d\r\n" % len(PAGE) if sized else b"Transfer-Encoding: chunked\r\n"
    told, kept = asyncio.run(_told(b"HTTP/1.1 %d Oh\r\n%s\r\n%s" % (status, size, PAGE)))
    assert (told.status, told.code) == (status, "")
    assert kept is sized, "what follows on a connection whose body was not read is no answer"


def test_a_success_that_cannot_be_read_is_none() -> None:
    assert asyncio.run(_told(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nyes"))[0] == NO_ANSWER
