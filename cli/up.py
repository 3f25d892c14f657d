"""`fairboard up`: everything on this machine, in one command, from nothing to the first page."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import click

from cli.address import address
from cli.data_dir import DataDir, DataDirError
from cli.embedded import EmbeddedPostgres, EmbeddedRedis, EmbeddedServer, EmbeddedServerError
from cli.embedded.postgres import CONNECTIONS
from cli.failure import Failure
from cli.lifetime import ask_for_signal
from cli.output import Output
from cli.parts import (
    PARTS,
    PATIENCE_WITH_POSTGRES,
    PATIENCE_WITH_REDIS,
    PLAYERS,
    POSTGRES_CHATTER,
    REDIS_CHATTER,
    STOP_STAGES,
)
from cli.session import DEMO_ACCOUNTS, MIGRATIONS, Session, found
from cli.supervisor import Part, PartFailedError, Supervisor
from config.settings import PREFIX, Settings, SettingsError, from_files, get_settings


class UpError(Exception):
    """Fairboard cannot be started; the message says what to change."""


@click.command()
@click.option("--players", default=12, show_default=True, type=click.IntRange(0), help="Simulated players.")
@click.option("--with-parent", is_flag=True, hidden=True, help="End when the process that started this one ends.")
def up(players: int, with_parent: bool) -> None:
    """Run everything on this machine: servers, workers and simulated players, until Ctrl-C.

    Exit code 2 if it could not be started, or if a part could not go on.
    """
    if with_parent:
        ask_for_signal(signal.SIGTERM)
    try:
        stack = prepare(players)
        asyncio.run(stack.run())
    except (UpError, DataDirError, EmbeddedServerError, PartFailedError, SettingsError) as error:
        raise Failure(str(error)) from error


def prepare(players: int) -> Stack:
    """Take the data folder, settle the settings and look whether the ports are free. Starts nothing."""
    data = DataDir()
    lock = data.open()
    secrets = data.secrets()
    servers = choose_servers(data.path, secrets)
    environment = parts_environment(data.path, secrets, servers)
    os.environ.update(environment)
    settings = get_settings()
    if settings.flower_basic_auth:  # By its own name, because Flower finds flowerconfig.py only where it is started.
        os.environ["FLOWER_BASIC_AUTH"] = settings.flower_basic_auth
    check_port(settings.host, settings.port, "FAIRBOARD_PORT")
    check_port(flower_host(settings), settings.flower_port, "FAIRBOARD_FLOWER_PORT")
    if settings.port == settings.flower_port:
        raise UpError(f"FAIRBOARD_PORT and FAIRBOARD_FLOWER_PORT are both {settings.port}.")
    names = [*servers, *(part.name for part in PARTS), PLAYERS.name, MIGRATIONS, *DEMO_ACCOUNTS]
    output = Output(sys.stdout, names, data.logs)
    supervisor = Supervisor(output, dict(os.environ), [lock])
    return Stack(data, secrets, output, supervisor, STOP_STAGES, settings, servers, players)


def is_set(name: str) -> bool:
    """Whether the environment gives a setting, or the file that it stands in."""
    return bool(os.environ.get(PREFIX + name) or os.environ.get(f"{PREFIX}{name}_FILE"))


def choose_servers(data: Path, secrets: dict[str, str]) -> dict[str, EmbeddedServer]:
    """The servers that no URL is given for."""
    servers: dict[str, EmbeddedServer] = {}
    if not is_set("DATABASE_URL"):
        servers["postgres"] = EmbeddedPostgres(
            data / "postgres",
            owner_password=secrets["POSTGRES_OWNER_PASSWORD"],
            app_password=secrets["POSTGRES_APP_PASSWORD"],
            connections=connections_for(os.environ),
        )
    if not is_set("REDIS_URL"):
        servers["redis"] = EmbeddedRedis(data / "redis", password=secrets["REDIS_PASSWORD"])
    return servers


def connections_for(environment: Mapping[str, str]) -> int:
    """How many connections PostgreSQL has to allow: those of web processes, which may be many, and fifty for all else.

    What is no number is told later, with all other bad settings.
    """
    names = ("web_workers", "database_pool_size")
    found = [environment.get(PREFIX + name.upper()) or str(Settings.model_fields[name].default) for name in names]
    if not all(number.isdecimal() for number in found):
        return CONNECTIONS
    processes, pool = map(int, found)
    return max(CONNECTIONS, processes * (pool + 3) + 50)


def parts_environment(data: Path, secrets: dict[str, str], servers: dict[str, EmbeddedServer]) -> dict[str, str]:
    """What the parts get besides the environment, which goes before generated secrets."""
    generated = {name: value for name, value in secrets.items() if name.startswith(PREFIX)}
    values = {name: value for name, value in generated.items() if not is_set(name.removeprefix(PREFIX))}
    for server in servers.values():
        if isinstance(server, EmbeddedPostgres):
            values |= {
                f"{PREFIX}DATABASE_URL": server.app_url,
                f"{PREFIX}MIGRATION_DATABASE_URL": server.owner_url,
            }
        elif isinstance(server, EmbeddedRedis):
            values[f"{PREFIX}REDIS_URL"] = server.url
    programs = Path(sys.executable).parent
    values |= {
        f"{PREFIX}DATA_DIR": str(data),
        "PATH": f"{programs}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        # What a part prints should be seen when it is printed, although it goes through a pipe.
        "PYTHONUNBUFFERED": "1",
    }
    return values


def settings_of_parts() -> dict[str, str]:
    """What the environment gives, for commands that have another one: with what stands in files, which they look for

    in no other folder.
    """
    given = {name: value for name, value in os.environ.items() if name.startswith(PREFIX)}
    return given | {PREFIX + field.upper(): value for field, value in from_files().items()}


def flower_host(settings: Settings) -> str:
    """Where Flower listens: without a password on this machine only, whoever may reach the web server."""
    return settings.host if settings.flower_basic_auth else "127.0.0.1"


def check_port(host: str, port: int, setting: str) -> None:
    """Raise UpError, naming the setting, if something listens on a port already."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except socket.gaierror as error:
        told = f"{host} is no address of this machine. Set FAIRBOARD_HOST to one, or to 0.0.0.0 for all."
        raise UpError(told) from error
    except OSError as error:
        raise UpError(
            f"Port {port} on {host} cannot be used ({error.strerror}). "
            f"Stop what uses it, or set {setting} to another port."
        ) from error


