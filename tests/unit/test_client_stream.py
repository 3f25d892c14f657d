"""The live board against a WebSocket server that misbehaves as told, which the real one must not."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from itertools import islice

import pytest
from websockets.http11 import Request, Response
from websockets.sync.server import ServerConnection, serve

from fairboard_client import Backoff, BoardStream, FairboardError
from fairboard_client.stream import Peer

Handler = Callable[[ServerConnection, int], None]
Gate = Callable[[ServerConnection, Request], Response | None]


def frame(event: str, version: int) -> str:
    rows = [{"rank": 1, "userId": 7, "username": "tova", "score": version}]
    return json.dumps(
        {"event": event, "data": {"leaderboard": rows, "updatedAt": "2026-01-02T03:04:05.678Z", "version": version}}
    )


@contextmanager
def serving(handler: Handler, gate: Gate | None = None) -> Iterator[str]:
    """A server that calls the handler with the connection and its number, 0 for the first."""
    count = iter(range(1_000))

    def handle(connection: ServerConnection) -> None:
        assert json.loads(connection.recv()) == {"event": "join", "data": {"room": "leaderboard"}}
        handler(connection, next(count))

    with serve(handle, "127.0.0.1", 0, process_request=gate) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"ws://127.0.0.1:{server.socket.getsockname()[1]}/ws"
        server.shutdown()
    thread.join()


def stream(url: str, token: str | None = None, renew: Callable[[str], None] = lambda _: None) -> BoardStream:
    return BoardStream(
        Peer(url, direct=True, timeout=5), bearer=lambda: token, renew=renew, backoff=Backoff(0.01, 0.05)
    )


def hold(connection: ServerConnection) -> None:
    """Keep the connection until the client ends it."""
    for _ in connection:
        pass


def test_versions_only_grow() -> None:
    def handler(connection: ServerConnection, _: int) -> None:
        connection.send(json.dumps({"event": "connected", "data": {"userId": 7}}))
        connection.send(frame("leaderboard:initial", 3))
        for version in (5, 4, 5, 6):
            connection.send(frame("leaderboard:update", version))
        hold(connection)

    with serving(handler) as url, stream(url) as boards:
        seen = list(islice(boards, 3))

    assert [board.version for board in seen] == [3, 5, 6]
    assert seen[0].leaderboard[0].username == "tova"


@pytest.mark.parametrize("code", [1000, 1001, 1011, 1012, 4401])
def test_it_comes_back_after_the_server_went(code: int) -> None:
    def handler(connection: ServerConnection, number: int) -> None:
        connection.send(frame("leaderboard:initial", 8))
        if number:
            connection.send(frame("leaderboard:update", 9))
            hold(connection)
        connection.close(code)

    with serving(handler) as url, stream(url) as boards:
        assert [board.version for board in islice(boards, 2)] == [8, 9]


@pytest.mark.parametrize("code", [1008, 1009])
def test_it_stays_away_where_the_server_means_this_client(code: int) -> None:
    def handler(connection: ServerConnection, _: int) -> None:
        connection.close(code)

    with serving(handler) as url, stream(url) as boards, pytest.raises(FairboardError) as caught:
        list(boards)

    assert caught.value.code == f"CLOSED_{code}"


def test_an_error_event_is_raised() -> None:
    def handler(connection: ServerConnection, _: int) -> None:
        connection.send('{"event":"error","data":{"code":"FORBIDDEN","detail":"Not yours."}}')
        hold(connection)

    with serving(handler) as url, stream(url) as boards, pytest.raises(FairboardError) as caught:
        list(boards)

    assert (caught.value.code, caught.value.detail) == ("FORBIDDEN", "Not yours.")


@pytest.mark.parametrize("text", ["no json", "[]", "{}", '{"event":"leaderboard:update","data":{"version":1}}'])
def test_a_frame_of_another_shape_is_an_error(text: str) -> None:
    def handler(connection: ServerConnection, _: int) -> None:
        connection.send(text)
        hold(connection)

    with serving(handler) as url, stream(url) as boards, pytest.raises(FairboardError) as caught:
        list(boards)

    assert caught.value.code == "UNEXPECTED_ANSWER"


def refusing(answers: list[tuple[HTTPStatus, str]]) -> Gate:
    """A gate that refuses with each answer in turn, and then lets everybody in."""

    def gate(connection: ServerConnection, _: Request) -> Response | None:
        if not answers:
            return None
        status, code = answers.pop(0)
        return connection.respond(status, json.dumps({"code": code}))

    return gate


def initial_only(connection: ServerConnection, _: int) -> None:
    connection.send(frame("leaderboard:initial", 1))
    hold(connection)


def test_an_expired_token_is_renewed_and_a_busy_server_tried_again() -> None:
    renewed: list[str] = []
    gate = refusing(
        [(HTTPStatus.UNAUTHORIZED, "TOKEN_EXPIRED"), (HTTPStatus.SERVICE_UNAVAILABLE, "SERVICE_UNAVAILABLE")]
    )

    with serving(initial_only, gate) as url, stream(url, "old", renewed.append) as boards:
        assert next(iter(boards)).version == 1

    assert renewed == ["old"]


@pytest.mark.parametrize(
    ("status", "code"), [(HTTPStatus.UNAUTHORIZED, "INVALID_TOKEN"), (HTTPStatus.FORBIDDEN, "ACCOUNT_SUSPENDED")]
)
def test_a_refusal_that_stays_is_raised(status: HTTPStatus, code: str) -> None:
    gate = refusing([(status, code)])

    with serving(initial_only, gate) as url, stream(url) as boards, pytest.raises(FairboardError) as caught:
        list(boards)

    assert (caught.value.status, caught.value.code) == (status, code)


def test_close_ends_an_iteration_that_waits_in_another_thread() -> None:
    arrived = threading.Event()
    with serving(initial_only) as url:
        boards = stream(url)
        reader = threading.Thread(target=boards.deliver_to, args=(lambda _: arrived.set(),))
        reader.start()
        assert arrived.wait(5)

        boards.close()

        reader.join(5)
        assert not reader.is_alive()


def test_close_ends_the_wait_for_a_server_that_is_away() -> None:
    boards = BoardStream(
        Peer("ws://127.0.0.1:9/ws", direct=True), bearer=lambda: None, renew=lambda _: None, backoff=Backoff(60, 60)
    )
    reader = threading.Thread(target=list, args=(boards,))
    reader.start()

    boards.close()

    reader.join(5)
    assert not reader.is_alive()
