"""Players for tests: accounts with sessions, and what they do through HTTP."""

from __future__ import annotations

import hashlib
import secrets
import time
from dataclasses import dataclass, field
from typing import Any

import httpx
import jwt

from fairboard_client import checksum
from tests.support.stack import Stack
from tests.support.tokens import access_token

PASSWORD = "a passphrase that is long enough"
LIFE_SECONDS = 600


@dataclass
class Player:
    """A player with an access token, and an HTTP client of their own."""

    stack: Stack
    user_id: int
    username: str
    session_id: str
    access: str
    refresh: str
    url: str
    http: httpx.Client = field(repr=False)

    def close(self) -> None:
        """Close the connections."""
        self.http.close()

    @property
    def headers(self) -> dict[str, str]:
        """What names this player."""
        return {"Authorization": f"Bearer {self.access}"}

    def get(self, path: str, **options: Any) -> httpx.Response:
        """GET as this player."""
        return self.http.get(path, headers=self.headers, **options)

    def post(self, path: str, body: object = None, **options: Any) -> httpx.Response:
        """POST JSON as this player."""
        return self.http.post(path, headers=self.headers, json=body, **options)

    def request(self, action: str = "reaction") -> str:
        """A fresh action token."""
        answer = self.post("/api/actions/request", {"actionType": action})
        assert answer.status_code == 200, answer.text
        return str(answer.json()["actionToken"])

    def ripe_token(self, action: str = "reaction") -> str:
        """An action token that was issued a minute ago, so that nobody has to wait for the player to play."""
        token = self.request(action)
        age(self.stack, token)
        return token

    def complete(self, token: str, took: int = 1_500, **changes: Any) -> httpx.Response:
        """Complete a timed action; `changes` replace parts of the body."""
        return self.post("/api/actions/complete", completion_body(token, took, **changes))

    def play(self, action: str = "reaction", took: int = 1_500) -> httpx.Response:
        """Request and complete."""
        return self.complete(self.ripe_token(action), took)

    def once(self, action: str, data: dict[str, object]) -> httpx.Response:
        """Complete a `once` action."""
        return self.post("/api/action/complete", {"actionId": action, "data": data})

    def climb(self) -> dict[str, Any]:
        """Take the first place on the board: points in the ledger first, then a completion that tells everybody."""
        self.stack.ask(
            "SELECT append_entry(%s, 'global', 'gift-' || gen_random_uuid(), 'once', "
            "(SELECT greatest(max(score), 0) + 1 FROM standings), NULL, NULL, NULL, NULL, '{}')",
            (self.user_id,),
        )
        self.forget_limits()
        answer = self.play()
        assert answer.status_code == 200, answer.text
        earned: dict[str, Any] = answer.json()
        return earned

    def forget_limits(self) -> None:
        """Have Redis forget how much this player did."""
        self.stack.resources().redis.delete(
            f"ratelimit:{{{self.user_id}}}:request", f"ratelimit:{{{self.user_id}}}:complete"
        )


def completion_body(
    token: str, took: int = 1_500, data: dict[str, Any] | None = None, **changes: Any
) -> dict[str, Any]:
    """The body of a completion whose proof is right, unless `changes` replace it."""
    proof = {"completionTime": took, "checksum": checksum(token, took, data)}
    body: dict[str, Any] = {"actionToken": token, "proof": proof}
    return body | ({} if data is None else {"data": data}) | changes


def age(stack: Stack, token: str, seconds: int = 60) -> None:
    """Let an action token have been issued earlier than it was."""
    digest = hashlib.sha256(token.encode()).digest()
    stack.ask(
        "UPDATE action_tokens SET issued_at = issued_at - make_interval(secs => %s) WHERE hash = %s", (seconds, digest)
    )


def expire(stack: Stack, token: str) -> None:
    """Let an action token's life be over."""
    digest = hashlib.sha256(token.encode()).digest()
    stack.ask("UPDATE action_tokens SET expires_at = now() - interval '1 second' WHERE hash = %s", (digest,))


