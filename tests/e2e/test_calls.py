"""Every call of the HTTP interface, as a client sees it when all goes well: exact fields, types and headers."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from redis import Redis

from tests.support.players import PASSWORD, Player, fill_board, log_in, new_name
from tests.support.problems import assert_problem
from tests.support.stack import Stack, wait_for

Newcomer = Callable[[], Player]
SECONDS = timedelta(seconds=1)


def assert_fields(body: object, **types: type | tuple[type, ...]) -> None:
    """The body has exactly these fields of exactly these types: `true` is no number here."""
    assert isinstance(body, dict)
    assert set(body) == set(types), body
    for name, kinds in types.items():
        assert type(body[name]) in (kinds if isinstance(kinds, tuple) else (kinds,)), (name, body[name])


def rfc3339(text: str) -> datetime:
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", text), text
    return datetime.fromisoformat(text)


def post(stack: Stack, path: str, body: object = None, bearer: str = "") -> httpx.Response:
    headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
    return httpx.post(stack.url + path, json=body, headers=headers, timeout=20, trust_env=False)


# POST /api/auth/register, login, refresh, logout


def test_register(stack: Stack) -> None:
    name = new_name()
    answer = post(stack, "/api/auth/register", {"username": name, "password": PASSWORD})
    assert answer.status_code == 201
    assert_fields(answer.json(), userId=int, username=str)
    assert answer.json()["username"] == name
    assert answer.headers["Content-Type"] == "application/json"


def test_login(stack: Stack, player: Player) -> None:
    answer = post(stack, "/api/auth/login", {"username": player.username, "password": PASSWORD})
    assert answer.status_code == 200
    body = answer.json()
    assert_fields(body, accessToken=str, refreshToken=str, expiresIn=int, userId=int, username=str, role=str)
    assert (body["userId"], body["username"], body["role"]) == (player.user_id, player.username, "player")
    assert body["expiresIn"] == stack.settings.access_token_seconds
    assert answer.headers["Cache-Control"] == "no-store"


def test_login_by_another_case(stack: Stack, player: Player) -> None:
    answer = post(stack, "/api/auth/login", {"username": player.username.upper(), "password": PASSWORD})
    assert answer.status_code == 200
    assert answer.json()["username"] == player.username


def test_refresh_spends_the_refresh_token(stack: Stack, player: Player) -> None:
    answer = post(stack, "/api/auth/refresh", bearer=player.refresh)
    assert answer.status_code == 200
    body = answer.json()
    assert_fields(body, accessToken=str, refreshToken=str, expiresIn=int)
    assert body["refreshToken"] != player.refresh
    assert_problem(post(stack, "/api/auth/refresh", bearer=player.refresh), 401, "INVALID_TOKEN")
    player.access = body["accessToken"]
    assert player.get("/api/me").status_code == 200
    assert post(stack, "/api/auth/refresh", bearer=body["refreshToken"]).status_code == 200


def test_logout_kills_access_and_refresh_for_good(stack: Stack, player: Player) -> None:
    answer = player.post("/api/auth/logout")
    assert (answer.status_code, answer.content) == (204, b"")
    assert_problem(player.get("/api/me"), 401, "INVALID_TOKEN")
    assert_problem(post(stack, "/api/auth/refresh", bearer=player.refresh), 401, "INVALID_TOKEN")


def test_logout_outlives_a_flush_of_redis(stack: Stack, newcomer: Newcomer) -> None:
    gone, stays = newcomer(), newcomer()
    gone.post("/api/auth/logout")
    with Redis.from_url(stack.settings.redis_url) as redis:
        redis.flushall()
    assert_problem(gone.get("/api/me"), 401, "INVALID_TOKEN")
    assert_problem(post(stack, "/api/auth/refresh", bearer=gone.refresh), 401, "INVALID_TOKEN")
    assert_problem(gone.post("/api/actions/request", {"actionType": "reaction"}), 401, "INVALID_TOKEN")
    assert stays.get("/api/me").status_code == 200
    stack.wait_until_quiet()


def test_logout_of_one_session_leaves_the_others(stack: Stack, player: Player) -> None:
    other = log_in(stack, player.username)
    player.post("/api/auth/logout")
    assert other.get("/api/me").status_code == 200
    other.close()


# GET /api/me


def test_me_before_the_first_point(player: Player) -> None:
    answer = player.get("/api/me")
    assert answer.status_code == 200
    assert_fields(answer.json(), userId=int, username=str, role=str, status=str, score=int, rank=type(None))
    assert answer.json() == {
        "userId": player.user_id,
        "username": player.username,
        "role": "player",
        "status": "active",
        "score": 0,
        "rank": None,
    }


def test_me_after_a_completion(player: Player) -> None:
    earned = player.play().json()
    me = player.get("/api/me").json()
    assert_fields(me, userId=int, username=str, role=str, status=str, score=int, rank=int)
    assert (me["score"], me["rank"]) == (earned["newScore"], earned["rank"])


# GET /api/actions and both ways to complete one


def test_actions(player: Player) -> None:
    answer = player.get("/api/actions")
    assert answer.status_code == 200
    assert_fields(answer.json(), actions=list)
    actions = answer.json()["actions"]
    for action in actions:
        bound = int if action["kind"] == "timed" else type(None)
        assert_fields(action, actionType=str, title=str, kind=str, points=int, minMs=bound, maxMs=bound)
    kinds = [action["kind"] for action in actions]
    assert kinds.count("timed") >= 3
    assert kinds.count("once") >= 3
    timed = [action for action in actions if action["kind"] == "timed"]
    assert len({action["points"] for action in timed}) == len(timed)
    assert (1_000, 300_000) in {(action["minMs"], action["maxMs"]) for action in timed}


def test_request_an_action(player: Player) -> None:
    answer = player.post("/api/actions/request", {"actionType": "reaction"})
    assert answer.status_code == 200
    assert_fields(answer.json(), actionToken=str, expiresAt=str)
    left = rfc3339(answer.json()["expiresAt"]) - datetime.now(UTC)
    assert 290 * SECONDS < left <= 301 * SECONDS
    assert "reaction" not in answer.json()["actionToken"]


def test_complete_a_timed_action(player: Player) -> None:
    """With a second that really passes: the only place where one has to."""
    token = player.request()
    begun = time.monotonic()
    wait_for(lambda: time.monotonic() - begun > 1.05, 5)
    answer = player.complete(token, 1_010)
    assert answer.status_code == 200, answer.text
    assert_fields(answer.json(), newScore=int, scoreIncr=int, rank=int)
    assert (answer.json()["newScore"], answer.json()["scoreIncr"]) == (100, 100)
    assert answer.json()["rank"] >= 1


def test_complete_with_data(player: Player) -> None:
    data = {"naïve": ["☃", 1, -0.5, None, True], "A": {"z": 1, "a": ""}, "big": 2**53}
    assert player.complete(player.ripe_token(), data=data).status_code == 200


@pytest.mark.parametrize("data", [{}, None])
def test_absent_data_counts_as_empty(player: Player, data: dict[str, object] | None) -> None:
    assert player.complete(player.ripe_token(), data=data).status_code == 200


def test_scores_add_up(player: Player) -> None:
    scores = [player.play(action, took).json() for action, took in (("reaction", 1_000), ("typing", 5_000))]
    assert [(score["newScore"], score["scoreIncr"]) for score in scores] == [(100, 100), (350, 250)]


@pytest.mark.parametrize(
    ("action", "data", "points"),
    [("quiz", {"answer": "redis"}, 50), ("guess", {"number": 100}, 25), ("referral", {"code": "ABCD-1234"}, 150)],
)
def test_complete_a_once_action(player: Player, action: str, data: dict[str, object], points: int) -> None:
    answer = player.once(action, data)
    assert answer.status_code == 200, answer.text
    assert_fields(answer.json(), newScore=int, scoreIncr=int, rank=int)
    assert (answer.json()["newScore"], answer.json()["scoreIncr"]) == (points, points)


# GET /api/leaderboard


def assert_board(body: object) -> list[dict[str, object]]:
    assert_fields(body, leaderboard=list, updatedAt=str, version=int)
    assert isinstance(body, dict)
    rfc3339(body["updatedAt"])
    rows: list[dict[str, object]] = body["leaderboard"]
    for place, row in enumerate(rows, start=1):
        assert_fields(row, rank=int, userId=int, username=str, score=int)
        assert row["rank"] == place
    scores = [int(str(row["score"])) for row in rows]
    assert scores == sorted(scores, reverse=True)
    return rows


def test_leaderboard(player: Player) -> None:
    player.play("puzzle")
    answer = player.get("/api/leaderboard")
    assert answer.status_code == 200
    assert answer.headers["X-Cache"] in {"hit", "miss"}
    assert 1 <= len(assert_board(answer.json())) <= 10


@pytest.mark.parametrize("limit", [1, 10, 11, 100])
def test_leaderboard_with_a_limit(stack: Stack, player: Player, limit: int) -> None:
    fill_board(stack)
    rows = assert_board(player.get("/api/leaderboard", params={"limit": limit}).json())
    count = stack.ask("SELECT count(*) FROM standings WHERE score > 0 AND NOT hidden")[0][0]
    assert len(rows) == min(limit, int(str(count)))


@pytest.mark.parametrize("limit", ["0", "101", "-1", "1.5", "ten", "", "1e1", " 1", "1 OR 1=1", "\uff19"])
def test_leaderboard_refuses_other_limits(player: Player, limit: str) -> None:
    problem = assert_problem(player.get("/api/leaderboard", params={"limit": limit}), 400, "VALIDATION_ERROR")
    assert "limit" in problem["errors"]


def test_x_cache_misses_once_then_hits(stack: Stack, player: Player) -> None:
    stack.resources().redis.delete("leaderboard:{global}:top10")
    answers = [player.get("/api/leaderboard") for _ in range(3)]
    assert [answer.headers["X-Cache"] for answer in answers] == ["miss", "hit", "hit"]
    assert answers[0].json() == answers[1].json() == answers[2].json()


def test_the_board_shows_a_completion_at_once(player: Player) -> None:
    player.get("/api/leaderboard")
    player.climb()
    rows = player.get("/api/leaderboard").json()["leaderboard"]
    assert rows[0]["userId"] == player.user_id
    assert rows[0]["score"] == player.get("/api/me").json()["score"]


def test_ties_rank_whoever_was_first_higher(stack: Stack, newcomer: Newcomer) -> None:
    players = [newcomer() for _ in range(3)]
    order = [players[1], players[2], players[0]]
    for someone in order:
        assert someone.play("typing", 5_000).status_code == 200
    ranks = [someone.get("/api/me").json()["rank"] for someone in order]
    assert ranks == sorted(ranks)
    assert len(set(ranks)) == 3
    rows = stack.ask("SELECT user_id FROM standings WHERE score = 250 ORDER BY score DESC, reached_at, user_id")
    ours = [row[0] for row in rows if row[0] in {someone.user_id for someone in order}]
    assert ours == [someone.user_id for someone in order]
    redis = [completion_rank(stack, someone) for someone in order]
    assert redis == ranks


def test_the_board_can_be_public(stack: Stack) -> None:
    with stack.another_web(PUBLIC_BOARD="true") as web, httpx.Client(base_url=web.url, timeout=20) as anybody:
        assert_board(anybody.get("/api/leaderboard").json())
        assert_problem(anybody.get("/api/me"), 401, "UNAUTHORIZED")
    assert_problem(httpx.get(f"{stack.url}/api/leaderboard", trust_env=False), 401, "UNAUTHORIZED")


# Health, metrics, documents, pages


def test_healthz(stack: Stack) -> None:
    assert httpx.get(f"{stack.url}/healthz", trust_env=False).json() == {"status": "ok"}


def test_readyz(stack: Stack) -> None:
    answer = httpx.get(f"{stack.url}/readyz", trust_env=False)
    assert (answer.status_code, answer.json()) == (200, {"status": "ready", "postgresql": True, "redis": True})


def test_metrics_count_what_happens(stack: Stack, player: Player) -> None:
    def counted(series: str) -> float:
        text = httpx.get(f"{stack.url}/metrics", trust_env=False).text
        return sum(float(value) for value in re.findall(rf"^{re.escape(series)} (\S+)$", text, re.MULTILINE))

    names = 'fairboard_completions_total{kind="timed"}', 'fairboard_refusals_total{code="TOKEN_ALREADY_USED"}'
    before = [counted(name) for name in names]
    token = player.ripe_token()
    for _ in range(2):
        player.complete(token)
    assert [counted(name) for name in names] == [value + 1 for value in before]
    assert counted('fairboard_queue_messages{queue="leaderboard"}') >= 0


def test_documents_work_offline(stack: Stack) -> None:
    with httpx.Client(base_url=stack.url, trust_env=False) as client:
        assert client.get("/api/openapi.json").json()["openapi"].startswith("3.1")
        page = client.get("/api/docs")
        assert page.status_code == 200
        addresses = re.findall(r'(?:src|href)="([^"]+)"', page.text)
        assert addresses
        assert not [address for address in addresses if "//" in address]
        assert {client.get(address).status_code for address in addresses} == {200}


def test_the_page(stack: Stack) -> None:
    page = httpx.get(f"{stack.url}/", trust_env=False)
    assert page.status_code == 200
    assert page.headers["Content-Type"].startswith("text/html")


@pytest.mark.parametrize("path", ["/", "/healthz", "/api/openapi.json", "/api/me", "/nowhere"])
def test_every_answer_has_security_headers(stack: Stack, path: str) -> None:
    headers = httpx.get(stack.url + path, trust_env=False).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert "default-src" in headers["Content-Security-Policy"]
    assert headers["X-Correlation-Id"]


# Helpers


def completion_rank(stack: Stack, player: Player) -> int:
    """The rank by Redis."""
    redis = stack.resources().redis
    known = redis.hget("leaderboard:{global}:players", str(player.user_id))
    assert isinstance(known, bytes)
    rank = redis.zrevrank("leaderboard:{global}:standings", known.split(b"|")[1])
    return int(str(rank)) + 1
