"""The client against a server that answers as told, for answers that the real one cannot be made to give at will."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from fairboard_client import FairboardClient, FairboardError, NoAnswerError, Session

Answer = tuple[int, dict[str, str], Any]
EXPIRED: Answer = (401, {}, {"status": 401, "code": "TOKEN_EXPIRED", "title": "Expired", "detail": "Refresh it."})
PAIR = {"accessToken": "new-access", "refreshToken": "new-refresh", "expiresIn": 900}
ME = {"userId": 7, "username": "tova", "role": "player", "status": "active", "score": 0, "rank": None}


@dataclass
class Scripted:
    """A server on this machine: `answers` by path, each used up in turn but the last; `calls` is what came in."""

    answers: dict[str, list[Answer]] = field(default_factory=dict)
    by_bearer: dict[str | None, Answer] = field(default_factory=dict)
    calls: list[tuple[str, str | None, bytes]] = field(default_factory=list)
    url: str = ""

    def answer(self, path: str, authorization: str | None, body: bytes) -> Answer:
        self.calls.append((path, authorization, body))
        if authorization in self.by_bearer:
            return self.by_bearer[authorization]
        answers = self.answers[path]
        return answers.pop(0) if len(answers) > 1 else answers[0]


@pytest.fixture
def server() -> Iterator[Scripted]:
    scripted = Scripted()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.do_POST()

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, headers, answer = scripted.answer(self.path, self.headers.get("Authorization"), body)
            content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the name is the standard library's
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        scripted.url = f"http://127.0.0.1:{httpd.server_port}"
        thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield scripted
        httpd.shutdown()


@pytest.fixture
def client(server: Scripted) -> Iterator[FairboardClient]:
    with FairboardClient(server.url, timeout=5) as client:
        client.session = Session("old-access", "old-refresh", 900, 7, "tova", "player")
        yield client


def test_a_problem_becomes_an_error_with_all_it_says(server: Scripted, client: FairboardClient) -> None:
    errors = {"username": "is too short"}
    problem = {"status": 400, "code": "VALIDATION_ERROR", "title": "Bad", "detail": "Look again.", "errors": errors}
    server.answers["/api/auth/register"] = [(400, {}, problem)]

    with pytest.raises(FairboardError) as caught:
        client.register("x", "y")

    error = caught.value
    assert (error.status, error.code, error.detail, error.errors) == (400, "VALIDATION_ERROR", "Look again.", errors)
    assert error.retry_after is None
    assert not error.passing


@pytest.mark.parametrize(("header", "seconds"), [("7", 7.0), ("Wed, 21 Oct 2026 07:28:00 GMT", None), ("-1", None)])
def test_a_server_that_is_away_says_when_to_come_back(
    server: Scripted, client: FairboardClient, header: str, seconds: float | None
) -> None:
    server.answers["/api/me"] = [(503, {"Retry-After": header}, {"code": "SERVICE_UNAVAILABLE"})]

    with pytest.raises(FairboardError) as caught:
        client.me()

    assert (caught.value.status, caught.value.code, caught.value.retry_after) == (503, "SERVICE_UNAVAILABLE", seconds)
    assert caught.value.passing


def test_a_page_of_a_proxy_is_an_error_too(server: Scripted, client: FairboardClient) -> None:
    server.answers["/api/me"] = [(502, {}, b"<html>Bad gateway</html>")]

    with pytest.raises(FairboardError) as caught:
        client.me()

    assert (caught.value.status, caught.value.code) == (502, "HTTP_502")


@pytest.mark.parametrize("body", [b"not json", b"", {"userId": 7}, [], {**ME, "userId": None, "extra": 1}])
def test_an_answer_of_another_shape_is_an_error_unless_it_only_has_more(
    server: Scripted, client: FairboardClient, body: Any
) -> None:
    server.answers["/api/me"] = [(200, {}, body)]

    if isinstance(body, dict) and "extra" in body:
        assert client.me().username == "tova"
        return
    with pytest.raises(FairboardError) as caught:
        client.me()
    assert caught.value.code == "UNEXPECTED_ANSWER"


def test_a_server_that_is_not_there(unused_url: str) -> None:
    with FairboardClient(unused_url) as client, pytest.raises(NoAnswerError) as caught:
        client.login("tova", "correct horse battery")

    assert caught.value.passing


@pytest.fixture
def unused_url() -> Iterator[str]:
    # Bound but not listening, so that nobody else can take the port meanwhile.
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


def test_a_new_password_is_set_by_the_session_which_goes_on(server: Scripted, client: FairboardClient) -> None:
    wrong = {"status": 401, "code": "INVALID_CREDENTIALS", "title": "No", "detail": "The current password is wrong."}
    server.answers["/api/auth/password"] = [(401, {}, wrong), (204, {}, b"")]
    session = client.session

    with pytest.raises(FairboardError) as caught:
        client.change_password("a guess", "what comes next")
    client.change_password("what was", "what comes next")

    assert (caught.value.code, caught.value.detail) == ("INVALID_CREDENTIALS", "The current password is wrong.")
    assert [(path, bearer, json.loads(body)) for path, bearer, body in server.calls] == [
        ("/api/auth/password", "Bearer old-access", {"currentPassword": old, "newPassword": "what comes next"})
        for old in ("a guess", "what was")
    ]
    assert client.session is session


def test_an_expired_token_is_renewed_and_the_call_repeated(server: Scripted, client: FairboardClient) -> None:
    server.answers["/api/me"] = [EXPIRED, (200, {}, ME)]
    server.answers["/api/auth/refresh"] = [(200, {}, PAIR)]

    assert client.me().user_id == 7

    assert [(path, bearer) for path, bearer, _ in server.calls] == [
        ("/api/me", "Bearer old-access"),
        ("/api/auth/refresh", "Bearer old-refresh"),
        ("/api/me", "Bearer new-access"),
    ]
    assert client.session == Session("new-access", "new-refresh", 900, 7, "tova", "player")


def test_a_token_is_renewed_only_once(server: Scripted, client: FairboardClient) -> None:
    server.answers["/api/me"] = [EXPIRED]
    server.answers["/api/auth/refresh"] = [(200, {}, PAIR)]

    with pytest.raises(FairboardError) as caught:
        client.me()

    assert caught.value.code == "TOKEN_EXPIRED"
    assert len(server.calls) == 3


def test_threads_that_meet_an_expired_token_spend_one_refresh_token(server: Scripted, client: FairboardClient) -> None:
    threads = 4
    together = threading.Barrier(threads)
    server.by_bearer = {"Bearer old-access": EXPIRED, "Bearer new-access": (200, {}, ME)}
    server.answers["/api/auth/refresh"] = [(200, {}, PAIR), (401, {}, {"code": "INVALID_TOKEN"})]

    def call() -> int:
        together.wait()
        return client.me().user_id

    with ThreadPoolExecutor(threads) as pool:
        assert [future.result() for future in [pool.submit(call) for _ in range(threads)]] == [7] * threads

    assert [path for path, _, _ in server.calls].count("/api/auth/refresh") == 1


def test_the_body_is_the_text_that_the_checksum_covers(server: Scripted, client: FairboardClient) -> None:
    server.answers["/api/actions/complete"] = [(200, {}, {"newScore": 100, "scoreIncr": 100, "rank": 1})]

    done = client.complete("k", 300_000, {"b": [True, None, "é"], "a": 1})

    assert (done.new_score, done.score_incr, done.rank) == (100, 100, 1)
    sent = server.calls[0][2].decode()
    assert '"data":{"a":1,"b":[true,null,"é"]}' in sent
    assert json.loads(sent)["proof"] == {
        "completionTime": 300_000,
        "checksum": "20e6fd816ba9144145d3026d6232548a782c49f132576a20c494bc2db2037773",
    }


def test_logout_ends_the_session_here_too(server: Scripted, client: FairboardClient) -> None:
    server.answers["/api/auth/logout"] = [(204, {}, b"")]

    client.logout()

    assert client.session is None
    with pytest.raises(FairboardError) as caught:
        client.refresh()
    assert caught.value.code == "UNAUTHORIZED"


def test_no_token_shows_where_a_session_is_printed() -> None:
    assert "secret" not in repr(Session("secret-a", "secret-r", 900, 7, "tova", "player"))
