"""Several PostgreSQL nodes behind one URL: which of them is the primary, and how long anybody waits for one.

libpq rolls over to the next host by itself, but with a wait callback (gevent) it neither does that nor minds
`connect_timeout` (psycogreen#2, psycopg2#1253). So each node is tried on its own, under a deadline of ours.
"""

from __future__ import annotations

import select
import time
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import Any, NamedTuple
from urllib.parse import urlsplit, urlunsplit

import psycopg2
from psycopg2 import extensions
from sqlalchemy import URL, make_url
from sqlalchemy.dialects.postgresql.psycopg2 import PGDialect_psycopg2

from models.addresses import NoAddressError, with_addresses

CONNECT_SECONDS, LATER_SECONDS = 1.0, 0.5
"""Longest wait for one node to let a client in, and for each other one after it."""
SILENCE_SECONDS = 2.0
"""A node that did not answer in time is not asked again for this long, if there are others."""

_FOLLOWS = """
    SELECT NOT pg_is_in_recovery() OR EXISTS (SELECT FROM pg_stat_wal_receiver) AND (
        pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn()
        OR now() - pg_last_xact_replay_timestamp() < interval '10 seconds')
"""

Wait = Callable[[int, int, float], bool]
"""Waits for an event on a descriptor for some seconds at most; whether it came."""


class Node(NamedTuple):
    """The address of a PostgreSQL."""

    host: str
    port: int


_connect_seconds = ContextVar("connect seconds", default=CONNECT_SECONDS)
_silent: dict[Node, float] = {}
"""Until when each node is left alone. All connections of a process learn from one that waited in vain."""


def split_hosts(url: str) -> tuple[str, ...]:
    """One URL for each host of `postgresql://user:password@one:5432,two:5432/name`."""
    parts = urlsplit(url)
    account, at, hosts = parts.netloc.rpartition("@")
    return tuple(urlunsplit(parts._replace(netloc=f"{account}{at}{host}")) for host in hosts.split(","))


def engine_url(url: str) -> URL:
    """The first host's, for SQLAlchemy, which takes a bare `postgresql://` for psycopg 3."""
    return make_url(split_hosts(url)[0]).set(drivername="postgresql+psycopg2")


class Nodes:
    """Connects to the primary among some nodes, or to a standby that follows it (`standby`).

    Where none follows, the primary will do, and where there is none either, any node.
    """

    def __init__(
        self, url: str, arguments: dict[str, Any], *, standby: bool = False, database: str = "", primary: str = ""
    ) -> None:
        """`arguments` are those of `psycopg2.connect` besides the URL's own; `database` is another than the URL's.

        `primary` is a URL with the primary in it, where that is not in `url`.
        """
        own = {**arguments, **({"dbname": database} if database else {})}
        urls = (*split_hosts(url), *(split_hosts(primary) if primary else ()))
        different: dict[tuple[Node, Any], dict[str, Any]] = {}
        for arguments_of_one in [_arguments_of(one) | own for one in urls]:
            # Both URLs may name the same nodes, and each is to be tried once in a turn, by the first one's login.
            different.setdefault((_node_of(arguments_of_one), arguments_of_one.get("dbname")), arguments_of_one)
        self._arguments = list(different.values())
        self._wanted = ("standby", "read-write", "any") if standby else ("read-write",)
        self._last = 0

    @property
    def addresses(self) -> list[Node]:
        """Every node."""
        return [_node_of(arguments) for arguments in self._arguments]

    def connect(self) -> Any:
        """A connection to the node that was the right one last, else to the next that is. Raises OperationalError.

        Two nodes that are silent take no longer than CONNECT_SECONDS and LATER_SECONDS: somebody waits for the answer.
        """
        _connect_seconds.set(CONNECT_SECONDS)
        if len(self._arguments) == 1:
            return psycopg2.connect(**with_addresses(self._arguments[0]))
        refusals: list[str] = []
        for wanted in self._wanted:
            for number in self._order():
                try:
                    connection = self._try(number, wanted)
                except psycopg2.OperationalError as error:
                    refusals.append(str(error).strip())
                    if isinstance(error, NoAnswerError):
                        _connect_seconds.set(LATER_SECONDS)
                    continue
                self._last = number
                return connection
        raise psycopg2.OperationalError("no primary: " + ("; ".join(refusals) or "no node answered a moment ago"))

    def _order(self) -> Sequence[int]:
        now, count = time.monotonic(), len(self._arguments)
        numbers = [(self._last + offset) % count for offset in range(count)]
        return [number for number in numbers if _silent.get(_node_of(self._arguments[number]), 0.0) <= now]

    def _try(self, number: int, wanted: str) -> Any:
        arguments = self._arguments[number]
        try:
            connection = psycopg2.connect(**with_addresses(arguments), target_session_attrs=wanted)
            if wanted == "standby" and not follows(connection):
                connection.close()
                raise psycopg2.OperationalError("a standby that does not follow")
        except (NoAnswerError, NoAddressError):
            fall_silent(_node_of(arguments))
            raise
        return connection


def follows(connection: Any) -> bool:
    """Whether what is read here is at most some seconds old: it is the primary, or a standby that follows it.

    Of a standby that receives nothing nobody knows how far behind it is.
    """
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(_FOLLOWS)
        return bool(cursor.fetchone()[0])


class NoAnswerError(psycopg2.OperationalError):
    """A deadline passed; what was asked may or may not have been done."""


def fall_silent(node: Node) -> None:
    """Leave a node alone for a moment, because it does not answer."""
    _silent[node] = time.monotonic() + SILENCE_SECONDS


def answered(node: Node) -> None:
    """A node answers: it may be asked again."""
    _silent.pop(node, None)


def wait_callback(wait: Wait, deadline: float) -> Callable[[Any], None]:
    """What psycopg2 calls to wait for an answer: for `deadline` seconds in all, less when it connects.

    It never cancels what it waits for. A COMMIT that is cancelled while a standby is to confirm it counts as done on
    the primary alone, and could be lost with it.
    """

    def wait_for_answer(connection: Any) -> None:
        connecting = connection.status == extensions.STATUS_SETUP
        end = time.monotonic() + (min(_connect_seconds.get(), deadline) if connecting else deadline)
        while (state := connection.poll()) != extensions.POLL_OK:
            event = select.POLLIN if state == extensions.POLL_READ else select.POLLOUT
            # This process may have been held up itself: an answer that is there by now is taken.
            if not wait(connection.fileno(), event, max(0.0, end - time.monotonic())) and not poll(
                connection.fileno(), event, 0
            ):
                if not connecting:
                    fall_silent(Node(connection.info.host, connection.info.port))
                raise NoAnswerError("no answer in time")

    return wait_for_answer


def poll(descriptor: int, event: int, seconds: float) -> bool:
    """Wait in a process without an event loop."""
    poller = select.poll()
    poller.register(descriptor, event)
    return bool(poller.poll(seconds * 1000))


def _arguments_of(url: str) -> dict[str, Any]:
    dialect: Any = PGDialect_psycopg2  # SQLAlchemy gives it no types.
    _, arguments = dialect().create_connect_args(make_url(url))
    return dict(arguments)


def _node_of(arguments: dict[str, Any]) -> Node:
    return Node(str(arguments.get("host", "")), int(arguments.get("port", 5432)))
