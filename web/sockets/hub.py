"""The hub: keeps the sockets of one process and sends each of them the newest board.

One subscriber hears the channel and only stores what it heard; each client has one writer and room for one board, so a
slow reader skips versions, ends on the last one, and never holds up another.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from redis.client import PubSub
from redis.exceptions import TimeoutError as RedisTimeoutError
from simple_websocket import ConnectionClosed, Server

from services.errors import ServiceUnavailable
from services.leaderboard.keys import BoardKeys
from services.leaderboard.reading import read_board
from services.redis_client import AWAY
from services.resources import Resources
from web.metrics import BROADCAST_LAG, FRAMES, SOCKETS

log = logging.getLogger(__name__)

RECONNECT_SECONDS = 0.5
HEALTH_SECONDS = 5
MAX_REPLIES = 64
ANYBODY = 0
"""The user id of those who watch a public board without an account."""


class Client:
    """One socket: a writer of its own, the frames it must get in order, and the newest board that waits."""

    def __init__(self, socket: Server, user_id: int) -> None:
        """Starts the writer."""
        self.socket = socket
        self.user_id = user_id
        self._replies: list[str] = []
        self._initial: str | None = None
        self._board: tuple[int, str] | None = None
        self._version = -1
        self._held = False
        self._event = threading.Event()
        self._sent = threading.Event()
        self._open = True
        threading.Thread(target=self._write, name="writer", daemon=True).start()

    def reply(self, frame: str) -> None:
        """Queue a frame that may not be skipped. Only answers to this client's own messages are such."""
        if len(self._replies) >= MAX_REPLIES:
            self.socket.sock.shut()  # Asks and asks, and never reads.
            return
        self._replies.append(frame)
        self._event.set()

    def hold(self) -> None:
        """Keep boards back until `begin`."""
        self._held = True

    def begin(self, version: int, frame: str) -> None:
        """Send the initial board, then whatever is newer. Of several that wait the last will do."""
        self._version = version
        self._initial = frame
        self._held = False
        self._event.set()

    def forget(self) -> None:
        """Drop the boards that wait."""
        self._initial = self._board = None

    def offer(self, version: int, frame: str) -> None:
        """A newer board takes the place of the one that waits."""
        if version > (self._board[0] if self._board else self._version):
            self._board = (version, frame)
            self._event.set()

    def drain(self) -> None:
        """Wait until the writer has sent every reply, or has given up."""
        while self._open and self._replies and self.socket.connected:
            self._sent.wait(timeout=1)
            self._sent.clear()

    def stop(self) -> None:
        """End the writer."""
        self._open = False
        self._event.set()

    def _write(self) -> None:
        with suppress(ConnectionClosed, OSError):
            while self._open:
                self._event.wait()
                self._event.clear()
                self._write_waiting()

    def _write_waiting(self) -> None:
        while self._open and (frame := self._next()) is not None:
            self.socket.send(frame)
            FRAMES.inc()
            self._sent.set()

    def _next(self) -> str | None:
        if self._replies:
            return self._replies.pop(0)
        if self._initial is not None:
            frame, self._initial = self._initial, None
            return frame
        waiting = None if self._held else self._board
        if waiting is None:
            return None
        self._board = None
        if waiting[0] <= self._version:
            return self._next()
        self._version = waiting[0]
        return waiting[1]


