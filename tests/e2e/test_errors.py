"""Every error code, provoked for real, and the order in which a completion is checked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from tests.support.players import PASSWORD, Player, age, completion_body, expire, log_in, new_name, token_for
from tests.support.problems import assert_problem
from tests.support.stack import Stack

Newcomer = Callable[[], Player]
GARBAGE = "gAAAAABgarbage"
ZEROS = "0" * 64


def post(stack: Stack, path: str, **options: Any) -> httpx.Response:
    return httpx.post(stack.url + path, timeout=20, trust_env=False, **options)


def used(stack: Stack, player: Player) -> int:
    """How many of a player's action tokens are spent."""
    query = "SELECT count(*) FROM action_tokens WHERE user_id = %s AND used_at IS NOT NULL"
    return int(str(stack.ask(query, (player.user_id,))[0][0]))


def completions_counted(stack: Stack, player: Player) -> int:
    """How many completions the limits have counted."""
    return int(str(stack.resources().redis.llen(f"ratelimit:{{{player.user_id}}}:complete")))


@contextmanager
def suspended(stack: Stack, player: Player) -> Iterator[None]:
    """Suspend a player as a reviewer's decision does, in PostgreSQL and in the cached session."""
    stack.ask("UPDATE users SET status = 'suspended' WHERE id = %s", (player.user_id,))
    stack.resources().redis.delete(f"session:{{{player.user_id}}}:{player.session_id}")
    yield
    stack.ask("UPDATE users SET status = 'active' WHERE id = %s", (player.user_id,))


# 400


def test_validation_error_names_the_fields(player: Player) -> None:
    problem = assert_problem(
        player.post("/api/actions/complete", {"proof": {"completionTime": "1"}, "more": 1}), 400, "VALIDATION_ERROR"
    )
    assert set(problem["errors"]) == {
        "actionToken",
        "proof.completionTime",
        "proof.checksum",
        "more",
    }


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/actions/request", {"actionType": "flying"}),
        ("/api/action/complete", {"actionId": "flying", "data": {}}),
    ],
)
def test_action_not_found(player: Player, path: str, body: object) -> None:
    assert_problem(player.post(path, body), 400, "ACTION_NOT_FOUND")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/actions/request", {"actionType": "quiz"}),
        ("/api/action/complete", {"actionId": "reaction", "data": {}}),
    ],
)
def test_action_kind_mismatch_both_ways(player: Player, path: str, body: object) -> None:
    assert_problem(player.post(path, body), 400, "ACTION_KIND_MISMATCH")


@pytest.mark.parametrize(
    ("action", "data"),
    [
        ("quiz", {}),
        ("quiz", {"answer": "flask"}),
        ("quiz", {"answer": "mongodb"}),
        ("quiz", {"answer": "redis", "more": 1}),
        ("guess", {"number": 0}),
        ("guess", {"number": 101}),
        ("guess", {"number": 1.0}),
        ("guess", {"number": True}),
        ("guess", {"number": "7"}),
        ("referral", {"code": "abcd-1234"}),
        ("referral", {"code": "ABCD-1234\n"}),
        ("referral", {"code": "ABCD-١٢٣٤"}),
    ],
)
def test_action_data_invalid(player: Player, action: str, data: dict[str, object]) -> None:
    problem = assert_problem(player.once(action, data), 400, "ACTION_DATA_INVALID")
    assert problem["errors"]
    assert player.get("/api/me").json()["score"] == 0


def test_action_already_completed(player: Player) -> None:
    assert player.once("quiz", {"answer": "redis"}).status_code == 200
    assert_problem(player.once("quiz", {"answer": "redis"}), 400, "ACTION_ALREADY_COMPLETED")
    assert player.get("/api/me").json()["score"] == 50


def test_action_token_invalid(stack: Stack, newcomer: Newcomer) -> None:
    thief, owner = newcomer(), newcomer()
    stolen = owner.ripe_token()
    for token in (stolen, GARBAGE, "", stolen[:-1], stolen[:-4], stolen + "=", stolen.swapcase(), "☃", "A" * 1000):
        body = {"actionToken": token, "proof": {"completionTime": 1_500, "checksum": ZEROS}}
        assert_problem(thief.post("/api/actions/complete", body), 400, "ACTION_TOKEN_INVALID")
        thief.forget_limits()
    assert owner.complete(stolen).status_code == 200


