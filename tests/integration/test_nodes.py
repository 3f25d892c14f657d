"""Several PostgreSQL nodes behind one URL: a primary with a standby, one that hangs, commits that nobody confirmed."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass

import psycopg2
import pytest
from psycopg2 import extensions
from sqlalchemy import Engine, text

from cli.embedded.identity import write_private
from config.catalogue import BOARD
from models import database, nodes
from models.database import (
    DatabaseUnavailableError,
    UnconfirmedError,
    autocommit,
    execute_once,
    make_engine,
    transaction,
    use_deadline,
)
from models.migrate import upgrade
from models.nodes import Nodes, split_hosts
from models.patience import Patience
from services import checkup
from services.leaderboard import rebuild as rebuilding
from services.leaderboard.rebuild import rebuild
from services.prober import standbys
from services.reconcile import drain_outbox
from services.resources import Resources
from services.review.cases import list_cases
from tests.processes import open_folder
from tests.support.ground import HastyPostgres, Servers, make_settings, opened
from tests.support.hanging import hanging
from tests.support.people import People, ranking
from tests.support.stack import Stack, wait_for

BEHIND = """
    CREATE SCHEMA behind;
    CREATE FUNCTION behind.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS
        $$ SELECT pg_catalog.clock_timestamp() - interval '3 s' $$;
    GRANT USAGE ON SCHEMA behind TO public;
