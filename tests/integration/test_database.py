"""Connections to PostgreSQL: what is committed when, and how an outage is told from a mistake."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

import pytest
from psycopg2 import extensions
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from models import nodes
from models.database import (
    DatabaseUnavailableError,
    autocommit,
    execute_once,
    make_engine,
    server_millis,
    snapshot,
    transaction,
    use_deadline,
)
from services.resources import Resources
from services.sessions import Player
from tests.support.ground import Servers, borrowed
from tests.support.people import People
from tests.support.stack import wait_for

DEADLINE = 1.0
ADD = text("INSERT INTO boards (name) VALUES (:name)")


@pytest.fixture
def hurried(resources: Resources) -> Iterator[Engine]:
    """One connection that waits as briefly as a request does."""
    engine = make_engine(resources.settings.database_url, pool_size=1, deadline=DEADLINE)
    yield engine
    engine.dispose()


def boards(people: People) -> list[str]:
    return [name for (name,) in people.execute("SELECT name FROM boards WHERE name <> 'global' ORDER BY name")]


def test_the_application_works_under_its_role(resources: Resources, people: People) -> None:
    assert people.execute("SELECT current_user, current_setting('TimeZone')") == [("fairboard_app", "UTC")]


def test_each_statement_of_autocommit_counts_at_once(resources: Resources, people: People) -> None:
    with suppress(ZeroDivisionError), autocommit(resources.engine) as connection:
        connection.execute(ADD, {"name": "a"})
        raise ZeroDivisionError
    assert boards(people) == ["a"]


def test_a_transaction_counts_as_a_whole_or_not_at_all(resources: Resources, people: People) -> None:
    with transaction(resources.engine) as connection:
        connection.execute(ADD, {"name": "a"})
        assert boards(people) == []
    with suppress(ZeroDivisionError), transaction(resources.engine) as connection:
        connection.execute(ADD, {"name": "b"})
        raise ZeroDivisionError
    assert boards(people) == ["a"]


def test_a_connection_is_in_autocommit_again_after_a_transaction(hurried: Engine, people: People) -> None:
    for block in (transaction, snapshot):
        with block(hurried) as connection:
            connection.execute(text("SELECT 1"))
    with autocommit(hurried) as connection:
        connection.execute(ADD, {"name": "a"})
        assert boards(people) == ["a"]


def test_a_snapshot_sees_one_moment_and_changes_nothing(resources: Resources, people: People) -> None:
    count = text("SELECT count(*) FROM boards")
    with snapshot(resources.engine) as connection:
        before = connection.execute(count).scalar_one()
        people.execute("INSERT INTO boards (name) VALUES ('a')")
        assert connection.execute(count).scalar_one() == before
        with pytest.raises(DBAPIError, match="read-only"):
            connection.execute(ADD, {"name": "b"})
    assert boards(people) == ["a"]


def test_a_statement_over_the_deadline_is_an_outage(hurried: Engine) -> None:
    started = time.monotonic()
    with pytest.raises(DatabaseUnavailableError), autocommit(hurried) as connection:
        connection.execute(text("SELECT pg_sleep(10)"))
    assert time.monotonic() - started < 10
    with autocommit(hurried) as connection:
        assert connection.execute(text("SELECT 1")).scalar_one() == 1


def test_a_lock_that_is_held_too_long_is_an_outage(servers: Servers, hurried: Engine) -> None:
    with borrowed(servers.postgres.connect()) as holder:
        holder.autocommit = False
        holder.cursor().execute("LOCK TABLE boards IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(DatabaseUnavailableError), autocommit(hurried) as connection:
            connection.execute(ADD, {"name": "a"})


@pytest.mark.parametrize("waiting", ["libpq", "a callback"])
def test_a_statement_that_took_too_long_costs_no_other_connection(resources: Resources, waiting: str) -> None:
    """As in a command, and as in a web process or a worker, which have the same deadline of their own."""
    engine = make_engine(resources.settings.database_url, pool_size=1, deadline=DEADLINE)
    with own_deadline(DEADLINE) if waiting == "a callback" else nullcontext():
        _be_too_slow(engine)
    assert not nodes._silent
    engine.dispose()


def test_postgresql_gives_up_before_its_client_does(hurried: Engine) -> None:
    """An answer that comes at the same moment may be the later one."""
    limits = "SELECT max(setting::int), min(setting::int) FROM pg_settings WHERE name IN ('statement_timeout', %s)"
    assert execute_once(hurried, limits, ["lock_timeout"]) == (800, 800)
    assert server_millis(1.2) == 1000
    assert server_millis(0.001) == 1


def _be_too_slow(engine: Engine) -> None:
    (before,) = execute_once(engine, "SELECT pg_backend_pid()", [])
    with pytest.raises(DatabaseUnavailableError):
        execute_once(engine, "SELECT pg_sleep(10)", [])
    with pytest.raises(DatabaseUnavailableError), autocommit(engine) as connection:
        connection.execute(text("SELECT pg_sleep(10)"))
    assert execute_once(engine, "SELECT pg_backend_pid()", []) == (before,)


@contextmanager
def own_deadline(seconds: float) -> Iterator[None]:
    """Waiting for psycopg2 as workers do."""
    use_deadline(seconds)
    try:
        yield
    finally:
        extensions.set_wait_callback(None)


def test_a_pool_without_a_free_connection_is_an_outage(hurried: Engine) -> None:
    with autocommit(hurried), pytest.raises(DatabaseUnavailableError), autocommit(hurried):
        pass


def cut_connections(servers: Servers) -> None:
    """End all of the application's, and wait until PostgreSQL has done so."""
    servers.superuser(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = 'fairboard_app_login'"
    )


