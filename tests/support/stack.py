"""Fairboard as it runs for real: embedded servers, gunicorn, Celery workers and beat. Each can be hurt alone."""

from __future__ import annotations

import base64
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import NamedTuple, Self, TypeVar

import httpx
import psutil

from cli import supervisor
from cli.embedded import EmbeddedPostgres, EmbeddedRedis, EmbeddedServer, free_port
from cli.parts import PARTS
from config.catalogue import BOARD
from config.settings import Settings
from deploy.local import process
from models.migrate import upgrade
from services.resources import Resources, for_background
from services.verify import verify
from tests.processes import ROOT, open_folder

T = TypeVar("T")
PROGRAMS = Path(sys.executable).parent
READY_SECONDS = 60.0
WITHOUT = ("flower",)
"""Parts that nothing here asks."""


def wait_for(found: Callable[[], T], seconds: float = 15.0, what: str = "it") -> T:
    """What `found` gives as soon as that is true. Fails when it is not in time."""
    deadline = time.monotonic() + seconds
    while not (result := found()):
        assert time.monotonic() < deadline, f"{what} did not come about within {seconds} s"
        time.sleep(0.02)
    return result


class Part(process.Part):
    """One process of Fairboard with its children."""

    def __init__(self, name: str, argv: list[str], environment: dict[str, str], log: Path, root: Path = ROOT) -> None:
        super().__init__(supervisor.Part(name, argv, patience=10.0), environment, log, root=root)

    @property
    def pid(self) -> int:
        """The main process."""
        assert self.process is not None, f"{self.name} does not run"
        return self.process.pid

    def children(self) -> list[int]:
        """The other processes of this part."""
        return [pid for pid in self.pids if pid != self.pid]

    def send(self, signum: signal.Signals) -> None:
        """Signal the main process."""
        os.kill(self.pid, signum)

    def stop(self, seconds: float = 10.0) -> None:
        """End in an orderly way."""
        self.terminate(seconds)


class Web(NamedTuple):
    """A web server."""

    part: Part
    port: int

    @property
    def url(self) -> str:
        """Where it serves HTTP."""
        return f"http://127.0.0.1:{self.port}"


