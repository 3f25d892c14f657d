"""Which pages of other origins may read what. Browsers enforce it; here is what they are told."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.support.players import Player
from tests.support.problems import assert_problem
from tests.support.stack import Stack, Web

GAME = "https://game.example"
STRANGERS = (
    "https://evil.example",
    "null",
    "https://game.example.evil.example",
    "http://game.example",
    f"{GAME}/",
    "*",
)
ALLOW = "Access-Control-Allow-Origin"
CLIENT = ("/fairboard.js", "/static/fairboard/fairboard.js", "/static/fairboard/fairboard.d.ts")


@pytest.fixture(scope="module")
def web(stack: Stack) -> Iterator[Web]:
    """A server that lets two other origins in."""
    with stack.another_web(ALLOWED_ORIGINS=f"{GAME}, http://localhost:3000") as server:
        yield server


@pytest.fixture(scope="module")
def http(web: Web) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=web.url, timeout=20, trust_env=False) as client:
        yield client


def preflight(http: httpx.Client, path: str, origin: str, method: str = "POST") -> httpx.Response:
    asked = {"Access-Control-Request-Method": method, "Access-Control-Request-Headers": "authorization,content-type"}
    return http.options(path, headers={"Origin": origin, **asked})


def readable(answer: httpx.Response, origin: str = GAME) -> bool:
    """Whether the answer says that pages of the origin may read it, in the one way that we say it."""
    exposed = answer.headers.get("Access-Control-Expose-Headers")
    return (
        answer.headers.get_list(ALLOW) == [origin]
        and exposed == "Retry-After, X-Cache, X-Correlation-Id, X-Request-Id"
        and "Origin" in answer.headers.get_list("Vary", split_commas=True)
        and "Access-Control-Allow-Credentials" not in answer.headers
    )


@pytest.mark.parametrize("path", ["/api/auth/login", "/api/actions/complete", "/api/me", "/nowhere"])
def test_a_preflight_of_an_origin_on_the_list_is_granted(http: httpx.Client, path: str) -> None:
    answer = preflight(http, path, GAME)
    assert (answer.status_code, answer.content) == (204, b"")
    assert readable(answer)
    assert answer.headers["Access-Control-Allow-Methods"] == "GET, POST"
    assert answer.headers["Access-Control-Allow-Headers"] == "Authorization, Content-Type"
    assert int(answer.headers["Access-Control-Max-Age"]) > 0
    assert readable(preflight(http, path, "http://localhost:3000"), "http://localhost:3000")


@pytest.mark.parametrize("origin", STRANGERS)
def test_strangers_are_granted_nothing(http: httpx.Client, player: Player, origin: str) -> None:
    for answer in (
        preflight(http, "/api/auth/login", origin),
        http.get("/api/me", headers={**player.headers, "Origin": origin}),
    ):
        assert not [name for name in answer.headers if name.startswith("access-control-")]
        assert answer.headers["Vary"] == "Origin"


def test_an_options_call_that_is_no_preflight_is_what_it_was(http: httpx.Client) -> None:
    answer = http.options("/api/me", headers={"Origin": GAME})
    assert answer.status_code == 200
    assert set(answer.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS"}


def test_answers_are_readable_and_so_are_all_kinds_of_refusals(http: httpx.Client, player: Player) -> None:
    origin = {"Origin": GAME}
    mine = {**player.headers, **origin}
    board = http.get("/api/leaderboard", headers=mine)
    assert board.headers["X-Cache"]
    assert readable(board)
    assert readable(http.post("/api/auth/logout", headers=mine))
    for answer, status, code in (
        (http.get("/api/me", headers=mine), 401, "INVALID_TOKEN"),
        (http.get("/api/nothing", headers=origin), 404, "NOT_FOUND"),
        (http.get("/api/auth/login", headers=origin), 405, "METHOD_NOT_ALLOWED"),
        (http.post("/api/auth/login", headers=origin, content=b"{"), 415, "UNSUPPORTED_MEDIA_TYPE"),
        (http.post("/api/auth/login", headers=origin, json={}), 400, "VALIDATION_ERROR"),
        (http.post("/api/auth/login", headers=origin, json={"username": "x" * 20_000}), 413, "PAYLOAD_TOO_LARGE"),
    ):
        assert_problem(answer, status, code)
        assert readable(answer), code


def test_an_answer_without_an_origin_still_says_what_it_depends_on(http: httpx.Client) -> None:
    answer = http.get("/healthz")
    assert answer.headers["Vary"] == "Origin"
    assert ALLOW not in answer.headers


@pytest.mark.parametrize("path", CLIENT)
def test_every_page_may_load_the_client(stack: Stack, http: httpx.Client, path: str) -> None:
    for base in (stack.url, str(http.base_url)):
        first = httpx.get(f"{base}{path}", headers={"Origin": "https://anybody.example"}, trust_env=False)
        etag = {"If-None-Match": first.headers["ETag"], "Origin": GAME}
        again = httpx.get(f"{base}{path}", headers=etag, trust_env=False)
        assert (first.status_code, again.status_code) == (200, 304)
        for answer in (first, again):
            assert answer.headers.get_list(ALLOW) == ["*"]
            assert answer.headers.get_list("Cross-Origin-Resource-Policy") == ["cross-origin"]
            assert "Access-Control-Allow-Credentials" not in answer.headers


def test_the_short_address_serves_the_client(stack: Stack) -> None:
    short, long = (httpx.get(stack.url + path, trust_env=False) for path in CLIENT[:2])
    assert short.content == long.content
    assert short.headers["Content-Type"].startswith(("text/javascript", "application/javascript"))


@pytest.mark.parametrize("path", ["/", "/static/style.css", "/api/docs", "/api/me", "/healthz", "/static/fairboard"])
def test_nothing_else_is_for_all(stack: Stack, path: str) -> None:
    for headers in ({"Origin": GAME}, {"Origin": stack.url}, {}):
        answer = httpx.get(stack.url + path, headers=headers, trust_env=False)
        assert ALLOW not in answer.headers
        assert "Vary" not in answer.headers
        assert answer.headers.get_list("Cross-Origin-Resource-Policy") == ["same-origin"]
