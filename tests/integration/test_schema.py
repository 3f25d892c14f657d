"""The schema: migrations agree with the code, and nobody changes what is append-only."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator

import pytest
from alembic import command
from sqlalchemy import create_engine, inspect, text
from sqlalchemy.exc import OperationalError, ProgrammingError

from models import migrate
from models.database import autocommit, execute_once, make_engine
from models.nodes import engine_url
from models.tables import Base
from services.resources import Resources
from services.sessions import Player
from tests.support.ground import Servers, borrowed
from tests.support.people import People

CHANGES = [
    "UPDATE {} SET created_at = created_at",
    "DELETE FROM {}",
    "TRUNCATE {} CASCADE",
]
APPEND_ONLY = ["ledger_entries", "decisions"]
FORMER = text(
    "SELECT outcome, score FROM "
    "complete_timed(:hash, :user, :session, 'global', 'reaction', 100, 1500, NULL, NULL, NULL)"
)


@pytest.fixture
def database(servers: Servers) -> Iterator[str]:
    """A database of its own, for tests that change the schema."""
    url = servers.new_database("schema")
    yield url
    with borrowed(servers.postgres.connect("postgres")) as connection, connection.cursor() as cursor:
        cursor.execute("DROP DATABASE schema WITH (FORCE)")


def tables(url: str) -> set[str]:
    engine = create_engine(engine_url(url))
    with engine.connect() as connection:
        names = set(inspect(connection).get_table_names()) - {"alembic_version"}
        functions = connection.execute(text("SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace"))
        names |= {f"{name}()" for name in functions.scalars()}
    engine.dispose()
    return names


def test_migrations_and_tables_say_the_same(database: str) -> None:
    migrate.upgrade(database)
    migrate.check(database)
    assert {name for name in tables(database) if "(" not in name} == set(Base.metadata.tables)


def test_a_downgrade_leaves_nothing_and_an_upgrade_brings_all_back(database: str) -> None:
    migrate.upgrade(database)
    before = tables(database)
    command.downgrade(migrate.alembic_config(database), "base")
    assert tables(database) == set()
    migrate.upgrade(database)
    assert tables(database) == before


def test_upgrading_twice_is_harmless(database: str) -> None:
    migrate.upgrade(database)
    migrate.upgrade(database)


def test_an_upgrade_gives_way_to_a_long_reader_and_comes_back(
    servers: Servers, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else everybody who wants the table would wait behind it for as long as the reader reads."""
    migrate.upgrade(database, "0003")
    engine = create_engine(engine_url(database))
    pauses: list[float] = []
    with borrowed(servers.postgres.connect("schema")) as reader:
        reader.autocommit = False
        reader.cursor().execute("SELECT name FROM boards")

        def pause(seconds: float) -> None:
            with engine.connect() as connection:  # Nobody waits for it now.
                connection.execute(text("SET lock_timeout = 1"))
                connection.execute(text("LOCK boards IN ROW EXCLUSIVE MODE"))
            pauses.append(seconds)
            if len(pauses) == 2:
                reader.rollback()

        monkeypatch.setattr("models.migrate.time.sleep", pause)
        migrate.upgrade(database)
    engine.dispose()
    assert pauses == [migrate.PAUSE_SECONDS] * 2
    migrate.check(database)


