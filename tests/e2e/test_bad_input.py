"""Bad input to every call: the documented problem, never a 500, never a look inside."""

from __future__ import annotations

import gzip
import json
import socket
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, NamedTuple

import httpx
import pytest

from tests.support.players import PASSWORD, Player, new_name
from tests.support.problems import INSIDE, PLAIN, assert_problem
from tests.support.stack import Stack

JSON = {"Content-Type": "application/json"}


class Call(NamedTuple):
    """A call with a body, and one body that is good in form."""

    path: str
    body: dict[str, Any]
    who: str = "player"


CALLS = (
    Call("/api/auth/register", {"username": "ada-of-the-matrix", "password": PASSWORD}, "nobody"),
    Call("/api/auth/login", {"username": "ada-of-the-matrix", "password": "wrong on purpose"}, "nobody"),
    Call("/api/actions/request", {"actionType": "reaction"}),
    Call(
        "/api/actions/complete",
        {"actionToken": "token", "proof": {"completionTime": 1_500, "checksum": "0" * 64}, "data": {"a": 1}},
    ),
    Call("/api/action/complete", {"actionId": "quiz", "data": {"answer": "redis"}}),
    Call("/api/review/cases/1/decision", {"decision": "clear", "note": "because"}, "analyst"),
)

VALUES: dict[str, str] = {
    "null": "null",
    "true": "true",
    "one": "1",
    "zero": "0",
    "minus zero": "-0",
    "minus zero with a fraction": "-0.0",
    "float": "1.5",
    "float without a fraction": "1000.0",
    "exponent": "1e3",
    "beyond a double": "1e400",
    "minus beyond a double": "-1e400",
    "beyond what JSON can be sure of": str(2**53),
    "beyond 64 bits": str(2**64),
    "thousand digits": "9" * 1_000,
    "five thousand digits": "9" * 5_000,
    "NaN": "NaN",
    "Infinity": "Infinity",
    "leading zero": "01",
    "hexadecimal": "0x10",
    "text": '"text"',
    "number in a text": '"1500"',
    "empty text": '""',
    "spaces": '"   "',
    "nul": '"a\\u0000b"',
    "half a pair": '"a\\ud800b"',
    "the other half": '"\\udc00"',
    "right to left": '"a\\u202eb"',
    "line break": '"a\\nb"',
    "unescaped line break": '"a\nb"',
    "quotes": '"\'; DROP TABLE users; --"',
    "script": '"<script>alert(1)</script>"',
    "template": '"{{7*7}} ${7*7} %s %(x)s"',
    "long text": json.dumps("x" * 12_000),
    "emoji": '"👩‍🚀"',
    "list": "[]",
    "list of itself": '["reaction"]',
    "object": "{}",
    "object with a type": '{"$type": "x", "__proto__": {}}',
    "deep list": "[" * 500 + "]" * 500,
    "deep object": '{"a":' * 500 + "1" + "}" * 500,
    "deeper than Python goes": "[" * 7_000 + "]" * 7_000,
}

NEVER_JSON = {"NaN", "Infinity", "beyond a double", "minus beyond a double", "nul", "half a pair", "the other half"} | {
    "leading zero",
    "hexadecimal",
    "unescaped line break",
}
"""No field takes these, wherever it is: they are not JSON, or not what PostgreSQL and UTF-8 can keep."""
NEVER_A_FIELD = {"null", "true", "one", "minus zero", "float", "list", "deep list"}
"""No field at the top of a body takes these; `data` may hold anything that is JSON."""

