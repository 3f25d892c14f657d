"""Engines: how a process reaches PostgreSQL, under which role, and for how long it waits."""

from __future__ import annotations

import select
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from typing import Any

import psycopg2
import psycopg2.errors
from psycopg2 import extensions
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError, DisconnectionError, TimeoutError as PoolTimeoutError

from config import tracing
from config.cause import arrived
from models.nodes import NoAnswerError, Nodes, engine_url, follows, poll, split_hosts, wait_callback
from models.patience import Patience

APPLICATION_ROLE = "fairboard_app"
POOL_SECONDS = 0.4
"""Longest wait for a free connection: it comes before the wait for an answer, and both must fit into a request."""
SEVERAL_NODES = "several_nodes"
"""Whether there is another node that could become the primary, among an engine's options."""
LOST, OPENED = "lost", "opened"
"""The engine's Lost among its options, and since when a connection is open in the notes about it."""
FOLLOWED = "followed"
"""When a connection to a standby was last found to be fresh, in the notes about it."""
FOLLOW_SECONDS = 10.0
"""How long that is believed."""
UNCONFIRMED = "synchronous replication"
"""In the warning that comes with a commit which no second node has confirmed, and which looks like a success."""

AWAY = (psycopg2.OperationalError, psycopg2.InterfaceError, psycopg2.errors.ReadOnlySqlTransaction)
"""Of a PostgreSQL that does not answer, or that is a standby and takes no writes."""
ANSWERED = (psycopg2.errors.QueryCanceled, psycopg2.errors.LockNotAvailable)
"""Those of them that PostgreSQL itself says: the statement took too long."""
TOO_LATE = (NoAnswerError, *ANSWERED)
"""Those of them after which the time for an answer is over."""
HANDOVER_SECONDS = 3.0
"""How long one node takes to hand over to another when it is asked to."""
_PATIENCE = Patience(HANDOVER_SECONDS)


class Lost:
    """When an engine last lost PostgreSQL (`time.monotonic()`): what was opened until then is not used again."""

    at = 0.0


class DatabaseUnavailableError(Exception):
    """PostgreSQL did not answer, or not in time. What was asked may or may not have been done."""


class UnconfirmedError(DatabaseUnavailableError):
    """It is committed on the primary alone, and lost if that is lost now. Asking again tells what became of it."""


def make_engine(
    url: str,
    *,
    pool_size: int = 5,
    deadline: float = 30.0,
    role: str | None = APPLICATION_ROLE,
    ping: bool = False,
    standby: bool = False,
    primary: str = "",
) -> Engine:
    """An engine in autocommit, since each score function is a transaction of its own; `transaction` opens longer ones.

    The role and the server's own `statement_timeout` travel with the connection request and cost no round trip.
    `deadline` is in seconds and bounds one statement; the server gives up a little earlier (`server_millis`). `ping`
    asks a connection whether it lives before each use: a round trip that requests do without, and that spares
    background work a failure after a restart of PostgreSQL.
    A URL may name several nodes, `one:5432,two:5432`, among which the primary is looked for, or a standby that follows
    it (`standby`); where none does, `primary` is the URL to look for the primary in.
    """
    millis = server_millis(deadline)
    options = f"-c statement_timeout={millis} -c lock_timeout={millis} -c timezone=UTC"
    if role:
        options += f" -c role={role}"
    arguments = {"options": options, "connect_timeout": 2, "application_name": "fairboard"}
    lost = Lost()
    engine = create_engine(
        engine_url(url),
        creator=Nodes(url, arguments, standby=standby, primary=primary).connect,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=min(deadline, POOL_SECONDS),
        hide_parameters=True,  # Errors go to the log, and parameters hold hashes of passwords and tokens.
        pool_recycle=1800,
        # Autocommit leaves nothing to roll back, so a connection goes back to the pool as it is.
        pool_reset_on_return=None,
        pool_pre_ping=ping,
        execution_options={SEVERAL_NODES: len(split_hosts(url)) > 1, LOST: lost},
    )
    # Set on the driver's connection, because SQLAlchemy's own AUTOCOMMIT is set and taken back around each statement.
    event.listen(engine, "connect", lambda _, record: record.info.update({OPENED: time.monotonic()}))
    event.listen(engine, "checkout", partial(_check_out, lost))
    if standby:
        event.listen(engine, "checkout", _check_follows)
    # Here and not later, because SQLAlchemy empties the list of notices after each statement.
    event.listen(engine, "after_cursor_execute", lambda connection, cursor, *_: _confirm(cursor.connection))
    return engine


def server_millis(deadline: float) -> int:
    """How long PostgreSQL itself works on a statement: a little less than the client waits for it.

    So a slow statement gets an answer, and is not taken for a server that is silent: then every connection would be
    replaced and the primary left alone.
    """
    return max(1, int((deadline - min(0.2, deadline / 5)) * 1000))


def fill_pool(engine: Engine, size: int) -> None:
    """Open all connections of a pool. Raises DatabaseUnavailableError at the first that fails."""
    with translate_outage(), ExitStack() as held:
        for _ in range(size):
            held.enter_context(closing(engine.raw_connection()))


def execute_once(engine: Engine, statement: str, parameters: Sequence[Any]) -> tuple[Any, ...]:
    """The one row of one statement of the driver's own (`%s`), committed at once: half the CPU of `autocommit`.

    For the hottest statements only. While one of several nodes hands over to another, it waits and says the statement
    again, so that has to be one that may be said twice. Raises DatabaseUnavailableError.
    """
    begun = arrived()  # What the request has waited for before counts as well.
    with tracing.span(statement[:60], db_system_name="postgresql", db_query_text=statement), translate_outage():
        while True:
            try:
                row = _execute(engine, statement, parameters)
            except (*AWAY, PoolTimeoutError) as error:
                if not _may_be_handed_over(engine, error) or not _PATIENCE.wait(begun):
                    raise
            else:
                _PATIENCE.answered()
                return row