def test_connections_that_are_cut_while_nobody_uses_them_are_replaced(servers: Servers, resources: Resources) -> None:
    with autocommit(resources.engine), autocommit(resources.engine):
        pass
    cut_connections(servers)
    with autocommit(resources.engine) as connection:
        assert connection.execute(text("SELECT 1")).scalar_one() == 1
    assert execute_once(resources.engine, "SELECT %s", [2]) == (2,)


def test_a_connection_that_is_cut_in_use_is_an_outage_once(servers: Servers, resources: Resources) -> None:
    def ask_after_a_cut() -> None:
        with autocommit(resources.engine) as connection:
            cut_connections(servers)
            connection.execute(text("SELECT 1"))

    with pytest.raises(DatabaseUnavailableError):
        ask_after_a_cut()
    with autocommit(resources.engine) as connection, autocommit(resources.engine) as other:
        assert connection.execute(text("SELECT 1")).scalar_one() == other.execute(text("SELECT 1")).scalar_one()


def test_what_others_had_in_hand_during_an_outage_is_not_left_open(resources: Resources, people: People) -> None:
    """Until the garbage collector comes by, it would take PostgreSQL's places."""
    engine = make_engine(resources.settings.database_url, pool_size=3)
    gc.disable()
    try:
        with autocommit(engine) as one, autocommit(engine) as other:
            old = [held.execute(text("SELECT pg_backend_pid()")).scalar_one() for held in (one, other)]
            with pytest.raises(DatabaseUnavailableError):
                execute_once(engine, "DO $$BEGIN RAISE SQLSTATE '25006'; END$$", [])  # As a standby says it.
        with autocommit(engine), autocommit(engine), autocommit(engine):
            pass
        left = "SELECT count(*) FROM pg_stat_activity WHERE pid = ANY(:old)"
        wait_for(lambda: people.execute(left, old=old) == [(0,)], 10, "the end of the connections from before")
    finally:
        gc.enable()
        engine.dispose()


def test_a_server_that_is_not_there_is_an_outage(servers: Servers, resources: Resources) -> None:
    url = resources.settings.database_url.replace(f":{servers.postgres.port}/", ":1/")
    engine = make_engine(url)
    with pytest.raises(DatabaseUnavailableError), autocommit(engine):
        pass


def test_a_refused_connection_leaves_nothing_behind(resources: Resources) -> None:
    """While PostgreSQL starts it refuses thousands, and the garbage collector may come much later."""
    nowhere = make_engine(resources.settings.database_url.rpartition("/")[0] + "/nowhere", deadline=5.0)
    use_deadline(5.0)
    gc.collect()
    gc.disable()
    try:
        before = len(list(Path("/proc/self/fd").iterdir()))
        for _ in range(5):
            with pytest.raises(DatabaseUnavailableError, match="does not exist"), autocommit(nowhere):
                pass
        assert len(list(Path("/proc/self/fd").iterdir())) == before
    finally:
        gc.enable()
        extensions.set_wait_callback(None)


def test_a_mistake_of_ours_is_no_outage(resources: Resources, player: Player) -> None:
    with pytest.raises(IntegrityError), autocommit(resources.engine) as connection:
        connection.execute(text("INSERT INTO ledger_heads (user_id) VALUES (:id)"), {"id": player.user_id})
    with pytest.raises(DBAPIError, match="syntax"), autocommit(resources.engine) as connection:
        connection.execute(text("SELEKT"))