BODIES: dict[str, bytes] = {
    "empty": b"",
    "space": b" ",
    "null": b"null",
    "number": b"1",
    "text": b'"text"',
    "list": b"[]",
    "list of objects": b"[{}]",
    "no fields": b"{}",
    "open": b"{",
    "opens without end": b"[" * 15_000,
    "opens objects without end": b'{"a":' * 3_000,
    "trailing comma": b'{"username":"ada",}',
    "single quotes": b"{'username':'ada'}",
    "comment": b'{}//{"a":1}',
    "two values": b"{}{}",
    "not UTF-8": b'{"username":"\xff\xfe"}',
    "overlong UTF-8": b'{"username":"\xc0\xaf"}',
    "half a pair as UTF-8": b'{"username":"\xed\xa0\x80"}',
    "cut letter": b'{"username":"\xe2\x98"}',
    "byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": '{"username":"ada"}'.encode("utf-16"),
    "UTF-32": '{"username":"ada"}'.encode("utf-32"),
    "nul bytes": b"\0" * 100,
    "nul inside": b'{"username":"a\0b"}',
    "gzip": gzip.compress(b'{"username":"ada"}'),
    "form": b"username=ada&password=x",
    "xml": b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>',
    "random": bytes(range(256)),
}


@pytest.fixture(scope="module")
def people(stack: Stack, analyst: Player) -> Iterator[dict[str, dict[str, str]]]:
    """Headers by who calls. The player is a fresh one, whose limits nobody has used."""
    from tests.support.players import sign_up  # noqa: PLC0415

    player = sign_up(stack)
    yield {"player": player.headers, "analyst": analyst.headers, "nobody": {}}
    player.close()


@pytest.fixture(scope="module")
def http(stack: Stack) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=stack.url, timeout=20, trust_env=False) as client:
        yield client


def send(
    http: httpx.Client, call: Call, people: dict[str, dict[str, str]], body: bytes, **headers: str
) -> httpx.Response:
    return http.post(call.path, content=body, headers={**people[call.who], **JSON, **headers})


def replaced(body: dict[str, Any], path: tuple[str, ...], raw: str) -> bytes:
    """The body as JSON with one value replaced by raw text."""
    mark = "@@value@@"
    copy = json.loads(json.dumps(body))
    inner = copy
    for name in path[:-1]:
        inner = inner[name]
    inner[path[-1]] = mark
    return json.dumps(copy).replace(f'"{mark}"', raw).encode()