@dataclass
class Stack(Session):
    """All parts of one `fairboard up`."""

    settings: Settings
    servers: dict[str, EmbeddedServer]
    players: int

    @property
    def url(self) -> str:
        """Where this machine reaches the web server."""
        return address(self.settings.host, self.settings.port)

    async def start(self) -> None:
        """Servers, migrations, parts, and accounts to try things with."""
        begun = time.monotonic()
        self.output.say(f"data is in {self.data.path}")
        for name, server in self.servers.items():
            await self._start_server(name, server)
        await self.command(MIGRATIONS, "migrate")
        self.data.publish(settings_of_parts())
        values = {**self.settings.model_dump(), "url": self.url, "players": self.players, "data_dir": self.data.path}
        for part in PARTS:
            own = {"host": flower_host(self.settings)} if part.name == "flower" else {}
            self.supervisor.start(found(part.filled({**values, **own})))
        accounts = DEMO_ACCOUNTS.items() if "postgres" in self.servers else ()
        await asyncio.gather(self._wait_until_ready(), *(self.make_account(name, role) for name, role in accounts))
        if self.players:
            self.supervisor.start(found(PLAYERS.filled(values)))
        self.summarise(self._addresses(), time.monotonic() - begun)

    async def _start_server(self, name: str, server: EmbeddedServer) -> None:
        begun = time.monotonic()
        server.prepare()
        hides = POSTGRES_CHATTER if isinstance(server, EmbeddedPostgres) else REDIS_CHATTER
        part = Part(
            name,
            server.argv,
            patience=PATIENCE_WITH_POSTGRES if isinstance(server, EmbeddedPostgres) else PATIENCE_WITH_REDIS,
            stop_signal=server.stop_signal,
            death_signal=server.stop_signal,
            identity=server.identity,
            hides=hides,
        )
        self.supervisor.start(part)
        while not server.is_ready():
            self.check_hope(name, begun)
            await asyncio.sleep(0.02)
        server.after_start()
        self.output.say(f"{server.title} answers on port {server.port}, after {time.monotonic() - begun:.1f} s")

    async def _wait_until_ready(self) -> None:
        begun = time.monotonic()
        while not await answers(self.url + "/readyz"):
            self.check_hope("web", begun)
            await asyncio.sleep(0.1)

    def _addresses(self) -> list[tuple[str, str]]:
        flower = address(flower_host(self.settings), self.settings.flower_port)
        rows = [
            ("Scoreboard", f"{self.url}/"),
            ("Review", f"{self.url}/review"),
            ("API documents", f"{self.url}/api/docs"),
            ("Flower", f"{flower}/"),
        ]
        if "postgres" in self.servers:
            rows += [(f"Log in as {name}", self.password(role)) for name, role in DEMO_ACCOUNTS.items()]
        return [*rows, ("Players", f"{self.players} simulated" if self.players else "none simulated")]


async def answers(url: str) -> bool:
    """Whether a GET of an `http` URL is answered with 200."""
    host, _, path = url.removeprefix("http://").partition("/")
    name, _, port = host.rpartition(":")
    try:
        async with asyncio.timeout(3):
            reader, writer = await asyncio.open_connection(name.strip("[]"), int(port))
            writer.write(f"GET /{path} HTTP/1.0\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
            status = await reader.readline()
            writer.close()
            return b" 200 " in status
    except (OSError, TimeoutError):
        return False
