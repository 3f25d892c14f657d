"""Redis: one client per process, short deadlines, and scripts kept in files."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol, cast
from urllib.parse import parse_qs, unquote, urlsplit

from hiredis import pack_command
from redis import Redis, RedisCluster
from redis.backoff import NoBackoff
from redis.client import PubSub
from redis.cluster import ClusterNode
from redis.exceptions import (
    BusyLoadingError,
    ClusterDownError,
    ConnectionError as RedisConnectionError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisClusterException,
    ResponseError,
    SlotNotCoveredError,
    TimeoutError as RedisTimeoutError,
    TryAgainError,
)
from redis.retry import Retry
from redis.sentinel import Sentinel, SentinelConnectionPool

from config import tracing
from models.patience import Patience

LUA = Path(__file__).with_name("lua")
MAX_IDLE = 64
SILENCE_SECONDS = 0.5
"""After an answer that did not come in time, nobody else waits for one this long: a frozen Redis costs one deadline."""
SENTINEL_SCHEME, CLUSTER_SCHEME = "redis+sentinel://", "redis+cluster://"
SENTINEL_SECONDS = 0.3
"""Longest wait for one Sentinel, of which there are others."""
AWAY = (
    RedisConnectionError,
    RedisTimeoutError,
    BusyLoadingError,
    ReadOnlyError,
    OutOfMemoryError,
    ClusterDownError,
    TryAgainError,
)
SILENT = (RedisConnectionError, RedisTimeoutError, RedisClusterException)
"""Those of a cluster that does not answer."""
REFUSALS = ("MISCONF", "NOREPLICAS", "BUSY")
"""Of a Redis that takes no writes, its disk being full or its replicas too few; redis-py has no classes for these."""
HANDOVER_SECONDS = 3.5
"""How long it takes until the Sentinels name the replica to which they had the master hand over: 2 s and a bit."""
FORGOTTEN_SECONDS = 5.0
"""A refusal of a write is the first of a new handover if none came before it for so long."""


class RedisUnavailableError(Exception):
    """Redis did not answer, not in time, or will not take writes. What was asked may or may not have been done."""


def make_redis(url: str, *, deadline: float = 5.0) -> Redis:
    """A client that gives up after `deadline` seconds.

    One retry, on a lost connection only, because after a restart of Redis each pooled connection fails once.
    `redis+sentinel://:password@one:26379,two:26379/0?master=board` names Sentinels, which are asked for the master
    whenever a connection is opened; `redis+cluster://:password@one:6379,two:6379` names nodes of a Redis Cluster.
    """
    options = {
        "socket_timeout": deadline,
        "socket_connect_timeout": min(deadline, 1.0),
        "retry": Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,)),
        "health_check_interval": 0,
        "protocol": 2,
    }
    if url.startswith(SENTINEL_SCHEME):
        return _master(url, options)
    if url.startswith(CLUSTER_SCHEME):
        return _cluster(url, options)
    return Redis.from_url(url, **options)


def server_of(redis: Redis, key: str, section: str = "server") -> dict[str, Any]:
    """What the server that holds a key says about itself."""
    cluster = as_cluster(redis)
    told: dict[str, Any] = (
        cluster.info(section, target_nodes=cluster.get_node_from_key(key)) if cluster else redis.info(section)
    )
    return told


def as_cluster(redis: object) -> RedisCluster | None:
    """The client of a Redis Cluster as what it is, None for any other."""
    return redis if isinstance(redis, RedisCluster) else None


def _master(url: str, options: dict[str, Any]) -> Redis:
    parts = urlsplit(url)
    password = unquote(parts.password) if parts.password else None
    short = {"socket_timeout": SENTINEL_SECONDS, "socket_connect_timeout": SENTINEL_SECONDS}
    sentinel = Sentinel(
        _addresses(url),
        sentinel_kwargs=options | short | {"password": password},
        **options,
        password=password,
        username=unquote(parts.username) if parts.username else None,
        db=int(parts.path.strip("/") or 0),
    )
    master: Redis = sentinel.master_for(parse_qs(parts.query)["master"][0])
    return master


def _cluster(url: str, options: dict[str, Any]) -> Redis:
    parts = urlsplit(url)
    try:
        cluster = RedisCluster(
            startup_nodes=[ClusterNode(host, port) for host, port in _addresses(url)],
            password=unquote(parts.password) if parts.password else None,
            username=unquote(parts.username) if parts.username else None,
            **options,
        )
    except RedisClusterException as error:
        raise RedisUnavailableError(str(error)) from error  # It asks the nodes at once.
    return cast(Redis, cluster)  # It has the same commands.


def _addresses(url: str) -> list[tuple[str, int]]:
    hosts = urlsplit(url).netloc.rpartition("@")[2].split(",")
    return [(host, int(port)) for host, _, port in (address.rpartition(":") for address in hosts)]


@contextmanager
def translate_outage() -> Iterator[None]:
    """Turn every way in which Redis can be away into RedisUnavailableError."""
    try:
        yield
    except AWAY as error:
        raise RedisUnavailableError(str(error)) from error
    except RedisClusterException as error:
        if error.__cause__ is None and not isinstance(error, SlotNotCoveredError):
            raise  # A mistake in what was asked.
        raise RedisUnavailableError(str(error)) from error
    except ResponseError as error:
        if str(error).startswith(REFUSALS):
            raise RedisUnavailableError(str(error)) from error
        raise


class Commands(Protocol):
    """Sends commands and gives their replies."""

    def call(self, *commands: tuple[Any, ...]) -> list[Any]:
        """Raises RedisUnavailableError, or an error reply."""

    def forget_idle(self) -> None:
        """Connect anew for the next call: another server is the right one now."""


class RoutedCommands:
    """Commands for a Redis Cluster: each goes to the node that holds its key, on a round trip of its own."""

    def __init__(self, cluster: RedisCluster) -> None:
        """Uses the client's own connections."""
        self._cluster = cluster
        self._silent_until = self._answered_at = 0.0

    def call(self, *commands: tuple[Any, ...]) -> list[Any]:
        """Raises RedisUnavailableError, or an error reply."""
        begun = time.monotonic()
        if begun < self._silent_until:
            raise RedisUnavailableError("no node of Redis answered a moment ago")
        try:
            with translate_outage():
                replies = [self._cluster.execute_command(*command) for command in commands]
        except RedisUnavailableError as error:
            # A refusal is an answer; and where others were answered meanwhile it is one node alone.
            if isinstance(error.__cause__, SILENT) and self._answered_at < begun:
                self._silent_until = time.monotonic() + SILENCE_SECONDS
            raise
        self._answered_at = time.monotonic()
        return replies

    def forget_idle(self) -> None:
        """Nothing is idle here; the client's own connections follow the cluster."""