class Hub:
    """All sockets of this process that watch one board."""

    def __init__(self, resources: Resources, board: str) -> None:
        """Nothing is connected before the first socket, hence after gunicorn's fork."""
        self._resources = resources
        self._board = board
        self._sockets: set[Server] = set()
        self._clients: set[Client] = set()
        self._room: set[Client] = set()
        self._per_player: Counter[int] = Counter()
        self._subscribed = threading.Event()
        self._lock = threading.Lock()
        self._started = False
        self.closing = False

    def open(self, socket: Server) -> None:
        """Know a socket, whoever it belongs to."""
        self._sockets.add(socket)
        SOCKETS.inc()

    def close(self, socket: Server) -> None:
        """Forget a socket."""
        self._sockets.discard(socket)
        SOCKETS.dec()

    def enter(self, client: Client) -> bool:
        """Take a client in. False if the player holds too many sockets already."""
        held = self._per_player[client.user_id]
        if client.user_id != ANYBODY and held >= self._resources.settings.sockets_per_player:
            return False
        self._per_player[client.user_id] += 1
        self._clients.add(client)
        return True

    def join(self, client: Client) -> None:
        """Put a client into the room: subscribe, then read, then send, so that no change falls between.

        Raises ServiceUnavailable when the board cannot be read.
        """
        self._start()
        client.hold()
        self._room.add(client)
        self._subscribed.wait(timeout=self._resources.redis_deadline)
        try:
            body = read_board(self._resources, self._board).body.decode()
        except ServiceUnavailable:
            self.leave(client)
            raise
        client.begin(_version(body), frame("leaderboard:initial", body))

    def leave(self, client: Client) -> None:
        """Take a client out of the room."""
        self._room.discard(client)
        client.forget()

    def discard(self, client: Client) -> None:
        """Forget a client whose socket is closed."""
        self.leave(client)
        client.stop()
        if client in self._clients:
            self._clients.discard(client)
            self._per_player[client.user_id] -= 1
            if not self._per_player[client.user_id]:
                del self._per_player[client.user_id]

    def close_all(self, code: int) -> None:
        """Say goodbye to everybody, as before a restart."""
        self.closing = True
        for socket in list(self._sockets):
            with suppress(ConnectionClosed, OSError):
                socket.close(code)
            socket.event.set()

    def broadcast(self, body: str) -> None:
        """Offer a board to everybody in the room."""
        version, text = _version(body), frame("leaderboard:update", body)
        for client in list(self._room):
            client.offer(version, text)

    def _start(self) -> None:
        with self._lock:
            if not self._started:
                self._started = True
                threading.Thread(target=self._listen, name="subscriber", daemon=True).start()

    def _listen(self) -> None:
        pause = threading.Event()
        while True:
            try:
                self._hear()
            except AWAY as error:
                log.warning("the channel is away, will subscribe again: %s", error)
            except Exception:
                log.exception("the subscriber failed")  # It must live as long as the process.
            self._subscribed.clear()
            pause.wait(RECONNECT_SECONDS)

    def _hear(self) -> None:
        pubsub: PubSub = self._resources.redis.pubsub()
        try:
            pubsub.subscribe(BoardKeys(self._board).updates)
            asked = False
            while True:
                message = pubsub.get_message(timeout=HEALTH_SECONDS)
                if message is not None:
                    asked = False
                    self._take(message)
                elif asked:
                    raise RedisTimeoutError("no answer to a ping")
                else:
                    asked = True
                    pubsub.ping()
        finally:
            _close(pubsub)

    def _take(self, message: dict[str, Any]) -> None:
        """Each confirmed subscription may follow a gap in which frames were lost: read the board anew."""
        if message["type"] == "subscribe":
            self._subscribed.set()
            with suppress(ServiceUnavailable):
                self.broadcast(read_board(self._resources, self._board).body.decode())
        elif message["type"] == "message":
            body = message["data"].decode()
            BROADCAST_LAG.observe(max(0.0, time.time() - _updated_at(body)))
            self.broadcast(body)


def frame(event: str, body: str) -> str:
    """A text frame; `body` is JSON already."""
    return f'{{"event":"{event}","data":{body}}}'


def _version(body: str) -> int:
    return int(json.loads(body)["version"])


def _updated_at(body: str) -> float:
    return datetime.fromisoformat(json.loads(body)["updatedAt"]).astimezone(UTC).timestamp()


def _close(pubsub: PubSub) -> None:
    with suppress(*AWAY):
        pubsub.close()