def _may_be_handed_over(engine: Engine, error: Exception) -> bool:
    """Whether waiting may help: too few connections are a reason only while all of them look for the new primary."""
    if not engine.get_execution_options()[SEVERAL_NODES] or isinstance(error, TOO_LATE):
        return False
    return _PATIENCE.waiting or not isinstance(error, PoolTimeoutError)


def _execute(engine: Engine, statement: str, parameters: Sequence[Any]) -> tuple[Any, ...]:
    connection = engine.raw_connection()
    try:
        cursor = connection.cursor()
        cursor.execute(statement, parameters)
        _confirm(connection.dbapi_connection)
        return tuple(cursor.fetchone() or ())
    except ANSWERED:
        raise  # It is there and works; a new pool would only have it work more.
    except AWAY as error:
        connection.invalidate(error)
        # The others were opened to the same server; each would cost one more failure. A new pool is no way out: what
        # others have in hand would go back to the old one, and stay open until that is collected as garbage.
        engine.get_execution_options()[LOST].at = time.monotonic()
        raise
    finally:
        connection.close()


@contextmanager
def autocommit(engine: Engine) -> Iterator[Connection]:
    """A connection on which every statement commits at once. Raises DatabaseUnavailableError."""
    with translate_outage(), engine.connect() as connection:
        yield connection


@contextmanager
def transaction(engine: Engine) -> Iterator[Connection]:
    """A connection in one transaction that commits at the end of the block. Raises DatabaseUnavailableError."""
    with translate_outage(), engine.connect().execution_options(isolation_level="READ COMMITTED") as connection:
        with connection.begin():
            yield connection
        _confirm(connection.connection.dbapi_connection)


@contextmanager
def snapshot(engine: Engine) -> Iterator[Connection]:
    """A read-only connection that sees PostgreSQL as of one moment. Raises DatabaseUnavailableError."""
    with (
        translate_outage(),
        engine.connect().execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True) as connection,
        connection.begin(),
    ):
        yield connection


@contextmanager
def translate_outage() -> Iterator[None]:
    """Tell "PostgreSQL is away" from a mistake of ours: only the first can be mended by trying again."""
    try:
        yield
    except PoolTimeoutError as error:
        _let_go(error)
        raise DatabaseUnavailableError("no free connection to PostgreSQL in time") from error
    except AWAY as error:
        _let_go(error)
        raise DatabaseUnavailableError(str(error)) from error
    except DBAPIError as error:
        if error.connection_invalidated or isinstance(error.orig, AWAY):
            _let_go(error)
            raise DatabaseUnavailableError(str(error)) from error
        raise


def _let_go(error: BaseException | None) -> None:
    """Let the frames of a failure forget their variables.

    SQLAlchemy's hold the error itself, and one of ours the connection: a circle, and a socket that stays open until
    the garbage collector comes by. In an outage there are thousands of them.
    """
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__


def use_gevent(deadline: float) -> None:
    """Let psycopg2 yield to other greenlets while it waits, for at most `deadline` seconds each time.

    Without this the event loop stands still during each query. libpq ignores `connect_timeout` in this mode, which is
    why the deadline is ours: a frozen server would otherwise hold a request for ever.
    """
    from gevent.socket import wait_read, wait_write  # noqa: PLC0415 -- only web processes have an event loop

    def wait(descriptor: int, event: int, seconds: float) -> bool:
        try:
            (wait_read if event == select.POLLIN else wait_write)(descriptor, timeout=seconds)
        except TimeoutError:
            return False
        return True

    extensions.set_wait_callback(wait_callback(wait, deadline))


def use_deadline(deadline: float) -> None:
    """The same in a process without an event loop: psycopg2 waits for at most `deadline` seconds each time."""
    extensions.set_wait_callback(wait_callback(poll, deadline))


def _confirm(connection: Any) -> None:
    """Raise UnconfirmedError if the last commit was not confirmed by a second node. No round trip."""
    if not connection.notices:
        return
    notices = connection.notices[:]
    connection.notices.clear()
    if any(UNCONFIRMED in notice for notice in notices):
        raise UnconfirmedError("committed on the primary alone: no standby confirmed it")


def _check_out(lost: Lost, connection: Any, record: Any, *_: object) -> None:
    """Before each use: a connection that lives, in autocommit."""
    if connection.closed or record.info[OPENED] <= lost.at or _was_ended(connection.fileno()):
        raise DisconnectionError  # The pool then opens another one, and nobody notices.
    connection.autocommit = True
    connection.notices.clear()  # What the one before was told does not concern the next.


def _check_follows(connection: Any, record: Any, *_: object) -> None:
    """Now and then, whether what is read is still fresh; if not, the pool opens another connection, elsewhere."""
    now = time.monotonic()
    if now - record.info.get(FOLLOWED, record.info[OPENED]) < FOLLOW_SECONDS:
        return
    if not follows(connection):
        raise DisconnectionError
    record.info[FOLLOWED] = now


def _was_ended(descriptor: int) -> bool:
    """Whether the server has hung up, as the kernel knows: a microsecond, no round trip, and nothing is waited for."""
    monkey = sys.modules.get("gevent.monkey")  # Its own poll takes fifty times as long.
    poller = (monkey.get_original("select", "poll") if monkey else select.poll)()
    poller.register(descriptor, getattr(select, "POLLRDHUP", 0))  # An end in any other way is always told.
    return bool(poller.poll(0))