def fields(body: dict[str, Any], prefix: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The path of every field, objects and what is in them."""
    for name, value in body.items():
        yield (*prefix, name)
        if isinstance(value, dict):
            yield from fields(value, (*prefix, name))


def assert_refused(answer: httpx.Response, what: str) -> None:
    """A problem of the client's making, or an answer: never ours."""
    assert answer.status_code < 500, (what, answer.text)
    assert not [word for word in INSIDE if word in answer.text], (what, answer.text)
    if answer.status_code >= 400:
        assert answer.headers["Content-Type"] == "application/problem+json", what
        assert set(answer.json()) - {"errors"} == PLAIN, what


def no_limits(stack: Stack) -> None:
    """The matrix calls more often than players and login names may; the limits have tests of their own."""
    redis = stack.resources().redis
    for key in redis.scan_iter("ratelimit:*"):
        redis.delete(key)


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.path)
def test_every_value_of_every_field(
    stack: Stack, http: httpx.Client, people: dict[str, dict[str, str]], call: Call
) -> None:
    """Each field of each body with each value. What a field takes is refused later or answered; nothing falls over."""
    for path in fields(call.body):
        no_limits(stack)
        for index, (name, raw) in enumerate(VALUES.items()):
            if index % 8 == 0:
                no_limits(stack)
            answer = send(http, call, people, replaced(call.body, path, raw))
            what = f"{'.'.join(path)} = {name}"
            assert_refused(answer, what)
            if name in NEVER_JSON or (name in NEVER_A_FIELD and len(path) < 2):
                assert answer.json()["code"] == "VALIDATION_ERROR", what


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.path)
def test_every_broken_body(stack: Stack, http: httpx.Client, people: dict[str, dict[str, str]], call: Call) -> None:
    no_limits(stack)
    for name, body in BODIES.items():
        answer = send(http, call, people, body)
        assert_problem(answer, 400, "VALIDATION_ERROR")
        assert_refused(answer, name)


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.path)
def test_missing_unknown_and_doubled_fields(
    stack: Stack, http: httpx.Client, people: dict[str, dict[str, str]], call: Call
) -> None:
    no_limits(stack)
    for name in call.body:
        if name == "data" and call.path == "/api/actions/complete":
            continue  # The one field that may be absent.
        rest = {other: value for other, value in call.body.items() if other != name}
        problem = assert_problem(send(http, call, people, json.dumps(rest).encode()), 400, "VALIDATION_ERROR")
        assert name in problem["errors"]
    more = json.dumps(call.body | {"isAdmin": True}).encode()
    problem = assert_problem(send(http, call, people, more), 400, "VALIDATION_ERROR")
    assert "isAdmin" in problem["errors"]
    name, value = next(iter(call.body.items()))
    doubled = json.dumps(call.body)[:-1] + f", {json.dumps(name)}: {json.dumps(value)}}}"
    assert_problem(send(http, call, people, doubled.encode()), 400, "VALIDATION_ERROR")


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.path)
def test_wrong_and_strange_headers(
    stack: Stack, http: httpx.Client, people: dict[str, dict[str, str]], call: Call
) -> None:
    no_limits(stack)
    good = json.dumps(call.body).encode()
    for kind in (
        "text/plain",
        "application/json-seq",
        "multipart/form-data; boundary=x",
        "application/x-www-form-urlencoded",
    ):
        answer = http.post(call.path, content=good, headers={**people[call.who], "Content-Type": kind})
        assert_problem(answer, 415, "UNSUPPORTED_MEDIA_TYPE")
    squeezed = send(http, call, people, gzip.compress(good), **{"Content-Encoding": "gzip"})
    assert_problem(squeezed, 415, "UNSUPPORTED_MEDIA_TYPE")
    disguised = send(http, call, people, good, **{"Content-Encoding": "gzip"})
    assert_problem(disguised, 415, "UNSUPPORTED_MEDIA_TYPE")
    no_limits(stack)
    for headers in (
        {"Content-Type": "application/json; charset=utf-16"},
        {"Accept": "text/html"},
        {"Accept-Encoding": "nonsense;q=9"},
        {"X-Correlation-Id": "a\tb" * 50},
        {"X-Forwarded-For": "'; DROP TABLE users"},
        {"Cookie": "session=" + "x" * 2_000},
    ):
        assert_refused(send(http, call, people, good, **headers), str(headers))


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.path)
def test_a_body_over_the_limit(http: httpx.Client, people: dict[str, dict[str, str]], call: Call) -> None:
    for size in (20_000, 300_000):
        assert_problem(send(http, call, people, b"{" + b" " * size + b"}"), 413, "PAYLOAD_TOO_LARGE")


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.path)
def test_a_body_in_chunks(stack: Stack, http: httpx.Client, people: dict[str, dict[str, str]], call: Call) -> None:
    no_limits(stack)

    def chunks(body: bytes) -> Iterator[bytes]:
        for start in range(0, len(body), 7):
            yield body[start : start + 7]

    headers = {**people[call.who], **JSON}
    answer = http.post(call.path, content=chunks(json.dumps(call.body).encode()), headers=headers)
    assert_refused(answer, "good")
    assert answer.status_code not in {411, 413, 415}
    assert_problem(http.post(call.path, content=chunks(b"{"), headers=headers), 400, "VALIDATION_ERROR")
    large = http.post(call.path, content=chunks(b"{" + b" " * 40_000 + b"}"), headers=headers)
    assert_problem(large, 413, "PAYLOAD_TOO_LARGE")


USERNAMES = ["ab", "x" * 33, " ada", "ada ", "a  b", "a\tb", "a\nb", "a\u200bb", "a\u202eb", "\u0378abc", "", " " * 5]


@pytest.mark.parametrize("username", USERNAMES, ids=ascii)
def test_usernames_that_are_refused(stack: Stack, http: httpx.Client, username: str) -> None:
    no_limits(stack)
    answer = http.post("/api/auth/register", json={"username": username, "password": PASSWORD})
    problem = assert_problem(answer, 400, "VALIDATION_ERROR")
    assert list(problem["errors"]) == ["username"]