class Stack:
    """A whole Fairboard on ports and folders of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.postgres = EmbeddedPostgres(folder / "postgres")
        self.redis = EmbeddedRedis(folder / "redis")
        self.broker = EmbeddedRedis(folder / "broker")
        self.port = free_port()
        self.fairboard = self._settings()
        self.environment = self._environment(self.fairboard)
        values = {"data_dir": str(folder), "flower_port": 0, "host": "127.0.0.1"}
        self.parts = {
            part.name: self._part(part.name, list(part.filled(values).argv), self.environment)
            for part in PARTS
            if part.name not in WITHOUT
        }

    @property
    def url(self) -> str:
        """Where HTTP is served."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def web(self) -> Part:
        """Gunicorn with its workers."""
        return self.parts["web"]

    @property
    def servers(self) -> tuple[EmbeddedServer, ...]:
        """What the parts depend on."""
        return self.postgres, self.redis, self.broker

    @cached_property
    def settings(self) -> Settings:
        """The settings of the parts."""
        own = {name.removeprefix("FAIRBOARD_").lower(): value for name, value in self.fairboard.items()}
        return Settings(_env_file=None, **own)  # type: ignore[arg-type]  # pydantic turns text into types

    def resources(self) -> Resources:
        """The services' resources on the same servers, for looking inside."""
        return self._resources

    @cached_property
    def _resources(self) -> Resources:
        return for_background(self.settings)

    def _settings(self) -> dict[str, str]:
        return {
            "FAIRBOARD_DATABASE_URL": self.postgres.app_url,
            "FAIRBOARD_MIGRATION_DATABASE_URL": self.postgres.owner_url,
            "FAIRBOARD_REDIS_URL": self.redis.url,
            "FAIRBOARD_BROKER_URL": self.broker.url,
            "FAIRBOARD_JWT_SECRET": secrets.token_urlsafe(48),
            "FAIRBOARD_TOKEN_KEYS": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
            "FAIRBOARD_AUTH_ADDRESS_LIMIT": "0",
            "FAIRBOARD_DATA_DIR": str(self.folder),
            "FAIRBOARD_PORT": str(self.port),
            "FAIRBOARD_WEB_WORKERS": "2",
            "FAIRBOARD_ANALYSIS_WINDOW": "1",
        }

    @staticmethod
    def _environment(settings: dict[str, str]) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("FAIRBOARD_")}
        return {**inherited, "PYTHONUNBUFFERED": "1", "PYTHONPATH": str(ROOT), **settings}

    def _part(self, name: str, argv: list[str], environment: dict[str, str]) -> Part:
        return Part(name, argv, environment, self.folder / f"{name}.log")

    def __enter__(self) -> Self:
        try:
            for server in self.servers:
                server.start()
            upgrade(self.settings.owner_url)
            for part in self.parts.values():
                part.start()
            self.wait_until_ready()
            self.wait_until_quiet()
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        """End everything; all of it can be lost."""
        if "_resources" in self.__dict__:
            self._resources.engine.dispose()
            self._resources.redis.close()
        for part in self.parts.values():
            part.kill()
        for server in self.servers:
            self.thaw(server)
            server.kill()

    def wait_until_ready(self, url: str | None = None) -> None:
        """Return when the web answers that PostgreSQL and Redis do."""

        def ready() -> bool:
            try:
                return httpx.get(f"{url or self.url}/readyz", timeout=5).status_code == 200
            except httpx.TransportError:
                return False

        wait_for(ready, READY_SECONDS, "readiness")

    def heal(self) -> None:
        """Start again whatever a test has ended or frozen, and wait until all is well."""
        self.restart()
        self.wait_until_quiet()

    def restart(self) -> None:
        """Start again whatever has ended or is frozen, as the supervisor of `fairboard up` does."""
        # Our own connections may be dead as well.
        self.resources().engine.dispose()
        self.resources().redis.close()
        for server in self.servers:
            self.thaw(server)
            if server.process is None or server.process.poll() is not None:
                server.start()
        for part in self.parts.values():
            if part.process is None or part.process.poll() is not None:
                part.kill()
                part.start()
        self.wait_until_ready()

    @staticmethod
    def freeze(server: EmbeddedServer) -> None:
        """Stop a server with all its processes, so that even open connections get no answer."""
        _signal_family(server, signal.SIGSTOP)

    @staticmethod
    def thaw(server: EmbeddedServer) -> None:
        """Let a frozen server go on."""
        _signal_family(server, signal.SIGCONT)

    def wait_until_quiet(self) -> None:
        """Return when the outbox is drained and Redis equals PostgreSQL: beat and the workers are at it."""
        wait_for(lambda: self.ask("SELECT count(*) FROM outbox") == [(0,)], 30, "an empty outbox")
        wait_for(lambda: self.resources().redis.exists(f"leaderboard:{{{BOARD}}}:loaded"), 30, "a loaded board")

    def ask(self, query: str, parameters: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
        """Ask PostgreSQL something, or change it, as its owner."""
        connection = self.postgres.connect()
        try:
            with connection.cursor() as cursor:
                cursor.execute(query, parameters)
                return list(cursor.fetchall()) if cursor.description else []
        finally:
            connection.close()

    def differences(self) -> list[str]:
        """What `fairboard verify` would find."""
        return list(verify(self.resources(), BOARD))

    def command(self, *arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
        """Run `fairboard` with arguments to its end."""
        return subprocess.run(
            [sys.executable, "-m", "cli.main", *arguments],
            cwd=ROOT,
            env=self.environment,
            input=text,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    @contextmanager
    def another_web(self, **settings: str) -> Iterator[Web]:
        """A second web server on the same data with other settings, without the prefix."""
        port = free_port()
        other = {f"FAIRBOARD_{name}": value for name, value in settings.items()}
        own = {**self.environment, "FAIRBOARD_PORT": str(port), "FAIRBOARD_WEB_WORKERS": "1", **other}
        part = self._part(f"web-{port}", list(PARTS[0].argv), own)
        part.start()
        try:
            self.wait_until_ready(f"http://127.0.0.1:{port}")
            yield Web(part, port)
        finally:
            part.kill()


def _signal_family(server: EmbeddedServer, signum: signal.Signals) -> None:
    if server.process is None:
        return
    with suppress(psutil.NoSuchProcess):
        main = psutil.Process(server.process.pid)
        for process in [main, *main.children(recursive=True)]:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(signum)


@contextmanager
def running_stack() -> Iterator[Stack]:
    """A stack in a folder that is removed afterwards."""
    with open_folder() as folder, Stack(folder) as stack:
        yield stack
