"""Embedded PostgreSQL and Redis: they start, are killed, start again and keep what they held."""

from __future__ import annotations

import os
import signal
import socket
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest
import redis

from cli.embedded import (
    EmbeddedPostgres,
    EmbeddedRedis,
    EmbeddedServerError,
    embedded_postgres,
    embedded_redis,
    free_port,
)
from cli.embedded.identity import NOBODY, Identity, home_for
from cli.embedded.server import LOCALHOST
from tests.processes import Program, open_folder, python, wait_gone

HOLDER = """
import signal, sys
from pathlib import Path
from cli.embedded import EmbeddedPostgres, EmbeddedRedis
for kind in (EmbeddedPostgres, EmbeddedRedis):
    server = kind(Path(sys.argv[1]) / kind.__name__)
    server.start()
    print(kind.__name__, server.process.pid)
print("both run")
signal.pause()
"""
pytestmark = pytest.mark.xdist_group("embedded")
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root starts servers as another user")


@pytest.fixture
def folder() -> Iterator[Path]:
    with open_folder() as path:
        yield path


@pytest.fixture(scope="module")
def postgres() -> Iterator[EmbeddedPostgres]:
    with open_folder() as folder:
        server = EmbeddedPostgres(folder / "postgres")
        server.start()
        yield server
        server.stop()


@pytest.fixture(scope="module")
def redis_server() -> Iterator[EmbeddedRedis]:
    with open_folder() as folder:
        server = EmbeddedRedis(folder / "redis")
        server.start()
        yield server
        server.stop()


def rows(server: EmbeddedPostgres, statement: str) -> list[tuple[object, ...]]:
    with closing(server.connect()) as connection, connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []


def test_postgres_keeps_a_commit_over_kill_9_on_the_same_port(postgres: EmbeddedPostgres) -> None:
    port = postgres.port
    rows(postgres, "CREATE TABLE kept AS SELECT 42 AS answer")
    postgres.kill()
    with pytest.raises(psycopg2.OperationalError):
        postgres.connect()
    postgres.start()
    assert postgres.port == port
    assert rows(postgres, "SELECT answer FROM kept") == [(42,)]


def test_postgres_is_durable_and_in_utc(postgres: EmbeddedPostgres) -> None:
    names = ("fsync", "synchronous_commit", "full_page_writes", "max_connections", "TimeZone", "server_encoding")
    assert [rows(postgres, f"SHOW {name}")[0][0] for name in names] == ["on", "on", "on", "200", "UTC", "UTF8"]


def test_postgres_asks_everybody_for_a_password(postgres: EmbeddedPostgres) -> None:
    with pytest.raises(psycopg2.OperationalError, match="password"):
        psycopg2.connect(host="127.0.0.1", port=postgres.port, user="fairboard", dbname="fairboard", password="guess")


def test_the_applications_login_is_a_member_of_its_role_and_no_superuser(postgres: EmbeddedPostgres) -> None:
    with closing(psycopg2.connect(postgres.app_url, options="-c role=fairboard_app")) as connection:
        cursor = connection.cursor()
        cursor.execute("SELECT session_user, current_user, rolsuper FROM pg_roles WHERE rolname = session_user")
        assert cursor.fetchone() == ("fairboard_app_login", "fairboard_app", False)


def test_a_pid_file_whose_process_is_somebody_else_by_now_is_no_obstacle(postgres: EmbeddedPostgres) -> None:
    with EmbeddedPostgresStranger(postgres) as pid:
        postgres.kill()
        pid_file = postgres.data / "postmaster.pid"
        _, *rest = pid_file.read_text().splitlines()
        pid_file.write_text("\n".join([str(pid), *rest]) + "\n")
        postgres.start()
        assert rows(postgres, "SELECT 1") == [(1,)]


class EmbeddedPostgresStranger(Program):
    """A living process of the server's own user."""

    def __init__(self, server: EmbeddedPostgres) -> None:
        user = server.identity.user if server.identity else os.geteuid()
        super().__init__(python(f"import os, signal; os.setuid({user}); print('here'); signal.pause()"))
        self.wait_for("here")

    def __enter__(self) -> int:  # type: ignore[override]
        return self.process.pid


def test_an_interrupted_initdb_is_begun_anew(folder: Path) -> None:
    server = EmbeddedPostgres(folder / "postgres")
    server.directory, server.identity = home_for(server.link)
    unfinished = server.directory / "unfinished"
    unfinished.mkdir()
    (unfinished / "PG_VERSION").write_text("18\n")
    with embedded_postgres(folder / "postgres") as url, closing(psycopg2.connect(url)) as connection:
        assert connection.info.dbname == "fairboard"


