"""The sliding limits, and what happens when many requests come at the same moment."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Barrier

import httpx
import pytest

from tests.support.players import Player, completion_body, crowd
from tests.support.problems import assert_problem
from tests.support.stack import Stack

Newcomer = Callable[[], Player]
LIMITS = ((10, 60), (100, 3_600), (500, 86_400))


def calls(stack: Stack, player: Player, kind: str) -> int:
    return int(str(stack.resources().redis.llen(f"ratelimit:{{{player.user_id}}}:{kind}")))


def call(player: Player, kind: str) -> httpx.Response:
    if kind == "request":
        return player.post("/api/actions/request", {"actionType": "reaction"})
    return player.complete("nonsense")


@pytest.mark.parametrize("kind", ["request", "complete"])
def test_the_eleventh_call_in_a_minute_is_refused_and_does_not_count(stack: Stack, player: Player, kind: str) -> None:
    statuses = [call(player, kind).status_code for _ in range(10)]
    assert 429 not in statuses
    for _ in range(3):
        refused = call(player, kind)
        assert_problem(refused, 429, "RATE_LIMIT_EXCEEDED")
        assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert calls(stack, player, kind) == 10


def test_each_call_and_each_player_has_its_own_account(newcomer: Newcomer) -> None:
    busy, other = newcomer(), newcomer()
    for _ in range(11):
        call(busy, "request")
    assert call(busy, "request").status_code == 429
    assert call(busy, "complete").status_code == 400
    assert call(other, "request").status_code == 200


def test_both_ways_to_complete_share_one_account(player: Player) -> None:
    for _ in range(10):
        call(player, "complete")
    assert_problem(player.once("quiz", {"answer": "redis"}), 429, "RATE_LIMIT_EXCEEDED")


@pytest.mark.parametrize(("limit", "seconds"), LIMITS)
def test_the_window_slides(stack: Stack, player: Player, limit: int, seconds: int) -> None:
    """Earlier calls are written into the past: the oldest falls out of the window, the second oldest does not yet."""
    key = f"ratelimit:{{{player.user_id}}}:request"
    redis = stack.resources().redis
    now = int(redis.time()[0]) * 1_000_000
    gap = max(seconds // limit, 6) * 1_000_000
    spread = [now - (seconds - 30) * 1_000_000 + i * min(gap, 50_000) for i in range(limit)]
    redis.rpush(key, *spread)
    refused = call(player, "request")
    assert_problem(refused, 429, "RATE_LIMIT_EXCEEDED")
    assert 1 <= int(refused.headers["Retry-After"]) <= seconds
    redis.lset(key, 0, str(now - (seconds + 1) * 1_000_000))
    assert call(player, "request").status_code == 200
    assert call(player, "request").status_code == 429


@pytest.mark.parametrize("kind", ["request", "complete"])
def test_the_limit_is_exact_when_forty_come_at_once(stack: Stack, player: Player, kind: str) -> None:
    answers = at_once(40, lambda: call(player, kind))
    assert Counter(answer.status_code == 429 for answer in answers) == {False: 10, True: 30}
    assert calls(stack, player, kind) == 10


def test_two_hundred_posts_of_one_token_give_one_completion(stack: Stack, player: Player) -> None:
    body = completion_body(player.ripe_token())
    answers = at_once(200, lambda: player.post("/api/actions/complete", body))
    codes = Counter(answer.json().get("code", "OK") for answer in answers)
    assert codes["OK"] == 1
    assert codes["TOKEN_ALREADY_USED"] == 9
    assert codes["RATE_LIMIT_EXCEEDED"] == 190
    entries = stack.ask("SELECT count(*), sum(points) FROM ledger_entries WHERE user_id = %s", (player.user_id,))
    assert [tuple(map(int, map(str, row))) for row in entries] == [(1, 100)]


def test_two_completions_of_one_player_at_once_both_count(stack: Stack) -> None:
    players = crowd(stack, 4)
    for player in players:
        bodies = [completion_body(player.ripe_token()) for _ in range(8)]
        answers = at_once(8, partial(complete_one_of, player, bodies))
        assert [answer.status_code for answer in answers] == [200] * 8
        assert player.get("/api/me").json()["score"] == 800
    players[0].close()
    stack.wait_until_quiet()
    assert stack.differences() == []


def test_a_once_action_counts_once_when_many_come_at_once(stack: Stack, player: Player) -> None:
    answers = at_once(10, lambda: player.once("referral", {"code": "ABCD-1234"}))
    codes = Counter(answer.json().get("code", "OK") for answer in answers)
    assert codes == {"OK": 1, "ACTION_ALREADY_COMPLETED": 9}
    assert player.get("/api/me").json()["score"] == 150


def test_a_username_is_taken_once_when_many_come_at_once(stack: Stack) -> None:
    from tests.support.players import PASSWORD, new_name  # noqa: PLC0415

    name = new_name()
    with httpx.Client(base_url=stack.url, timeout=30, trust_env=False) as client:
        names = [name, name.upper(), name.title()] * 3
        answers = at_once(
            9, lambda: client.post("/api/auth/register", json={"username": names.pop(), "password": PASSWORD})
        )
    assert Counter(answer.status_code for answer in answers) == {201: 1, 409: 8}


def test_a_refresh_token_is_spent_once_when_many_come_at_once(stack: Stack, player: Player) -> None:
    headers = {"Authorization": f"Bearer {player.refresh}"}
    answers = at_once(10, lambda: player.http.post("/api/auth/refresh", headers=headers))
    assert Counter(answer.status_code for answer in answers) == {200: 1, 401: 9}


def complete_one_of(player: Player, bodies: list[dict[str, object]]) -> httpx.Response:
    return player.post("/api/actions/complete", bodies.pop())


def at_once(number: int, act: Callable[[], httpx.Response]) -> list[httpx.Response]:
    """Do something from many threads, as many of them at the same moment as connections allow."""
    width = min(number, 50)
    start = Barrier(width)

    def task(index: int) -> httpx.Response:
        if index < width:
            start.wait(30)
        return act()

    with ThreadPoolExecutor(width) as pool:
        return list(pool.map(task, range(number)))