def quick_commands(redis: Redis) -> Commands:
    """What suits a client."""
    cluster = as_cluster(redis)
    return RoutedCommands(cluster) if cluster else QuickConnection(redis)


def has_moved(redis: Redis, pubsub: PubSub) -> bool:
    """Whether the Sentinels name another master than the one that a subscription is with.

    One that is cut off from them alone answers as before, and nobody publishes there any more. False without Sentinels,
    and while they name nobody.
    """
    pool: Any = getattr(redis, "connection_pool", None)  # A cluster's client has none.
    own: Any = pubsub.connection  # Of which redis-py says that it is None, always.
    if not isinstance(pool, SentinelConnectionPool) or own is None:
        return False
    try:
        return bool(pool.get_master_address() != (own.host, own.port))
    except AWAY:
        return False


class QuickConnection:
    """Commands on redis-py's connections without the checks and wrappers of its client, for the hottest paths.

    A pooled connection is polled before each use and a command passes a dozen layers, which costs more CPU than talking
    to Redis does; see ADR 0010. A connection that was idle may have died meanwhile, so it gets a second try.
    """

    def __init__(self, redis: Redis) -> None:
        """Connects at the first call, with the settings of the client."""
        self._pool = redis.connection_pool
        self._silent_until = self._answered_at = self._refused_at = 0.0
        self._patience, self._patience_of_writers = Patience(HANDOVER_SECONDS), Patience(HANDOVER_SECONDS)
        self._has_sentinels = isinstance(self._pool, SentinelConnectionPool)
        self._idle: list[Any] = []  # redis-py's AbstractConnection, which has no types

    def call(self, *commands: tuple[Any, ...]) -> list[Any]:
        """Send commands in one go and return their replies. Raises RedisUnavailableError, or an error reply.

        Asks again while another master may be taking over. All that is asked here may be asked twice.
        """
        begun, waited = time.monotonic(), self._patience
        with tracing.span(str(commands[0][0]), db_system_name="redis"), translate_outage():
            while True:
                if time.monotonic() < self._silent_until:
                    raise RedisTimeoutError("Redis did not answer a moment ago")
                try:
                    replies = self._call_once(commands)
                except (ResponseError, RedisConnectionError) as error:
                    if not self._may_be_handed_over(error):
                        raise
                    self.forget_idle()  # Whoever connects asks which one is the master now.
                    waited = self._patience_with(error)
                    if not waited.wait(begun):
                        raise
                else:
                    self._patience.answered()
                    waited.answered()
                    return replies

    def _patience_with(self, error: Exception) -> Patience:
        """A master that takes no writes answers those who read, which does not mean that waiting for it is worth it."""
        if isinstance(error, RedisConnectionError):
            return self._patience
        now = time.monotonic()
        if now > self._refused_at + FORGOTTEN_SECONDS:
            self._patience_of_writers.answered()
        self._refused_at = now
        return self._patience_of_writers

    def _may_be_handed_over(self, error: Exception) -> bool:
        """Whether another master may be taking over: this one is lost, none any more, or without replicas."""
        lost = self._has_sentinels and isinstance(error, RedisConnectionError)
        return lost or isinstance(error, ReadOnlyError) or str(error).startswith("NOREPLICAS")

    def _call_once(self, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
        begun = time.monotonic()
        try:
            if self._idle:
                with suppress(RedisConnectionError):
                    return self._exchange(self._idle.pop(), commands)
                self.forget_idle()
            return self._exchange(self._connect(), commands)
        except RedisTimeoutError:
            if self._answered_at < begun:  # Else it is this process that was held up.
                self._silent_until = time.monotonic() + SILENCE_SECONDS
                self.forget_idle()  # Another server may be the master by now.
            raise

    def _connect(self) -> Any:
        """A connection of our own: the pool counts those it makes, failed ones too, and refuses after a while."""
        connection: Any = self._pool.connection_class(**self._pool.connection_kwargs)
        connection.connect()  # Sending would connect too, but without asking Sentinel where to.
        return connection

    def _exchange(self, connection: Any, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
        try:
            connection.send_packed_command([pack_command(command) for command in commands], check_health=False)
            replies = [_reply_or_refusal(connection) for _ in commands]
        except BaseException:
            connection.disconnect()  # What is left of a reply must not answer the next command.
            raise
        self._answered_at = time.monotonic()
        if len(self._idle) < MAX_IDLE:
            self._idle.append(connection)
        else:
            connection.disconnect()
        return _granted(replies)

    def forget_idle(self) -> None:
        """They were all opened to a server that is gone, or is the right one no more."""
        while self._idle:
            self._idle.pop().disconnect()


def _granted(replies: list[Any]) -> list[Any]:
    """The replies, or the first error among them raised; nothing here keeps it, and so all above it."""
    refusal = next((reply for reply in replies if isinstance(reply, ResponseError)), None)
    if refusal is None:
        return replies
    replies.clear()
    try:
        raise refusal
    finally:
        del refusal


def _reply_or_refusal(connection: Any) -> Any:
    """One reply, be it an error: the connection is as good as before. A new one for each takes memory in pieces."""
    try:
        return _read_reply(connection)
    except ResponseError as error:
        return error


def _read_reply(connection: Any) -> Any:
    """One reply. This process may have been held up itself: what is there when the deadline has passed is taken."""
    try:
        return connection.read_response(disconnect_on_error=False)
    except RedisTimeoutError:
        if not connection.can_read(0):
            raise
        return connection.read_response(disconnect_on_error=False)


def load_script(quick: Commands, name: str) -> Callable[[Sequence[str], Sequence[str | int | bytes]], Any]:
    """The script `lua/<name>.lua` as a function of KEYS and ARGV. Raises RedisUnavailableError."""
    source = (LUA / f"{name}.lua").read_text(encoding="utf-8")
    digest = hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()  # As EVALSHA names scripts.

    def run(keys: Sequence[str], arguments: Sequence[str | int | bytes]) -> Any:
        try:
            (reply,) = quick.call(("EVALSHA", digest, len(keys), *keys, *arguments))
        except NoScriptError:
            (reply,) = quick.call(("EVAL", source, len(keys), *keys, *arguments))
        return reply

    return run