"""
"""A clock for the node whose `search_path` begins with it."""
ADD = "INSERT INTO boards (name) VALUES (%s) RETURNING name"


class Standby(HastyPostgres):
    """A copy of a primary that follows it."""

    def follow(self, primary: HastyPostgres) -> None:
        """Copy the primary. Its passwords are ours then."""
        self.owner_password, self.app_password = primary.owner_password, primary.app_password
        self.prepare()
        own = self.directory / "data"
        subprocess.run(["/bin/rm", "-rf", str(own)], check=True)
        file = self.directory / "pgpass"
        write_private(file, f"*:*:*:*:{primary.owner_password}", self.identity)
        subprocess.run(
            [
                *(str(self.bin / "pg_basebackup"), "-D", str(own), "-R", "-X", "stream", "-c", "fast"),
                *("-h", "127.0.0.1", "-p", str(primary.port), "-U", "fairboard", "-w"),
            ],
            check=True,
            env={"PGPASSFILE": str(file)},
            cwd="/",
            **(self.identity.popen_arguments() if self.identity else {}),
        )

    def after_start(self) -> None:
        """All is copied."""


@dataclass
class Pair:
    """A primary and its standby."""

    primary: HastyPostgres
    standby: Standby

    def url(self, *first: str) -> str:
        """Both behind one URL of the application, the standby first, others before it."""
        hosts = ",".join([*first, f"127.0.0.1:{self.standby.port}", f"127.0.0.1:{self.primary.port}"])
        return self.primary.app_url.replace(f"127.0.0.1:{self.primary.port}", hosts)


@pytest.fixture(scope="module")
def lasting_pair() -> Iterator[Pair]:
    with open_folder() as folder:
        primary, standby = HastyPostgres(folder / "primary"), Standby(folder / "standby")
        try:
            primary.start()
            upgrade(primary.owner_url)
            standby.follow(primary)
            standby.start()
            yield Pair(primary, standby)
        finally:
            for server in (standby, primary):
                Stack.thaw(server)
                server.kill()


@pytest.fixture
def pair(lasting_pair: Pair) -> Iterator[Pair]:
    """Both at work, and no boards."""
    with closing(lasting_pair.primary.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("DELETE FROM boards WHERE name <> 'global'")
    yield lasting_pair
    for server in (lasting_pair.primary, lasting_pair.standby):
        Stack.thaw(server)
        if server.process is None:
            server.start()


@pytest.fixture(autouse=True)
def deadline() -> Iterator[None]:
    """As in a worker: psycopg2 waits for a second at most."""
    use_deadline(1.0)
    nodes._silent.clear()
    yield
    extensions.set_wait_callback(None)
    nodes._silent.clear()


@contextmanager
def engine_of(url: str) -> Iterator[Engine]:
    engine = make_engine(url, pool_size=1)
    try:
        yield engine
    finally:
        engine.dispose()


def port(engine: Engine) -> int:
    with autocommit(engine) as connection:
        return int(connection.execute(text("SELECT inet_server_port()")).scalar_one())


def test_a_url_with_several_hosts_is_one_for_each() -> None:
    assert split_hosts("postgresql://a:b@one:1,two:2/name?x=y") == (
        "postgresql://a:b@one:1/name?x=y",
        "postgresql://a:b@two:2/name?x=y",
    )


def test_a_standby_is_preferred_for_reading_and_the_primary_will_do(pair: Pair) -> None:
    reading = Nodes(pair.url(), {}, standby=True)
    with closing(reading.connect()) as connection:
        assert connection.info.port == pair.standby.port
    pair.standby.kill()
    with closing(reading.connect()) as connection:
        assert connection.info.port == pair.primary.port


def test_a_node_that_hangs_is_asked_once_and_then_left_alone(pair: Pair) -> None:
    with hanging() as (address, came), engine_of(pair.url(address)) as engine:
        assert port(engine) == pair.primary.port
        for _ in range(3):
            engine.dispose()
            assert port(engine) == pair.primary.port
        assert len(came) == 1


def test_two_nodes_that_hang_hold_nobody_up_for_the_time_of_two(pair: Pair) -> None:
    waited: list[float] = []
    with hanging() as (one, _), hanging() as (other, _), engine_of(pair.url(f"{one},{other}")) as engine:
        callback = extensions.get_wait_callback()
        assert callback

        def wait(connection: object) -> None:
            waited.append(nodes._connect_seconds.get())
            callback(connection)

        extensions.set_wait_callback(wait)
        assert port(engine) == pair.primary.port
    assert waited[:3] == [nodes.CONNECT_SECONDS, nodes.LATER_SECONDS, nodes.LATER_SECONDS]


def test_an_answer_that_is_there_is_taken_however_late_it_is_looked_at(pair: Pair) -> None:
    def miss(descriptor: int, event: int, seconds: float) -> bool:
        nodes.poll(descriptor, event, seconds)
        return False

    extensions.set_wait_callback(nodes.wait_callback(miss, 1.0))
    with engine_of(pair.url()) as engine:
        assert port(engine) == pair.primary.port


def test_a_primary_that_freezes_is_given_up_within_the_deadline(pair: Pair) -> None:
    with engine_of(pair.url()) as engine:
        port(engine)
        Stack.freeze(pair.primary)
        with pytest.raises(DatabaseUnavailableError, match="no answer in time"):
            execute_once(engine, ADD, ("frozen",))
        with pytest.raises(DatabaseUnavailableError, match="no primary"):
            execute_once(engine, ADD, ("frozen",))


@pytest.mark.parametrize("way", ["once", "autocommit", "transaction"])
def test_a_commit_that_no_standby_confirms_is_not_acknowledged(pair: Pair, way: str) -> None:
    """Cancelling it makes PostgreSQL say success, with a warning that SQLAlchemy does not mind."""
    extensions.set_wait_callback(None)
    with closing(pair.primary.connect()) as owner, owner.cursor() as cursor, engine_of(pair.primary.app_url) as engine:
        cursor.execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
        cursor.execute("SELECT pg_reload_conf()")
        wait_for(lambda: _setting(pair.primary) == "nobody", 10)
        canceller = threading.Thread(target=_cancel_commit, args=(pair.primary,))
        canceller.start()
        with pytest.raises(UnconfirmedError):
            _add(engine, way)
        canceller.join()
        assert "unconfirmed" in _boards(pair.primary), "it is there, and lost if this node is"
        cursor.execute("ALTER SYSTEM RESET synchronous_standby_names")
        cursor.execute("SELECT pg_reload_conf()")
        wait_for(lambda: _setting(pair.primary) == "", 10)
        assert execute_once(engine, ADD, ("confirmed",)) == ("confirmed",)


@pytest.fixture
def reading(pair: Pair, servers: Servers) -> Iterator[Resources]:
    """Resources that rebuild from the standby."""
    extensions.set_wait_callback(None)
    standby = pair.primary.app_url.replace(f":{pair.primary.port}/", f":{pair.standby.port}/")
    servers.clean()
    with opened(make_settings(servers, database_url=pair.primary.app_url, replica_url=standby)) as resources:
        yield resources
        resources.replica.dispose()


def test_a_board_is_rebuilt_from_a_standby_that_has_caught_up(pair: Pair, reading: Resources) -> None:
    people = People(reading)
    for player in people.several(3):
        people.complete(player)
    rebuild(reading, BOARD)
    assert ranking(reading) == people.top()
    readers = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'fairboard'"
    assert _ask(pair.standby, readers) == 1, "it was asked"


def test_what_a_standby_does_not_have_yet_is_on_the_rebuilt_board(
    pair: Pair, reading: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was placed before the rebuild began, so nobody would place it again."""
    people = People(reading)
    _ask(pair.standby, "SELECT pg_wal_replay_pause()")
    wait_for(lambda: _ask(pair.standby, "SELECT pg_get_wal_replay_pause_state()") == "paused", 10)
    try:
        people.complete(people.join())
        drain_outbox(reading)
        monkeypatch.setattr(rebuilding, "MARK_SECONDS", 0.3)
        rebuild(reading, BOARD)
        assert ranking(reading) == people.top() != []
    finally:
        _ask(pair.standby, "SELECT pg_wal_replay_resume()")