def test_action_token_of_another_server_is_invalid(stack: Stack, player: Player) -> None:
    from cryptography.fernet import Fernet  # noqa: PLC0415

    inside = stack.resources().fernet.decrypt(player.ripe_token())
    forged = Fernet(Fernet.generate_key()).encrypt(inside).decode()
    assert_problem(player.complete(forged), 400, "ACTION_TOKEN_INVALID")


def test_action_token_that_was_never_issued_is_invalid(stack: Stack, player: Player) -> None:
    """Even somebody who has the key cannot make a token that PostgreSQL did not see."""
    fernet = stack.resources().fernet
    forged = fernet.encrypt(fernet.decrypt(player.ripe_token())).decode()
    assert_problem(player.complete(forged), 400, "ACTION_TOKEN_INVALID")


def test_action_token_expired(stack: Stack, player: Player) -> None:
    token = player.ripe_token()
    expire(stack, token)
    assert_problem(player.complete(token), 400, "ACTION_TOKEN_EXPIRED")
    assert used(stack, player) == 0


def test_token_already_used(player: Player) -> None:
    token = player.ripe_token()
    assert player.complete(token).status_code == 200
    for took in (1_500, 1_600, 1):
        assert_problem(player.complete(token, took), 400, "TOKEN_ALREADY_USED")
    assert player.get("/api/me").json()["score"] == 100


SUSPICIOUS: dict[str, tuple[int, str, dict[str, Any]]] = {
    "under the minimum": (999, "reaction", {}),
    "zero": (0, "reaction", {}),
    "negative": (-1, "reaction", {}),
    "under the action's own minimum": (4_999, "typing", {}),
    "over the maximum": (300_001, "puzzle", {}),
    "over the action's own maximum": (60_001, "reaction", {}),
    "longer than the server saw pass": (119_000, "typing", {}),
    "a checksum that does not match": (1_500, "reaction", {"proof": {"completionTime": 1_500, "checksum": ZEROS}}),
    "a checksum of other data": (1_500, "reaction", {"data": {"points": 1_000_000}}),
}


@pytest.mark.parametrize("case", SUSPICIOUS)
def test_suspicious_activity(stack: Stack, player: Player, case: str) -> None:
    took, action, changes = SUSPICIOUS[case]
    token = player.ripe_token(action)
    body = completion_body(token, took) | changes
    assert_problem(player.post("/api/actions/complete", body), 400, "SUSPICIOUS_ACTIVITY")
    me = player.get("/api/me").json()
    assert (me["score"], me["status"]) == (0, "flagged")
    evidence = stack.ask("SELECT rule, reason FROM evidence WHERE user_id = %s", (player.user_id,))
    assert len(evidence) == 1
    assert_problem(player.complete(token), 400, "TOKEN_ALREADY_USED")
    assert player.play("reaction").status_code == 200, "a flagged player can still play"


@pytest.mark.parametrize(("action", "took"), [("reaction", 1_000), ("puzzle", 300_000), ("typing", 120_000)])
def test_the_bounds_themselves_are_honest(stack: Stack, player: Player, action: str, took: int) -> None:
    token = player.request(action)
    age(stack, token, 301)
    stack.ask("UPDATE action_tokens SET expires_at = now() + interval '9 s' WHERE user_id = %s", (player.user_id,))
    assert player.complete(token, took).status_code == 200


# 401, 403


@pytest.mark.parametrize("header", [None, "", "Bearer", "Basic dTpw", "Token abc"])
def test_unauthorized(stack: Stack, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header}
    answer = httpx.get(f"{stack.url}/api/me", headers=headers, trust_env=False)
    assert_problem(answer, 401, "UNAUTHORIZED")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_the_scheme_is_not_case_sensitive(stack: Stack, player: Player) -> None:
    headers = {"Authorization": f"bEARER {player.access}"}
    assert httpx.get(f"{stack.url}/api/me", headers=headers, trust_env=False).status_code == 200


def test_token_expired(stack: Stack, player: Player) -> None:
    player.access = token_for(stack, player.user_id, player.session_id, life=-1)
    assert_problem(player.get("/api/me"), 401, "TOKEN_EXPIRED")


@pytest.mark.parametrize("name", [None, "nobody-is-called-this"])
def test_invalid_credentials_do_not_tell_which(stack: Stack, player: Player, name: str | None) -> None:
    body = {"username": name or player.username, "password": "not the password"}
    problem = assert_problem(post(stack, "/api/auth/login", json=body), 401, "INVALID_CREDENTIALS")
    assert problem["title"] == "Wrong username or password"


