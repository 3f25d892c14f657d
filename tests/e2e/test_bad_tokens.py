"""Access and refresh tokens that are forged, cut, swapped or spent: 401 on every call, and nothing else."""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Callable

import httpx
import jwt
import pytest

from tests.support.players import Player, claims_of, log_in, token_for
from tests.support.problems import assert_problem
from tests.support.sockets import Wire
from tests.support.stack import Stack

Newcomer = Callable[[], Player]
CALLS = (
    ("GET", "/api/me"),
    ("GET", "/api/actions"),
    ("GET", "/api/leaderboard"),
    ("POST", "/api/actions/request"),
    ("POST", "/api/actions/complete"),
    ("POST", "/api/action/complete"),
    ("POST", "/api/auth/logout"),
    ("POST", "/api/auth/password"),
    ("GET", "/api/review/cases"),
    ("GET", "/api/review/cases/1"),
    ("POST", "/api/review/cases/1/decision"),
)


def segment(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def forged(player: Player, header: dict[str, object], key: str = "", **claims: object) -> str:
    """A token with any header, signed with any key."""
    body = claims_of(player.access) | claims
    algorithm = str(header.get("alg", "HS256"))
    usable = algorithm if algorithm.startswith("HS") else "HS256"
    token = jwt.encode(body, key or "x" * 64, algorithm=usable, headers={**header, "alg": usable})
    return token if usable == algorithm else segment({**header, "typ": "JWT"}) + "." + token.split(".", 1)[1]


def own_secret(player: Player) -> tuple[str, dict[str, object]]:
    secret = player.stack.settings.jwt_secret[0]
    return secret, {"kid": player.stack.settings.jwt_key_id(secret)}


def signed(player: Player, **claims: object) -> str:
    """A token signed with the server's own key, whose claims are not what they should be."""
    return token_for(player.stack, player.user_id, player.session_id, **claims)  # type: ignore[arg-type]


FORGERIES: dict[str, Callable[[Player], str]] = {
    "nonsense": lambda p: "nonsense",
    "dots": lambda p: "..",
    "empty parts": lambda p: "e30.e30.e30",
    "not base64": lambda p: "☃.☃.☃".encode().decode("latin-1"),
    "cut": lambda p: p.access[:-1],
    "cut in half": lambda p: p.access[: len(p.access) // 2],
    "without signature": lambda p: p.access.rsplit(".", 1)[0] + ".",
    "two parts": lambda p: p.access.rsplit(".", 1)[0],
    "four parts": lambda p: p.access + ".x",
    "longer": lambda p: p.access + "A",
    "other payload": lambda p: swap(p.access, 1, segment(claims_of(p.access) | {"sub": "1"})),
    "other header": lambda p: swap(p.access, 0, segment({"alg": "HS512", "typ": "JWT"})),
    "alg none": lambda p: segment({"alg": "none", "typ": "JWT"}) + "." + segment(claims_of(p.access)) + ".",
    "alg None": lambda p: segment({"alg": "None"}) + "." + p.access.split(".", 1)[1],
    "alg none with the old signature": lambda p: segment({"alg": "none"}) + "." + p.access.split(".", 1)[1],
    "no alg": lambda p: segment({"typ": "JWT"}) + "." + p.access.split(".", 1)[1],
    "alg of a public key": lambda p: forged(p, {"alg": "RS256"}),
    "another key": lambda p: forged(p, own_secret(p)[1]),
    "an empty key": lambda p: forged(p, own_secret(p)[1], key="\0" * 32),
    "another key and an unknown kid": lambda p: forged(p, {"kid": "00000000"}),
    "a kid that is a path": lambda p: forged(p, {"kid": "../../../../dev/null"}),
    "a kid that is a list": lambda p: segment({"alg": "HS256", "kid": [1]}) + "." + p.access.split(".", 1)[1],
    "the key in the token": lambda p: forged(p, {"jwk": {"kty": "oct", "k": "eHh4"}}),
    "HS512 with the right key": lambda p: forged(p, {"alg": "HS512"} | own_secret(p)[1], key=own_secret(p)[0]),
    "critical header": lambda p: forged(p, {"crit": ["x"], "x": 1} | own_secret(p)[1]),
    "payload that is a list": lambda p: swap(p.access, 1, segment([1])),
    "deep payload": lambda p: swap(p.access, 1, base64.urlsafe_b64encode(b"[" * 3_000).decode().rstrip("=")),
    "another issuer": lambda p: signed(p, iss="somebody"),
    "no issuer": lambda p: signed(p, iss=None),
    "another audience": lambda p: signed(p, aud="somebody"),
    "no audience": lambda p: signed(p, aud=None),
    "no subject": lambda p: signed(p, sub=None),
    "a subject that is no number": lambda p: signed(p, sub="admin"),
    "a subject beyond 64 bits": lambda p: signed(p, sub=str(2**70)),
    "a negative subject": lambda p: signed(p, sub="-1"),
    "no session": lambda p: signed(p, sid=None),
    "a session that is none": lambda p: signed(p, sid="1"),
    "a session that is a number": lambda p: signed(p, sid=1),
    "an unknown session": lambda p: signed(p, sid=str(uuid.uuid4())),
    "an unknown type": lambda p: signed(p, type="admin"),
    "no end": lambda p: signed(p, exp=None),
    "an end that is a text": lambda p: signed(p, exp="never"),
    "not valid yet": lambda p: signed(p, nbf=2**33),
    "the refresh token": lambda p: p.refresh,
    "an action token": lambda p: p.request(),
}


def swap(token: str, index: int, value: str) -> str:
    """A token with one of its three parts replaced."""
    parts = token.split(".")
    parts[index] = value
    return ".".join(parts)


@pytest.mark.parametrize("case", FORGERIES)
def test_a_bad_access_token_is_refused_everywhere(stack: Stack, newcomer: Newcomer, case: str) -> None:
    player = newcomer()
    token = FORGERIES[case](player)
    headers = {b"Authorization": f"Bearer {token}".encode("latin-1")}
    for method, path in CALLS:
        answer = player.http.request(method, path, headers=headers, json={} if method == "POST" else None)
        assert_problem(answer, 401, "INVALID_TOKEN", "TOKEN_EXPIRED")
    assert player.get("/api/me").status_code == 200, "the true token still works"


@pytest.mark.parametrize("case", FORGERIES)
def test_a_bad_refresh_token_is_refused(player: Player, case: str) -> None:
    token = FORGERIES[case](player)
    if case == "the refresh token":
        token = player.access
    headers = {b"Authorization": f"Bearer {token}".encode("latin-1")}
    assert_problem(player.http.post("/api/auth/refresh", headers=headers), 401, "INVALID_TOKEN", "TOKEN_EXPIRED")


def test_sessions_cannot_be_swapped(stack: Stack, newcomer: Newcomer) -> None:
    one, other = newcomer(), newcomer()
    for user, session in ((one.user_id, other.session_id), (other.user_id, one.session_id)):
        one.access = token_for(stack, user, session)
        assert_problem(one.get("/api/me"), 401, "INVALID_TOKEN")
        assert_problem(one.post("/api/actions/request", {"actionType": "reaction"}), 401, "INVALID_TOKEN")


def test_an_old_token_is_told_from_a_broken_one(stack: Stack, player: Player) -> None:
    refresh = token_for(
        stack, player.user_id, player.session_id, life=-5, type="refresh", rid=claims_of(player.refresh)["rid"]
    )
    answer = player.http.post("/api/auth/refresh", headers={"Authorization": f"Bearer {refresh}"})
    assert_problem(answer, 401, "TOKEN_EXPIRED")
    player.access = token_for(stack, player.user_id, player.session_id, life=-5)
    assert_problem(player.get("/api/me"), 401, "TOKEN_EXPIRED")


def test_a_stolen_refresh_token_ends_the_session(stack: Stack, player: Player) -> None:
    """Spent twice, and not just by a client's race: whoever came second may be the thief, so nobody stays."""
    headers = {"Authorization": f"Bearer {player.refresh}"}
    fresh = player.http.post("/api/auth/refresh", headers=headers).json()
    stack.ask(
        "UPDATE sessions SET rotated_at = rotated_at - interval '1 minute' WHERE id::text = %s", (player.session_id,)
    )
    assert_problem(player.http.post("/api/auth/refresh", headers=headers), 401, "INVALID_TOKEN")
    player.access = fresh["accessToken"]
    assert_problem(player.get("/api/me"), 401, "INVALID_TOKEN")


def test_a_session_ends_when_its_time_is_over(stack: Stack, player: Player) -> None:
    stack.ask("UPDATE sessions SET expires_at = now() WHERE id::text = %s", (player.session_id,))
    stack.resources().redis.delete(f"session:{{{player.user_id}}}:{player.session_id}")
    assert_problem(player.get("/api/me"), 401, "INVALID_TOKEN")


def test_keys_can_be_rotated(stack: Stack, player: Player) -> None:
    """The first key signs, the others still verify; the same for action tokens."""
    from cryptography.fernet import Fernet  # noqa: PLC0415

    token = player.ripe_token()
    secrets = {
        "JWT_SECRET": "n" * 40 + "," + stack.settings.jwt_secret[0],
        "TOKEN_KEYS": Fernet.generate_key().decode() + "," + stack.settings.token_keys[0],
    }
    with stack.another_web(**secrets) as web, httpx.Client(base_url=web.url, timeout=20, trust_env=False) as http:
        assert http.get("/api/me", headers=player.headers).status_code == 200
        player.http, old = http, player.http
        assert player.complete(token).status_code == 200
        renewed = log_in(stack, player.username, url=web.url)
        player.http = old
        assert_problem(old.get("/api/me", headers=renewed.headers), 401, "INVALID_TOKEN")
        renewed.close()


@pytest.mark.parametrize("case", ["alg none", "another key", "the refresh token", "an unknown session"])
def test_a_bad_token_opens_no_socket(player: Player, case: str) -> None:
    with Wire(player.stack, FORGERIES[case](player)) as wire:
        assert wire.status == 401
