"""The ground that integration tests stand on: real servers of their own, emptied before each test."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet
from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812 -- a class with a lower-case name
from redis import Redis

from cli.embedded import EmbeddedPostgres, EmbeddedRedis
from cli.embedded.postgres import APP_LOGIN
from config.catalogue import get_catalogue
from config.settings import Settings
from models.migrate import upgrade
from models.tables import Base
from services.redis_client import RedisUnavailableError
from services.resources import Resources
from tests.processes import open_folder

DATABASE_DEADLINE, REDIS_DEADLINE = 20.0, 5.0


class HastyPostgres(EmbeddedPostgres):
    """PostgreSQL that need not survive a power cut: its data last as long as the tests."""

    @property
    def argv(self) -> list[str]:
        """The last value of a setting counts."""
        return [*super().argv, "--fsync=off", "--full_page_writes=off"]


@dataclass(frozen=True)
class Servers:
    """The servers of one process of tests, with the schema in place."""

    postgres: EmbeddedPostgres
    redis: EmbeddedRedis

    def superuser(self, statement: str, *parameters: object, database: str = "fairboard") -> list[tuple[Any, ...]]:
        """Run a statement with no trigger and no foreign key in its way, as someone who broke in would."""
        with borrowed(self.postgres.connect(database)) as connection, connection.cursor() as cursor:
            cursor.execute("SET session_replication_role = replica")
            cursor.execute(statement, parameters or None)
            return cursor.fetchall() if cursor.description else []

    def clean(self) -> None:
        """Forget everything. Numbers of users and entries go on, as they would in real life."""
        tables = sql.SQL("; ").join(
            sql.SQL("DELETE FROM {}").format(sql.Identifier(table.name)) for table in Base.metadata.tables.values()
        )
        with borrowed(self.postgres.connect()) as connection, connection.cursor() as cursor:
            cursor.execute(sql.SQL("SET session_replication_role = replica; {}").format(tables))
        with Redis.from_url(self.redis.url) as redis:
            assert redis.config_get("dir")["dir"] == str(self.redis.directory), "this Redis is not the tests' own"
            redis.flushall()

    def wait_until_blocked(self, fragment: str, seconds: float = 30.0) -> None:
        """Return when a statement with this text in it waits for a lock."""
        deadline = time.monotonic() + seconds
        query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND strpos(query, %s) > 0"
        while not self.superuser(query, fragment)[0][0]:
            assert time.monotonic() < deadline, f"nothing with {fragment!r} waits for a lock"
            time.sleep(0.01)

    def new_database(self, name: str) -> str:
        """An empty database; gives its owner's URL."""
        with borrowed(self.postgres.connect("postgres")) as connection, connection.cursor() as cursor:
            cursor.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(name)))
            cursor.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return self.postgres.owner_url.rpartition("/")[0] + f"/{name}"


@contextmanager
def borrowed(connection: Connection) -> Iterator[Connection]:
    """A connection that is closed at the end of the block; psycopg2's own block only ends a transaction."""
    try:
        yield connection
    finally:
        connection.close()


@contextmanager
def running_servers() -> Iterator[Servers]:
    """Servers in a folder of their own, on ports of their own."""
    with open_folder() as folder:
        servers = Servers(HastyPostgres(folder / "postgres"), EmbeddedRedis(folder / "redis"))
        try:
            servers.postgres.start()
            servers.redis.start()
            upgrade(servers.postgres.owner_url)
            yield servers
        finally:
            servers.redis.stop()
            servers.postgres.stop()


def make_settings(servers: Servers, **changes: Any) -> Settings:
    """Settings for these servers, with secrets that nobody else has."""
    assert APP_LOGIN in servers.postgres.app_url
    values = {
        "database_url": servers.postgres.app_url,
        "migration_database_url": servers.postgres.owner_url,
        "redis_url": servers.redis.url,
        "broker_url": servers.redis.url,
        "jwt_secret": secrets.token_hex(32),
        "token_keys": Fernet.generate_key().decode(),
        "data_dir": Path("/nonexistent"),
        **changes,
    }
    return Settings(**values)


@contextmanager
def opened(settings: Settings) -> Iterator[Resources]:
    """Resources that are closed at the end of the block."""
    resources = Resources(settings, get_catalogue(), DATABASE_DEADLINE, REDIS_DEADLINE)
    try:
        yield resources
    finally:
        resources.engine.dispose()
        with suppress(RedisUnavailableError):  # The client of a Redis Cluster connects when it is made.
            resources.redis.close()