def test_forbidden_without_the_role(player: Player) -> None:
    assert_problem(player.get("/api/review/cases"), 403, "FORBIDDEN")


def test_account_suspended(stack: Stack, player: Player) -> None:
    with suspended(stack, player):
        for answer in (
            player.get("/api/me"),
            player.post("/api/actions/request", {"actionType": "reaction"}),
            player.once("quiz", {"answer": "redis"}),
            post(stack, "/api/auth/login", json={"username": player.username, "password": PASSWORD}),
            post(stack, "/api/auth/refresh", headers={"Authorization": f"Bearer {player.refresh}"}),
        ):
            assert_problem(answer, 403, "ACCOUNT_SUSPENDED")
    assert player.get("/api/me").status_code in {200, 403}


# 404, 405, 409, 413, 415


@pytest.mark.parametrize("path", ["/nowhere", "/api", "/api/nothing", "/api/docs/nothing", "/static/../wsgi.py"])
def test_not_found(stack: Stack, path: str) -> None:
    assert_problem(httpx.get(stack.url + path, trust_env=False), 404, "NOT_FOUND")


@pytest.mark.parametrize("path", ["/static/%2e%2e/app.py", "/static/..%2fapp.py", "/api/docs/..%2f..%2fwsgi.py"])
def test_no_way_out_of_the_static_folder(stack: Stack, path: str) -> None:
    assert_problem(httpx.get(stack.url + path, trust_env=False), 404, "NOT_FOUND")


def test_method_not_allowed(stack: Stack, player: Player) -> None:
    answer = player.get("/api/auth/login")
    assert_problem(answer, 405, "METHOD_NOT_ALLOWED")
    assert "POST" in answer.headers["Allow"]
    assert_problem(player.post("/api/me"), 405, "METHOD_NOT_ALLOWED")


@pytest.mark.parametrize("change", [str.upper, str.title])
def test_username_taken_in_whatever_case(stack: Stack, player: Player, change: Callable[[str], str]) -> None:
    body = {"username": change(player.username), "password": PASSWORD}
    assert_problem(post(stack, "/api/auth/register", json=body), 409, "USERNAME_TAKEN")


def test_payload_too_large(stack: Stack, player: Player) -> None:
    body = {"actionType": "x" * 17_000}
    assert_problem(player.post("/api/actions/request", body), 413, "PAYLOAD_TOO_LARGE")
    assert_problem(
        post(stack, "/api/auth/login", json={"username": "x" * 17_000, "password": "x"}), 413, "PAYLOAD_TOO_LARGE"
    )


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "application/xml", "nonsense"])
def test_unsupported_media_type(stack: Stack, player: Player, kind: str) -> None:
    headers = {**player.headers, "Content-Type": kind}
    answer = post(stack, "/api/actions/request", headers=headers, content=b'{"actionType":"reaction"}')
    assert_problem(answer, 415, "UNSUPPORTED_MEDIA_TYPE")


# 429, 500 (503 is shown where a dependency is away: test_outages.py)


def test_rate_limit_exceeded_by_address(stack: Stack) -> None:
    with stack.another_web(AUTH_ADDRESS_LIMIT="2") as web, httpx.Client(base_url=web.url, timeout=20) as client:
        for path in ("/api/auth/login", "/api/auth/register"):
            bodies = [{"username": new_name(), "password": PASSWORD} for _ in range(3)]
            answers = [client.post(path, json=body) for body in bodies]
            assert [answer.status_code for answer in answers][:2] != [429, 429]
            assert_problem(answers[2], 429, "RATE_LIMIT_EXCEEDED")
            assert 1 <= int(answers[2].headers["Retry-After"]) <= 60


def test_rate_limit_exceeded_by_account_name(stack: Stack, player: Player) -> None:
    wrong = {"username": player.username, "password": "not the password"}
    answers = [post(stack, "/api/auth/login", json=wrong) for _ in range(11)]
    assert [answer.status_code for answer in answers] == [401] * 10 + [429]
    assert_problem(answers[-1], 429, "RATE_LIMIT_EXCEEDED")
    assert 1 <= int(answers[-1].headers["Retry-After"]) <= 60