def test_cases_are_not_read_from_a_standby_that_does_not_follow(
    pair: Pair, reading: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = People(reading)
    assert list_cases(reading, status="open") == ([], None)
    source = _ask(pair.standby, "SHOW primary_conninfo")
    _configure(pair.standby, "ALTER SYSTEM SET primary_conninfo = ''")
    try:
        wait_for(lambda: _ask(pair.standby, "SELECT count(*) FROM pg_stat_wal_receiver") == 0, 10)
        case = people.suspect(people.join())
        monkeypatch.setattr(database, "FOLLOW_SECONDS", 0.0)
        assert [one.id for one in list_cases(reading, status="open")[0]] == [case]
    finally:
        _configure(pair.standby, "ALTER SYSTEM SET primary_conninfo = %s", source)


def test_doctor_sees_a_standby_whose_clock_differs(pair: Pair, servers: Servers) -> None:
    """It would be everybody's clock after a failover."""
    extensions.set_wait_callback(None)
    _configure(pair.primary, BEHIND)
    with opened(make_settings(servers, database_url=pair.url())) as resources:
        wait_for(lambda: _ask(pair.standby, "SELECT count(*) FROM pg_namespace WHERE nspname = 'behind'"), 10)
        assert checkup.clocks(resources).level == "ok"
        _configure(pair.standby, "ALTER SYSTEM SET search_path = behind, pg_catalog, public")
        try:
            wait_for(lambda: f"127.0.0.1:{pair.standby.port} -3" in checkup.clocks(resources).said, 10)
            assert checkup.clocks(resources).level == "warn"
            assert f"127.0.0.1:{pair.primary.port} +0" in checkup.clocks(resources).said.replace("-0", "+0")
        finally:
            _configure(pair.standby, "ALTER SYSTEM RESET search_path")


def test_doctor_sees_a_standby_that_is_behind_or_receives_nothing(
    pair: Pair, servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that receives nothing has applied all that it received, and is all the same behind."""
    extensions.set_wait_callback(None)
    with opened(make_settings(servers, database_url=pair.url())) as resources:
        wait_for(lambda: "standby, 0 s behind" in checkup.postgresql(resources).said, 10)
        assert checkup.postgresql(resources).level == "ok"
        source = _ask(pair.standby, "SHOW primary_conninfo")
        _configure(pair.standby, "ALTER SYSTEM SET primary_conninfo = ''")
        try:
            wait_for(lambda: "standby, receives nothing" in checkup.postgresql(resources).said, 10)
            assert checkup.postgresql(resources).level == "warn"
            _configure(pair.primary, "INSERT INTO boards (name) VALUES ('later')")
        finally:
            _configure(pair.standby, "ALTER SYSTEM SET primary_conninfo = %s", source)
        _ask(pair.standby, "SELECT pg_wal_replay_pause()")
        try:
            _configure(pair.primary, "INSERT INTO boards (name) VALUES ('latest')")
            monkeypatch.setattr(checkup, "LAG_BYTES", 0)
            wait_for(lambda: "standby, 0 MiB behind" in checkup.postgresql(resources).said, 10)
            assert checkup.postgresql(resources).level == "warn"
        finally:
            _ask(pair.standby, "SELECT pg_wal_replay_resume()")
    wait_for(lambda: "latest" in _boards(pair.standby), 10)


def test_whether_a_standby_follows_is_told(pair: Pair, servers: Servers) -> None:
    """As the application, which may see that somebody is connected and not who."""
    extensions.set_wait_callback(None)
    with opened(make_settings(servers, database_url=pair.primary.app_url)) as resources:
        assert standbys(resources) is None
    with opened(make_settings(servers, database_url=pair.url())) as resources:
        wait_for(lambda: standbys(resources) == (1, 1), 10)
        source = _ask(pair.standby, "SHOW primary_conninfo")
        _configure(pair.standby, "ALTER SYSTEM SET primary_conninfo = ''")
        try:
            wait_for(lambda: standbys(resources) == (0, 1), 10)
        finally:
            _configure(pair.standby, "ALTER SYSTEM SET primary_conninfo = %s", source)
        wait_for(lambda: standbys(resources) == (1, 1), 10)


def test_the_primary_is_found_and_followed(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:  # The last one: there are two primaries afterwards.
    """Which node it is may change under a client, and then the next statement goes to the new one, or waits for it."""
    with engine_of(pair.url()) as engine:
        assert port(engine) == pair.primary.port
        assert execute_once(engine, ADD, ("before",)) == ("before",)
        wait_for(lambda: _boards(pair.standby) == {"before"}, 10)
        pair.primary.kill()
        monkeypatch.setattr(database, "_PATIENCE", Patience(0.0))
        with pytest.raises(DatabaseUnavailableError):
            execute_once(engine, ADD, ("lost",))
        with pytest.raises(DatabaseUnavailableError, match="no primary"):
            execute_once(engine, ADD, ("nowhere",))
        monkeypatch.setattr(database, "_PATIENCE", patience := Patience(30.0))
        with ThreadPoolExecutor(1) as others:
            waiting = others.submit(execute_once, engine, ADD, ("meanwhile",))
            wait_for(lambda: patience.waiting, 10)
            with closing(pair.standby.connect()) as connection, connection.cursor() as cursor:
                cursor.execute("SELECT pg_promote()")
            assert waiting.result(20) == ("meanwhile",)
        assert execute_once(engine, ADD, ("after",)) == ("after",)
        assert not patience.waiting
        assert _boards(pair.standby) == {"before", "meanwhile", "after"}


def _add(engine: Engine, way: str) -> None:
    if way == "once":
        execute_once(engine, ADD, ("unconfirmed",))
        return
    with (autocommit if way == "autocommit" else transaction)(engine) as connection:
        connection.execute(text("INSERT INTO boards (name) VALUES ('unconfirmed')"))


def _cancel_commit(server: HastyPostgres) -> None:
    query = "SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
    wait_for(lambda: _ask(server, query) != 0, 20, "a commit that waits")


def _configure(server: HastyPostgres, statement: str, *parameters: object) -> None:
    with closing(server.connect()) as connection, connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        cursor.execute("SELECT pg_reload_conf()")


def _ask(server: HastyPostgres, query: str) -> object:
    with closing(server.connect()) as connection, connection.cursor() as cursor:
        cursor.execute(query)
        rows = cursor.fetchall()
        return rows[0][0] if rows else None


def _setting(server: HastyPostgres) -> object:
    return _ask(server, "SHOW synchronous_standby_names")


def _boards(server: HastyPostgres) -> set[object]:
    with suppress(psycopg2.OperationalError), closing(server.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT name FROM boards WHERE name <> 'global'")
        return {name for (name,) in cursor.fetchall()}
    return set()
