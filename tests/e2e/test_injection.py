"""Text that is code elsewhere (SQL, Lua, keys of Redis, our own separators) is only text here, all the way round."""

from __future__ import annotations

import secrets

import httpx
import pytest

from tests.support.players import PASSWORD, log_in, sign_up
from tests.support.problems import assert_problem
from tests.support.sockets import Wire
from tests.support.stack import Stack

NAMES = [
    "'; DROP TABLE users; --",
    "x' OR '1'='1",
    '") RETURNING id --',
    "$1 %s %(name)s :key {0}",
    "%n%n%x{}{{}}${7*7}",
    "{global}:standings",
    "active|admin|root",
    "-ACCOUNT_SUSPENDED",
    "+active|admin|x",
    "]] redis.call('FLUSHALL') --",
    "<script>alert(1)</script>",
    '","score":999999,"x":"',
    "\\u0022\\x22\\",
    "=cmd|' /C calc'!A0",
]


@pytest.fixture(scope="module")
def said_before(stack: Stack) -> int:
    """How much the web server's log held before anything of this happened."""
    return len(stack.web.text())


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    """A name that nobody else on the stack has."""
    return f"{request.param}{secrets.token_hex(2)}"


@pytest.mark.usefixtures("said_before")
def test_a_name_is_only_a_name(stack: Stack, name: str) -> None:
    """Through PostgreSQL, the session's cache, the board's scripts, JSON and a frame, it comes back as it was."""
    stack.ask("DELETE FROM outbox WHERE false")  # The tables are there.
    player = sign_up(stack, name=name)
    for _ in range(2):  # The second time it comes out of the cache.
        me = player.get("/api/me").json()
        assert (me["username"], me["role"], me["status"]) == (name, "player", "active")
    assert_problem(player.get("/api/review/cases"), 403, "FORBIDDEN")
    player.climb()
    board = player.get("/api/leaderboard").json()["leaderboard"]
    assert [row["username"] for row in board if row["userId"] == player.user_id] == [name]
    with Wire(stack, player.access) as wire:
        wire.expect("connected")
        shown = wire.join()["leaderboard"]
    assert [row["username"] for row in shown if row["userId"] == player.user_id] == [name]
    again = log_in(stack, name)
    assert again.user_id == player.user_id
    again.close()
    player.close()


@pytest.mark.parametrize("text", ["' OR '1'='1", "' OR 1=1 --", "\\", "%", "_%", "admin'--", "x' UNION SELECT 1 --"])
def test_a_name_that_is_a_condition_finds_nobody(stack: Stack, text: str) -> None:
    answer = httpx.post(
        f"{stack.url}/api/auth/login", json={"username": text, "password": PASSWORD}, timeout=20, trust_env=False
    )
    assert_problem(answer, 401, "INVALID_CREDENTIALS")


def test_nothing_of_this_did_anything(stack: Stack, said_before: int) -> None:
    stack.wait_until_quiet()
    assert stack.differences() == []
    like = [name.replace("\\", "\\\\").replace("%", "\\%") + "%" for name in NAMES]
    assert stack.ask("SELECT count(*) FROM users WHERE username LIKE ANY (%s)", (like,)) != [(0,)]
    assert stack.ask("SELECT count(*) FROM users WHERE role <> 'player' AND username LIKE ANY (%s)", (like,)) == [(0,)]
    assert "Traceback" not in stack.web.text()[said_before:]