def test_internal_error_tells_nothing_and_changes_nothing(stack: Stack, player: Player) -> None:
    token = player.ripe_token()
    stack.ask("ALTER TABLE outbox RENAME TO outbox_that_is_broken")
    try:
        problem = assert_problem(player.complete(token), 500, "INTERNAL_ERROR")
        assert_problem(player.once("quiz", {"answer": "redis"}), 500, "INTERNAL_ERROR")
    finally:
        stack.ask("ALTER TABLE outbox_that_is_broken RENAME TO outbox")
    assert "outbox" not in str(problem)
    assert player.get("/api/me").json()["score"] == 0
    assert player.complete(token).status_code == 200, "nothing was half done"


# The order of checks on POST /api/actions/complete


def test_the_access_token_comes_before_the_body(stack: Stack, player: Player) -> None:
    broken: dict[str, Any] = {"content": b"{", "headers": {"Content-Type": "application/json"}}
    assert_problem(post(stack, "/api/actions/complete", **broken), 401, "UNAUTHORIZED")
    player.post("/api/auth/logout")
    broken["headers"] = {"Content-Type": "application/json", **player.headers}
    assert_problem(post(stack, "/api/actions/complete", **broken), 401, "INVALID_TOKEN")


def test_the_body_comes_before_the_account(stack: Stack, player: Player) -> None:
    with suspended(stack, player):
        assert_problem(player.post("/api/actions/complete", {}), 400, "VALIDATION_ERROR")
        assert_problem(player.post("/api/actions/complete", completion_body(GARBAGE)), 403, "ACCOUNT_SUSPENDED")


def test_the_body_comes_before_the_limits(stack: Stack, player: Player) -> None:
    for _ in range(12):
        assert_problem(player.post("/api/actions/complete", {}), 400, "VALIDATION_ERROR")
    assert completions_counted(stack, player) == 0


def test_the_account_comes_before_the_limits(stack: Stack, player: Player) -> None:
    for _ in range(10):
        player.complete(GARBAGE)
    with suspended(stack, player):
        assert_problem(player.complete(GARBAGE), 403, "ACCOUNT_SUSPENDED")
        assert completions_counted(stack, player) == 10


def test_the_limits_come_before_the_action_token(player: Player) -> None:
    for _ in range(10):
        assert_problem(player.complete(GARBAGE), 400, "ACTION_TOKEN_INVALID")
    assert_problem(player.complete(GARBAGE), 429, "RATE_LIMIT_EXCEEDED")


def test_the_action_token_comes_before_the_proof(stack: Stack, newcomer: Newcomer) -> None:
    player, other = newcomer(), newcomer()
    forged: dict[str, Any] = {"proof": {"completionTime": 1, "checksum": ZEROS}}
    spent, expired = player.ripe_token(), player.ripe_token()
    player.complete(spent)
    expire(stack, expired)
    for token, code in (
        (GARBAGE, "ACTION_TOKEN_INVALID"),
        (other.ripe_token(), "ACTION_TOKEN_INVALID"),
        (spent, "TOKEN_ALREADY_USED"),
        (expired, "ACTION_TOKEN_EXPIRED"),
    ):
        assert_problem(player.complete(token, **forged), 400, code)
    assert player.get("/api/me").json()["status"] == "active", "an old token makes nobody a suspect"


def test_a_rejected_completion_does_not_spend_the_token(stack: Stack, newcomer: Newcomer) -> None:
    player, other = newcomer(), newcomer()
    token = player.ripe_token()
    assert_problem(player.post("/api/actions/complete", completion_body(token) | {"x": 1}), 400, "VALIDATION_ERROR")
    assert_problem(other.complete(token), 400, "ACTION_TOKEN_INVALID")
    with suspended(stack, player):
        assert_problem(player.complete(token), 403, "ACCOUNT_SUSPENDED")
    stack.resources().redis.delete(f"session:{{{player.user_id}}}:{player.session_id}")
    for _ in range(10):
        player.complete(GARBAGE)
    assert_problem(player.complete(token), 429, "RATE_LIMIT_EXCEEDED")
    assert used(stack, player) == 0
    player.forget_limits()
    assert player.complete(token).status_code == 200


def test_a_suspension_ends_a_session_that_was_open(stack: Stack, player: Player) -> None:
    with suspended(stack, player):
        assert_problem(player.get("/api/me"), 403, "ACCOUNT_SUSPENDED")
    stack.resources().redis.delete(f"session:{{{player.user_id}}}:{player.session_id}")
    again = log_in(stack, player.username)
    assert again.get("/api/me").status_code == 200
    again.close()
