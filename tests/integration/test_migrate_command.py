"""What `fairboard migrate` says when it cannot."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from click.testing import CliRunner, Result

from cli.migrate import migrate
from models.migrate import upgrade
from tests.support.ground import Servers, borrowed, make_settings


@pytest.fixture
def database(servers: Servers) -> Iterator[str]:
    url = servers.new_database("moving")
    yield url
    with borrowed(servers.postgres.connect("postgres")) as connection, connection.cursor() as cursor:
        cursor.execute("DROP DATABASE moving WITH (FORCE)")


@pytest.fixture
def run(servers: Servers, monkeypatch: pytest.MonkeyPatch) -> Run:
    return Run(servers, monkeypatch)


class Run:
    """The command, with other settings."""

    def __init__(self, servers: Servers, monkeypatch: pytest.MonkeyPatch) -> None:
        self.servers, self.monkeypatch = servers, monkeypatch

    def __call__(self, **changes: str) -> Result:
        settings = make_settings(self.servers, **changes)
        self.monkeypatch.setattr("cli.migrate.get_settings", lambda: settings)
        return CliRunner().invoke(migrate)


def test_it_names_the_variable_that_it_connects_by(run: Run) -> None:
    nowhere = "postgresql://owner:word@127.0.0.1:1/fairboard"
    done = run(migration_database_url=nowhere)
    assert done.exit_code == 2
    assert "(FAIRBOARD_MIGRATION_DATABASE_URL)" in done.output
    assert "refused" in done.output
    assert "(FAIRBOARD_DATABASE_URL)" in run(migration_database_url="", database_url=nowhere).output


def test_after_a_rollback_a_newer_schema_is_left_as_it_is(run: Run, servers: Servers, database: str) -> None:
    upgrade(database)
    with borrowed(servers.postgres.connect("moving")) as connection, connection.cursor() as cursor:
        cursor.execute("UPDATE alembic_version SET version_num = '9999'")
    done = run(migration_database_url=database)
    assert done.exit_code == 0
    assert "newer version" in done.output


def test_a_table_in_use_is_no_server_that_is_away(
    run: Run, servers: Servers, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    upgrade(database, "0003")
    monkeypatch.setattr("models.migrate.ATTEMPTS", 2)
    monkeypatch.setattr("models.migrate.PAUSE_SECONDS", 0.0)
    with borrowed(servers.postgres.connect("moving")) as reader:
        reader.autocommit = False
        reader.cursor().execute("SELECT name FROM boards")
        done = run(migration_database_url=database)
    assert done.exit_code == 2
    assert "A table was in use" in done.output
    assert "URL" not in done.output
    assert run(migration_database_url=database).output == "The schema is up to date.\n"