def test_an_upgrade_does_not_try_for_ever(servers: Servers, database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    migrate.upgrade(database, "0003")
    monkeypatch.setattr(migrate, "ATTEMPTS", 2)
    monkeypatch.setattr(migrate, "PAUSE_SECONDS", 0.0)
    with borrowed(servers.postgres.connect("schema")) as reader:
        reader.autocommit = False
        reader.cursor().execute("SELECT name FROM boards")
        begun = time.monotonic()
        with pytest.raises(OperationalError, match="lock timeout"):
            migrate.upgrade(database)
        assert time.monotonic() - begun < 10, "each attempt holds others up for a second"
        reader.rollback()
    migrate.upgrade(database)


def test_sessions_from_nowhere_are_in_no_index_of_where_they_came_from(people: People, player: Player) -> None:
    """All of them would lie in one bucket of it, and each that comes would walk along the others."""
    sizes = "SELECT pg_relation_size('ix_sessions_address'), pg_relation_size('ix_sessions_user_agent')"
    before = people.execute(sizes)
    people.execute(
        "INSERT INTO sessions (id, user_id, refresh_id, expires_at) "
        "SELECT gen_random_uuid(), :id, gen_random_uuid(), now() FROM generate_series(1, 5000)",
        id=player.user_id,
    )
    assert people.execute(sizes) == before


def test_a_token_may_be_issued_twice(resources: Resources, player: Player) -> None:
    """The connection was lost before the first answer came, and the statement is said again."""
    values = (b"a hash", player.user_id, "reaction", "5 minutes")
    first, again = (execute_once(resources.engine, "SELECT issue_action_token(%s, %s, %s, %s)", values) for _ in "12")
    assert first == again


def test_a_server_of_the_former_version_goes_on_completing(
    resources: Resources, people: People, player: Player
) -> None:
    """The statement is that of 0.1.0: an upgrade replaces one server after the other, on the new schema."""
    values = {"hash": hashlib.sha256(people.token(player).encode()).digest(), "user": player.user_id}
    values |= {"session": player.session_id}
    with autocommit(resources.engine) as connection:
        assert connection.execute(FORMER, values).one() == ("OK", 100)
        assert connection.execute(FORMER, values).one() == ("TOKEN_ALREADY_USED", None)
    assert people.complete(player).new_score == 200


@pytest.mark.parametrize("table", APPEND_ONLY)
@pytest.mark.parametrize("change", CHANGES)
def test_the_applications_role_may_not_change_what_is_append_only(
    resources: Resources, people: People, player: Player, table: str, change: str
) -> None:
    people.complete(player)
    with autocommit(resources.engine) as connection, pytest.raises(ProgrammingError, match="permission denied"):
        connection.execute(text(change.format(table)))
    assert len(people.entries(player)) == 1


@pytest.mark.parametrize("table", APPEND_ONLY)
@pytest.mark.parametrize("change", CHANGES)
def test_the_owner_may_not_either(servers: Servers, people: People, player: Player, table: str, change: str) -> None:
    people.complete(player)
    engine = make_engine(servers.postgres.owner_url, role=None)
    with autocommit(engine) as connection, pytest.raises(ProgrammingError, match="append-only"):
        connection.execute(text(change.format(table)))
    engine.dispose()
    assert len(people.entries(player)) == 1


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM users",
        "DELETE FROM standings",
        "DELETE FROM evidence",
        "UPDATE evidence SET rule = 'none'",
        "DELETE FROM review_cases",
        "CREATE TABLE extra (id int)",
        "ALTER TABLE ledger_entries DISABLE TRIGGER ALL",
        "DROP TRIGGER ledger_entries_append_only ON ledger_entries",
        "SET session_replication_role = replica",
        "UPDATE alembic_version SET version_num = ''",
    ],
)
def test_the_applications_role_may_do_only_what_it_needs(resources: Resources, statement: str) -> None:
    with autocommit(resources.engine) as connection, pytest.raises(ProgrammingError, match=r"denied|must be owner"):
        connection.execute(text(statement))


@pytest.mark.parametrize(
    ("statement", "constraint"),
    [
        ("UPDATE users SET status = 'banned'", "ck_users_status"),
        ("UPDATE users SET role = 'god'", "ck_users_role"),
        ("UPDATE standings SET score = -1", "ck_standings_score"),
        ("UPDATE standings SET score = 9007199254740992", "ck_standings_score"),
    ],
)
def test_constraints_hold_whatever_the_code_does(
    people: People, player: Player, statement: str, constraint: str
) -> None:
    people.complete(player)
    with pytest.raises(Exception, match=constraint):
        people.execute(statement)