@pytest.mark.parametrize("password", ["short", "x" * 257, "password", "aaaaaaaaaaaa", "x" * 5_000])
def test_passwords_that_are_refused(http: httpx.Client, password: str) -> None:
    answer = http.post("/api/auth/register", json={"username": new_name(), "password": password})
    problem = assert_problem(answer, 400, "VALIDATION_ERROR")
    assert list(problem["errors"]) == ["password"]


@pytest.mark.parametrize(
    "password",
    ["pass word with spaces", "пароль из букв", "密码是一个很长的句子", "👩‍🚀🔑🚪🏠👩‍🚀🔑🚪🏠", "a\tb\x01c\x7fdefgh"],
)
def test_passwords_of_any_characters(http: httpx.Client, password: str) -> None:
    account = {"username": new_name(), "password": password}
    assert http.post("/api/auth/register", json=account).status_code == 201
    assert http.post("/api/auth/login", json=account).status_code == 200


@pytest.mark.parametrize(
    "query", ["limit=1&limit=2", "limit=1&x=1", "x", "%00", "limit=%00", "limit=%FF", "limit[]=1", "&&&=", "?"]
)
def test_queries_that_are_refused(
    stack: Stack, http: httpx.Client, people: dict[str, dict[str, str]], query: str
) -> None:
    answer = http.get(f"/api/leaderboard?{query}", headers=people["player"])
    assert_refused(answer, query)
    assert answer.status_code in {200, 400}


LOGIN = b"POST /api/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
RAW = {
    "no host": b"GET /healthz HTTP/1.1\r\n\r\n",
    "not HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "a line without end": b"GET /" + b"a" * 20_000,
    "too many headers": b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 200 + b"\r\n",
    "a huge header": b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"b" * 70_000 + b"\r\n\r\n",
    "two lengths": LOGIN + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    "length and chunks": LOGIN + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "negative length": LOGIN + b"Content-Length: -1\r\n\r\n",
    "bad chunk": LOGIN + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    "strange expectation": LOGIN + b"Expect: 200-ok\r\nContent-Length: 2\r\n\r\n{}",
    "unknown method": b"BREW /api/me HTTP/1.1\r\nHost: x\r\n\r\n",
    "unknown version": b"GET / HTTP/9.9\r\nHost: x\r\n\r\n",
    "nul in the path": b"GET /\0 HTTP/1.1\r\nHost: x\r\n\r\n",
    "nul in a header": b"GET / HTTP/1.1\r\nHost: x\r\nA: \0\r\n\r\n",
    "path out of the folder": b"GET /static/../../../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n",
    "bytes in the path": b"GET /\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n",
    "absolute address": b"GET http://evil.example/ HTTP/1.1\r\nHost: x\r\n\r\n",
    "a body that never comes": LOGIN + b"Content-Length: 9\r\n\r\n{",
}


@pytest.mark.parametrize("case", RAW)
def test_requests_against_http_itself(stack: Stack, case: str) -> None:
    with socket.create_connection(("127.0.0.1", stack.port), timeout=10) as raw:
        raw.sendall(RAW[case])
        with suppress(OSError):  # The server may have hung up already.
            raw.shutdown(socket.SHUT_WR)
        try:
            answer = raw.recv(65_536)
        except ConnectionError:
            answer = b""
    assert b"Traceback" not in answer
    assert b"root:" not in answer
    if answer:
        assert answer.startswith(b"HTTP/1.")
        assert int(answer.split(b" ")[1]) < 600
        assert int(answer.split(b" ")[1]) in {501, 505} or int(answer.split(b" ")[1]) < 500, answer


def test_nothing_of_this_was_unexpected(stack: Stack) -> None:
    """Whatever this file has sent so far, no worker logged a stack trace over it."""
    log = stack.web.text()
    assert "unexpected" not in log, log[-4_000:]
    assert "Traceback" not in log, log[-4_000:]
