"""The live board over a WebSocket."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Self

from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.sync.client import ClientConnection, connect

from fairboard_client.backoff import Backoff
from fairboard_client.errors import FairboardError, from_answer
from fairboard_client.types import Board

HEARTBEAT_SECONDS = 20
BOARD_EVENTS = ("leaderboard:initial", "leaderboard:update")
# The server means this client with these: coming back would only repeat the fault.
FATAL_CLOSES = (1003, 1007, 1008, 1009)


@dataclass(frozen=True, slots=True)
class Peer:
    """Where the server is and how it is reached; `direct` leaves out the proxies that the environment names."""

    url: str
    local_address: str | None = None
    direct: bool = False
    user_agent: str = "fairboard-client"
    timeout: float = 10.0


class BoardStream:
    """An iterable of boards, each newer than the one before.

    It reconnects with backoff and jitter when the connection breaks or a heartbeat stays unanswered, renews the access
    token when it has expired, and ends when `close` is called, from any thread. A refusal that trying again would not
    change is raised as FairboardError.
    """

    def __init__(
        self,
        peer: Peer,
        *,
        bearer: Callable[[], str | None],
        renew: Callable[[str], None],
        backoff: Backoff | None = None,
    ) -> None:
        self.version = -1
        self._peer = peer
        self._bearer = bearer
        self._renew = renew
        self._backoff = backoff or Backoff()
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._socket: ClientConnection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the iteration, also one that waits in another thread."""
        with self._lock:
            self._closed.set()
            socket, self._socket = self._socket, None
        if socket is not None:
            socket.close()

    def deliver_to(self, callback: Callable[[Board], None]) -> None:
        """Call back with every board until the stream is closed."""
        for board in self:
            callback(board)

    def __iter__(self) -> Iterator[Board]:
        while not self._closed.is_set():
            try:
                yield from self._boards_of_one_connection()
            except InvalidStatus as refusal:
                self._consider(refusal)
            except ConnectionClosed as closed:
                self._raise_if_fatal(closed)
            except (OSError, WebSocketException):
                pass  # The server is away, or something in between is: that is what the wait is for.
            if not self._closed.is_set():
                self._closed.wait(self._backoff.next())

    def _boards_of_one_connection(self) -> Iterator[Board]:
        socket = self._open()
        try:
            if not self._adopt(socket):
                return
            socket.send('{"event":"join","data":{"room":"leaderboard"}}')
            for text in socket:
                board = self._read(text)
                # A frame arrived, so the next break is a new one. Old versions can come from a lagging process.
                self._backoff.reset()
                if board is not None and board.version > self.version:
                    self.version = board.version
                    yield board
        finally:
            socket.close()

    def _open(self) -> ClientConnection:
        token = self._bearer()
        source: dict[str, Any] = {"source_address": (self._peer.local_address, 0)} if self._peer.local_address else {}
        return connect(
            self._peer.url,
            additional_headers={"Authorization": f"Bearer {token}"} if token else None,
            user_agent_header=self._peer.user_agent,
            compression=None,
            proxy=None if self._peer.direct else True,
            open_timeout=self._peer.timeout,
            ping_interval=HEARTBEAT_SECONDS,
            ping_timeout=HEARTBEAT_SECONDS,
            close_timeout=1,
            legacy=True,
            **source,
        )

    def _adopt(self, socket: ClientConnection) -> bool:
        """Make the connection the one that `close` ends; False where `close` came first."""
        with self._lock:
            if self._closed.is_set():
                return False
            self._socket = socket
            return True

    @staticmethod
    def _read(text: str | bytes) -> Board | None:
        """The board in a frame; None for other events. An error event is raised."""
        try:
            frame: Any = json.loads(text)
            if frame["event"] in BOARD_EVENTS:
                return Board.read(frame["data"])
            problem = frame["data"] if frame["event"] == "error" else None
        except (KeyError, TypeError, ValueError) as error:
            raise FairboardError(0, "UNEXPECTED_ANSWER", f"{type(error).__name__}: {error}") from error
        if problem is not None:
            raise FairboardError(0, str(problem.get("code")), str(problem.get("detail", "")))
        return None

    def _consider(self, refusal: InvalidStatus) -> None:
        """Renew an expired token, let a busy server be tried again, and raise every other refusal."""
        response = refusal.response
        error = from_answer(response.status_code, response.headers, response.body or b"")
        token = self._bearer()
        if error.code == "TOKEN_EXPIRED" and token is not None:
            try:
                self._renew(token)
            except FairboardError as failure:
                error = failure
            else:
                return
        if not error.passing:
            raise error from refusal
        if error.retry_after:
            self._closed.wait(error.retry_after)

    @staticmethod
    def _raise_if_fatal(closed: ConnectionClosed) -> None:
        frame = closed.rcvd
        if frame is not None and frame.code in FATAL_CLOSES:
            raise FairboardError(0, f"CLOSED_{frame.code}", frame.reason) from closed
