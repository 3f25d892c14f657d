"""What this process hears from Redis: new boards, and sessions that ended. It only stores; others send."""

from __future__ import annotations

import json
import logging
import time
from contextlib import suppress
from datetime import datetime
from typing import Any, Protocol

import gevent
from gevent.event import Event
from redis.client import PubSub
from redis.exceptions import ConnectionError as RedisConnectionError, TimeoutError as RedisTimeoutError

from services.leaderboard.keys import BoardKeys
from services.redis_client import AWAY, has_moved
from services.resources import Resources
from services.sessions import ENDED_CHANNEL
from web.metrics import BROADCAST_LAG

log = logging.getLogger(__name__)

RECONNECT_SECONDS = 0.5
HEALTH_SECONDS = 1.5


class Listener(Protocol):
    """Who is told. None of it may wait for a socket."""

    def board_changed(self, body: str) -> None:
        """A board was published."""

    def board_caused(self, version: int, why: dict[str, Any]) -> None:
        """What the board of this version, which is published next, was caused by (`config.cause`)."""

    def session_ended(self, user_id: int, session_id: str | None, reason: str) -> None:
        """A player's session was ended, or all of them."""

    def subscribed(self) -> None:
        """From here on nothing is missed; what happened before may have been."""


class Channel:
    """The one subscriber of a process. Its greenlet is never ended: redis-py would leave a broken connection."""

    def __init__(self, resources: Resources, board: str, listener: Listener) -> None:
        """Nothing is connected before `start`."""
        self._resources = resources
        self._updates, self._causes = BoardKeys(board).updates, BoardKeys(board).causes
        self._listener = listener
        self._started = False
        self._open = Event()

    def start(self) -> None:
        """Listen from now on, for as long as the process lives."""
        if not self._started:
            self._started = True
            gevent.spawn(self._listen)

    def wait(self, seconds: float) -> bool:
        """Whether the subscription stands, or does so within some seconds."""
        return bool(self._open.wait(seconds))

    def _listen(self) -> None:
        while True:
            try:
                self._hear()
            except AWAY as error:
                log.warning("the channel is away, will subscribe again: %s", error)
            except Exception:
                log.exception("the subscriber failed")  # It must live as long as the process.
            self._open.clear()
            gevent.sleep(RECONNECT_SECONDS)

    def _hear(self) -> None:
        pubsub: PubSub = self._resources.redis.pubsub()
        try:
            # On a Redis Cluster the first one chooses the node: that of the board, which then does not pass it on.
            pubsub.subscribe(self._causes, ENDED_CHANNEL, self._updates)
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
                    self._leave_a_former_master(pubsub)
                    pubsub.ping()
        finally:
            with suppress(*AWAY):
                pubsub.close()

    def _leave_a_former_master(self, pubsub: PubSub) -> None:
        if has_moved(self._resources.redis, pubsub):
            self._resources.quick.forget_idle()  # They are with it as well, and reads alone would not notice.
            raise RedisConnectionError("another Redis is the master now")

    def _take(self, message: dict[str, Any]) -> None:
        """The board's channel is confirmed last, so all are open then; each confirmation may follow a gap."""
        own = message["channel"] == self._updates.encode()
        if message["type"] == "subscribe" and own:
            self._open.set()
            self._listener.subscribed()
        elif message["type"] == "message" and own:
            body = message["data"].decode()
            BROADCAST_LAG.observe(max(0.0, time.time() - _updated_at(body)))
            self._listener.board_changed(body)
        elif message["type"] == "message" and message["channel"] == self._causes.encode():
            version, _, why = message["data"].decode().partition(" ")
            self._listener.board_caused(int(version), json.loads(why))
        elif message["type"] == "message":
            ended = json.loads(message["data"])
            self._listener.session_ended(ended["userId"], ended["sessionId"], ended["reason"])


def _updated_at(body: str) -> float:
    return datetime.fromisoformat(json.loads(body)["updatedAt"]).timestamp()
