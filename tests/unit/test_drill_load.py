"""What a client of the drills makes of an answer, and how long it plays."""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from drills import load as loads
from drills.history import Attempt, Outcome
from drills.load import LEAST_MS, MOST_MS, Load, Plan, body_of, judge, round_of
from drills.people import Person
from drills.truth import until
from drills.wire import NO_ANSWER, Answer
from fairboard_client import checksum
from tests.support.tokens import digest


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (Answer(200, {"newScore": 100}), Outcome.OK),
        (Answer(400, {"code": "TOKEN_ALREADY_USED"}), Outcome.FAIL),
        (Answer(429, {"code": "RATE_LIMIT_EXCEEDED"}), Outcome.FAIL),
        (Answer(503, {"code": "SERVICE_UNAVAILABLE"}), Outcome.UNKNOWN),
        (Answer(500, {"code": "INTERNAL_ERROR"}), Outcome.UNKNOWN),
        (NO_ANSWER, Outcome.UNKNOWN),
    ],
)
def test_only_a_success_is_done_and_only_a_refusal_is_not(answer: Answer, outcome: Outcome) -> None:
    assert judge(answer) is outcome


def test_a_token_that_was_used_already_acknowledges_an_earlier_attempt() -> None:
    told = Attempt("a", 1, 0.0, 0.1, Outcome.FAIL, 400, "TOKEN_ALREADY_USED")
    refused = Attempt("a", 1, 0.0, 0.1, Outcome.FAIL, 429, "RATE_LIMIT_EXCEEDED")
    assert told.acknowledged
    assert not refused.acknowledged


def test_a_retry_claims_the_same_as_the_first_attempt() -> None:
    for token in (secrets.token_urlsafe(100) for _ in range(200)):
        body = body_of(token)
        assert body == body_of(token)
        assert LEAST_MS <= round_of(token) < MOST_MS
        assert body["proof"]["checksum"] == checksum(token, body["proof"]["completionTime"])
        assert len(digest(token)) == 64


PEOPLE = [Person(number, "") for number in range(20)]
Reply = tuple[int, dict[str, object]]


class _Handler(BaseHTTPRequestHandler):
    """Gives tokens away, and answers to completions as its server is told; `None` is no answer at all."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        token = {"actionToken": secrets.token_urlsafe(80)}
        reply = self.server.completed() if self.path.endswith("/complete") else (200, token)  # type: ignore[attr-defined]
        if reply is None:
            self.rfile.read(1)  # Until the client gives up.
            return
        body = json.dumps(reply[1]).encode()
        self.send_response(reply[0])
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def server(completed: Callable[[], Reply | None]) -> Iterator[str]:
    """Something that answers as a Fairboard would, or should not."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as listening:
        listening.completed = completed  # type: ignore[attr-defined]
        thread = threading.Thread(target=listening.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.server_port}"
        finally:
            listening.shutdown()
            thread.join()


def _load(url: str, **more: object) -> Load:
    return Load([url], PEOPLE, 1, Plan(seats=2, followers=0), **more)  # type: ignore[arg-type]


def test_whoever_never_learns_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Answered that it is away, or not answered at all: they ask until there is no time left."""
    monkeypatch.setattr(loads, "SETTLE_SECONDS", 0.5)
    monkeypatch.setattr(loads, "FORGIVE_SECONDS", 0.2)
    for reply in ((503, {"code": "SERVICE_UNAVAILABLE"}), None):
        with server(lambda reply=reply: reply) as url, _load(url, timeout=0.3) as load:  # type: ignore[misc]
            assert until(lambda: len(load.history.attempts) > 1, 20) is not None
            load.settle()
        assert {attempt.token for attempt in load.history.attempts} <= load.history.pending.keys()
        assert set(load.history.pending.values()) <= {person.user_id for person in PEOPLE}


def test_settling_ends_when_all_have_learned_and_limits_are_lifted_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first attempts leave them in doubt, and then they are told to wait, until somebody forgives them."""
    monkeypatch.setattr(loads, "FORGIVE_SECONDS", 0.2)
    forgiven: list[list[int]] = []

    def completed() -> Reply:
        if not load.history.attempts:
            return 503, {"code": "SERVICE_UNAVAILABLE"}
        return (200, {"newScore": 100}) if len(forgiven) > 3 else (429, {"code": "RATE_LIMIT_EXCEEDED"})

    with server(completed) as url, _load(url, on_settle=lambda players: forgiven.append(list(players))) as load:
        assert until(lambda: bool(load.history.attempts), 20) is not None
        load.settle()
        assert load.count() >= 1
    assert not load.history.pending
    assert any(forgiven[0])


def test_requests_are_timed_and_an_answer_is_waited_for_beyond_its_bound() -> None:
    with server(lambda: None) as url, _load(url, timeout=0.5) as load:
        assert until(lambda: bool(load.history.attempts), 20) is not None
    assert {request.status for request in load.history.requests} == {200}
    assert 0.5 <= load.history.attempts[0].seconds < 5
    assert load.history.slowest() >= 0.5
