"""Access and refresh tokens that are forged, cut, swapped or spent: 401 on every call, and nothing else."""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace

import httpx
import jwt
import pytest
from cryptography.fernet import Fernet

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
    """Step by step as docs/production.md says: what one server makes is good at all others, until the last step."""
    jwts = stack.settings.jwt_secret[0], "n" * 40
    sealing = stack.settings.token_keys[0], Fernet.generate_key().decode()
    with ExitStack() as running:

        def url(*order: int) -> str:
            signs, seals = ",".join(jwts[key] for key in order), ",".join(sealing[key] for key in order)
            return running.enter_context(stack.another_web(JWT_SECRET=signs, TOKEN_KEYS=seals)).url

        behind, first, alone = url(0, 1), url(1, 0), url(1)
        assert_accepted(running.enter_context(closing(log_in(stack, player.username, url=behind))), stack.url)
        assert_accepted(player, behind)
        assert_accepted(player, first)
        renewed = running.enter_context(closing(log_in(stack, player.username, url=first)))
        assert_accepted(renewed, behind)
        with at(renewed, stack.url) as too_early:
            assert_problem(too_early.get("/api/me"), 401, "INVALID_TOKEN")
        player.forget_limits()
        assert_accepted(renewed, alone)
        assert_ended(player, renewed, alone)


@contextmanager
def at(player: Player, url: str) -> Iterator[Player]:
    """The same player, who asks another server."""
    with httpx.Client(base_url=url, timeout=20, trust_env=False) as http:
        yield replace(player, url=url, http=http)


def assert_accepted(player: Player, url: str) -> None:
    """A session and an action token of one server are good at another."""
    token = player.ripe_token()
    with at(player, url) as there:
        assert there.get("/api/me").status_code == 200
        answer = there.complete(token)
        assert answer.status_code == 200, answer.text


def assert_ended(player: Player, renewed: Player, url: str) -> None:
    """Where the old key is gone, its sessions and action tokens are those of a stranger."""
    token = player.ripe_token()
    with at(player, url) as there:
        assert_problem(there.get("/api/me"), 401, "INVALID_TOKEN")
        there.access = player.refresh
        assert_problem(there.post("/api/auth/refresh"), 401, "INVALID_TOKEN")
    with at(renewed, url) as there:
        assert_problem(there.complete(token), 400, "ACTION_TOKEN_INVALID")


@pytest.mark.parametrize("case", ["alg none", "another key", "the refresh token", "an unknown session"])
def test_a_bad_token_opens_no_socket(player: Player, case: str) -> None:
    with Wire(player.stack, FORGERIES[case](player)) as wire:
        assert wire.status == 401