def new_name() -> str:
    """A username that nobody has."""
    return f"p-{secrets.token_hex(8)}"


def sign_up(stack: Stack, *, url: str = "", name: str = "") -> Player:
    """A player who has registered and logged in, both over HTTP."""
    http = httpx.Client(base_url=url or stack.url, timeout=20, trust_env=False)
    account = {"username": name or new_name(), "password": PASSWORD}
    made = post_until_served(http, "/api/auth/register", account)
    # What was answered with 503 may have been done all the same, and the name is taken when it is asked for again.
    assert made.status_code in {201, 409}, made.text
    return log_in(stack, account["username"], url=url, http=http)


def post_until_served(http: httpx.Client, path: str, body: dict[str, str]) -> httpx.Response:
    """The answer, asked for again after 503 as its Retry-After says: two stacks on two cores may miss a deadline."""
    answer = http.post(path, json=body)
    for _ in range(4):
        if answer.status_code != 503:
            break
        time.sleep(int(answer.headers["Retry-After"]))
        answer = http.post(path, json=body)
    return answer


def log_in(
    stack: Stack, name: str, *, password: str = PASSWORD, url: str = "", http: httpx.Client | None = None
) -> Player:
    """A player who exists."""
    client = http or httpx.Client(base_url=url or stack.url, timeout=20, trust_env=False)
    answer = post_until_served(client, "/api/auth/login", {"username": name, "password": password})
    assert answer.status_code == 200, answer.text
    body = answer.json()
    session = str(claims_of(body["accessToken"])["sid"])
    return Player(
        stack,
        body["userId"],
        body["username"],
        session,
        body["accessToken"],
        body["refreshToken"],
        str(client.base_url),
        client,
    )


def sign_up_as(stack: Stack, role: str, *, url: str = "") -> Player:
    """Somebody with a role, which is given on the server's command line, who has logged in."""
    name = new_name()
    made = stack.command("create-user", name, "--role", role, "--password-stdin", text=PASSWORD + "\n")
    assert made.returncode == 0, made.stderr
    return log_in(stack, name, url=url)


def crowd(stack: Stack, size: int) -> list[Player]:
    """Many players at once, written into PostgreSQL: hashing their passwords would take longer than the test."""
    names = [new_name() for _ in range(size)]
    rows = stack.ask(
        "WITH u AS (INSERT INTO users (username, username_key, password_hash) SELECT n, n, '!' "
        "FROM unnest(%s::text[]) AS n RETURNING id, username), "
        "heads AS (INSERT INTO ledger_heads (user_id) SELECT id FROM u) "
        "INSERT INTO sessions (id, user_id, refresh_id, expires_at) "
        "SELECT gen_random_uuid(), id, gen_random_uuid(), now() + interval '1 day' FROM u "
        "RETURNING user_id, id::text, (SELECT username FROM u WHERE u.id = user_id)",
        (names,),
    )
    http = httpx.Client(base_url=stack.url, timeout=20, trust_env=False, limits=httpx.Limits(max_connections=300))
    return [
        Player(
            stack,
            int(str(user)),
            str(name),
            str(session),
            token_for(stack, int(str(user)), str(session)),
            "",
            stack.url,
            http,
        )
        for user, session, name in rows
    ]


def fill_board(stack: Stack, size: int = 15) -> None:
    """At least so many players with points."""
    count = stack.ask("SELECT count(*) FROM standings WHERE score > 0")[0][0]
    players = crowd(stack, max(0, size - int(str(count))))
    for someone in players:
        assert someone.once("guess", {"number": 7}).status_code == 200
    for someone in players[:1]:
        someone.close()  # They share their connections.


def claims_of(token: str) -> dict[str, Any]:
    """What a JWT says, unchecked."""
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims


def token_for(stack: Stack, user_id: int, session_id: str, *, life: float = LIFE_SECONDS, **claims: Any) -> str:
    """An access token signed with the server's own key; `claims` replace or, being None, remove some."""
    return access_token(stack.settings, user_id, session_id, life=life, **claims)