def test_another_password_than_the_datas_is_explained(postgres: EmbeddedPostgres) -> None:
    postgres.stop()
    other = EmbeddedPostgres(postgres.link, owner_password="other", app_password="other")
    try:
        with pytest.raises(EmbeddedServerError, match=r"not the one in secrets\.env"):
            other.start()
    finally:
        other.stop()
        postgres.start()


def test_redis_keeps_its_data_over_a_restart_and_asks_for_a_password(redis_server: EmbeddedRedis) -> None:
    with redis.Redis.from_url(redis_server.url) as client:
        client.set("kept", "yes")
    redis_server.stop()
    redis_server.start()
    with redis.Redis.from_url(redis_server.url) as client:
        assert client.get("kept") == b"yes"
    with redis.Redis(port=redis_server.port) as stranger, pytest.raises(redis.AuthenticationError):
        stranger.ping()


def test_redis_starts_again_after_kill_9_on_the_same_port(folder: Path) -> None:
    server = EmbeddedRedis(folder / "redis")
    try:
        server.start()
        server.kill()
        assert not server.is_ready()
        server.start()
        assert server.is_ready()
    finally:
        server.stop()


def test_a_frozen_server_answers_again_when_it_goes_on(redis_server: EmbeddedRedis) -> None:
    redis_server.pause()
    with (
        redis.Redis.from_url(redis_server.url, socket_timeout=0.2, retry=None) as client,
        pytest.raises(redis.TimeoutError),
    ):
        client.ping()
    redis_server.resume()
    with redis.Redis.from_url(redis_server.url) as client:
        assert client.ping()


def test_no_password_is_on_a_command_line_or_readable_by_others(
    postgres: EmbeddedPostgres, redis_server: EmbeddedRedis
) -> None:
    secrets = (postgres.owner_password, postgres.app_password, redis_server.password)
    assert not [word for word in (*postgres.argv, *redis_server.argv) for secret in secrets if secret in word]
    assert stat.S_IMODE(redis_server.configuration.stat().st_mode) == 0o600
    assert not (postgres.directory / "password").exists()


def test_the_context_managers_give_urls_and_stop_what_they_started(folder: Path) -> None:
    with embedded_redis(folder / "redis") as url, redis.Redis.from_url(url) as client:
        assert client.ping()
    with redis.Redis.from_url(url, retry=None) as client, pytest.raises(redis.ConnectionError):
        client.ping()


def test_servers_end_with_whoever_started_them_even_after_kill_9(folder: Path) -> None:
    with Program(python(HOLDER, str(folder))) as holder:
        holder.wait_for("both run")
        family = holder.pids()
        assert len(family) > 3
        holder.send(signal.SIGKILL)
        assert wait_gone(family, 10) == []


def test_a_free_port_is_none_of_those_for_outgoing_connections() -> None:
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert all(free_port() < lowest for _ in range(50))


def test_no_port_is_given_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Servers are told of their ports before any of them listens."""
    with socket.create_server((LOCALHOST, 0)) as server:
        other = server.getsockname()[1]
    monkeypatch.setattr("cli.embedded.server._given", set())
    drawn = iter([free_port(), other])
    monkeypatch.setattr("random.randrange", lambda *_: next(drawn))
    assert free_port() == other


@as_root
def test_root_lets_nobody_run_the_servers(postgres: EmbeddedPostgres, redis_server: EmbeddedRedis) -> None:
    for server in (postgres, redis_server):
        assert server.process
        assert Path(f"/proc/{server.process.pid}").stat().st_uid == NOBODY


def test_data_that_are_not_where_they_should_be_are_not_begun_anew(folder: Path) -> None:
    (folder / "postgres").symlink_to(folder / "not mounted")
    with pytest.raises(EmbeddedServerError, match="not mounted, which is not there"):
        EmbeddedPostgres(folder / "postgres").start()
    assert (folder / "postgres").is_symlink()


@as_root
def test_data_in_a_closed_folder_is_put_where_nobody_can_reach_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cli.embedded.identity.ELSEWHERE", folder / "elsewhere")
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    with embedded_postgres(closed / "postgres") as url:
        psycopg2.connect(url).close()
    home = (closed / "postgres").resolve()
    assert home.parent == folder / "elsewhere"
    with embedded_postgres(closed / "postgres"):
        assert (closed / "postgres").resolve() == home


@as_root
def test_programs_in_a_closed_folder_are_copied(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cli.embedded.identity.ELSEWHERE", folder / "elsewhere")
    readable = Identity.can_read
    monkeypatch.setattr(
        Identity, "can_read", lambda self, path: "site-packages" not in str(path) and readable(self, path)
    )
    with embedded_postgres(folder / "postgres") as url:
        psycopg2.connect(url).close()
    with embedded_redis(folder / "redis") as url, redis.Redis.from_url(url) as client:
        assert client.ping()
    assert len(list((folder / "elsewhere").iterdir())) == 2
