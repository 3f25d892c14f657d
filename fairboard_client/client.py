"""The client: one object per player, usable from several threads."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Self, TypeVar

import httpx

from fairboard_client import proof
from fairboard_client.errors import FairboardError, NoAnswerError, from_answer
from fairboard_client.stream import BoardStream, Peer
from fairboard_client.types import Account, Action, Board, Completion, Json, Profile, Session, Ticket

T = TypeVar("T")


class FairboardClient:
    """Calls Fairboard as one player. Every failure is a FairboardError.

    After `login` the access token goes with each call and is renewed once when it has expired. `local_address` is the
    address that connections come from, where the machine has several.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout: float = 10.0,
        local_address: str | None = None,
        user_agent: str = "fairboard-client",
    ) -> None:
        self.url = url.rstrip("/")
        self.timeout = timeout
        self.local_address = local_address
        self.user_agent = user_agent
        self.session: Session | None = None
        self._renewing = threading.Lock()
        # A proxy that the environment names is for the way out of this machine.
        self._direct = local_address is not None or is_loopback(self.url)
        trust = _tls(self.url)
        self._http = httpx.Client(
            base_url=self.url,
            timeout=timeout,
            headers={"User-Agent": user_agent},
            verify=trust,
            trust_env=not self._direct,
            transport=httpx.HTTPTransport(verify=trust, local_address=local_address) if local_address else None,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections. The session lives on at the server; `logout` ends it."""
        self._http.close()

    def register(self, username: str, password: str) -> Account:
        """Make an account; it is not logged in yet."""
        return self._read(Account.read, self._call("POST", "/api/auth/register", _credentials(username, password)))

    def login(self, username: str, password: str) -> Session:
        """Log in; later calls are made as this player."""
        body = self._call("POST", "/api/auth/login", _credentials(username, password))
        self.session = self._read(Session.read, body)
        return self.session

    def refresh(self) -> Session:
        """Exchange the refresh token, which is spent by it, for a new pair."""
        with self._renewing:
            return self._rotate()

    def logout(self) -> None:
        """End the session at the server; its tokens are dead from then on."""
        self._authorised("POST", "/api/auth/logout")
        self.session = None

    def change_password(self, current: str, new: str) -> None:
        """Set a new password. This session goes on; the account's other sessions end."""
        self._authorised("POST", "/api/auth/password", {"currentPassword": current, "newPassword": new})

    def me(self) -> Profile:
        """The player's own profile with score and rank."""
        return self._read(Profile.read, self._authorised("GET", "/api/me"))

    def actions(self) -> list[Action]:
        """The catalogue."""
        body = self._authorised("GET", "/api/actions")
        return self._read(lambda answer: [Action.read(item) for item in answer["actions"]], body)

    def request_action(self, action_type: str) -> Ticket:
        """Ask to begin a timed action; the server's clock starts here."""
        return self._read(Ticket.read, self._authorised("POST", "/api/actions/request", {"actionType": action_type}))

    def complete(
        self,
        action_token: str,
        completion_time: int,
        data: Mapping[str, Any] | None = None,
        *,
        checksum: str | None = None,
    ) -> Completion:
        """Finish a timed action that took `completion_time` milliseconds.

        The proof is computed unless a `checksum` is given. After NoAnswerError the call can be repeated with the
        same token: TOKEN_ALREADY_USED then means that the first attempt counted.
        """
        sealed = checksum if checksum is not None else proof.checksum(action_token, completion_time, data)
        body: dict[str, Any] = {
            "actionToken": action_token,
            "proof": {"completionTime": completion_time, "checksum": sealed},
        }
        if data is not None:
            body["data"] = data
        return self._read(Completion.read, self._authorised("POST", "/api/actions/complete", body))

    def complete_once(self, action_id: str, data: Mapping[str, Any]) -> Completion:
        """Complete an action that counts once per player."""
        body = {"actionId": action_id, "data": data}
        return self._read(Completion.read, self._authorised("POST", "/api/action/complete", body))

    def leaderboard(self, limit: int = 10) -> Board:
        """The first `limit` players of the board; without a session where the server keeps it public."""
        return self._read(Board.read, self._authorised("GET", f"/api/leaderboard?limit={limit}"))

    def subscribe(self) -> BoardStream:
        """The live top 10, as an iterable that reconnects by itself until it is closed."""
        return BoardStream(
            Peer(
                self.url.replace("http", "ws", 1) + "/ws",
                local_address=self.local_address,
                direct=self._direct,
                user_agent=self.user_agent,
                timeout=self.timeout,
            ),
            bearer=lambda: self.session.access_token if self.session else None,
            renew=self._renew,
        )

    def _authorised(self, method: str, path: str, body: Json | None = None) -> Any:
        """A call as the player; an expired access token is renewed and the call repeated, once."""
        token = self.session.access_token if self.session else None
        try:
            return self._call(method, path, body, bearer=token)
        except FairboardError as error:
            if error.code != "TOKEN_EXPIRED" or token is None:
                raise
        self._renew(token)
        return self._call(method, path, body, bearer=self.session.access_token if self.session else None)

    def _renew(self, stale: str) -> None:
        """Replace the stale access token, unless another thread did so while this one waited."""
        with self._renewing:
            if self.session is not None and self.session.access_token == stale:
                self._rotate()

    def _rotate(self) -> Session:
        """Refresh; the caller holds the lock, because a refresh token can be used only once."""
        session = self.session
        if session is None:
            raise FairboardError(401, "UNAUTHORIZED", "log in first")
        body = self._call("POST", "/api/auth/refresh", bearer=session.refresh_token)
        self.session = self._read(session.renewed, body)
        return self.session

    def _call(self, method: str, path: str, body: Json | None = None, *, bearer: str | None = None) -> Any:
        headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
        content = None
        if body is not None:
            # The same text that the checksum covers, so that numbers reach the server as they were signed.
            content = proof.canonical_json(body).encode()
            headers["Content-Type"] = "application/json"
        try:
            answer = self._http.request(method, path, content=content, headers=headers)
        except httpx.TransportError as error:
            raise NoAnswerError(f"{type(error).__name__}: {error}") from error
        return self._decode(answer)

    def _decode(self, answer: httpx.Response) -> Any:
        if not answer.is_success:
            raise from_answer(answer.status_code, answer.headers, answer.content)
        if not answer.content:
            return None
        try:
            return answer.json()
        except ValueError as error:
            raise FairboardError(answer.status_code, "UNEXPECTED_ANSWER", "the answer is not JSON") from error

    @staticmethod
    def _read(reader: Callable[[Any], T], body: Any) -> T:
        try:
            return reader(body)
        except (KeyError, TypeError, ValueError) as error:
            raise FairboardError(200, "UNEXPECTED_ANSWER", f"{type(error).__name__}: {error}") from error


def is_loopback(url: str) -> bool:
    """Whether the URL names this machine."""
    host = httpx.URL(url).host
    return host in ("localhost", "::1") or host.startswith("127.")


def _credentials(username: str, password: str) -> dict[str, str]:
    return {"username": username, "password": password}


@lru_cache(maxsize=2)
def _trust(secure: bool) -> ssl.SSLContext:
    # Reading the certificate authorities costs 20 ms and a megabyte, so that all clients share one context, and those
    # of a plain URL get one that trusts nobody.
    return ssl.create_default_context() if secure else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _tls(url: str) -> ssl.SSLContext:
    return _trust(url.lower().startswith("https:"))
