"""`make cluster`: the production topology on this machine, until Ctrl-C."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

import click

from cli.data_dir import DataDir, DataDirError
from cli.embedded import EmbeddedServerError
from cli.failure import Failure
from cli.lifetime import ask_for_signal
from cli.output import Output
from cli.parts import PLAYERS
from cli.session import DEMO_ACCOUNTS, MIGRATIONS, Session, found
from cli.supervisor import Part, PartFailedError, Supervisor
from config.settings import PREFIX
from deploy.local import state, topology
from deploy.local.places import BALANCER, ETCD, FLOWER, LIVE, POSTGRES, PROMETHEUS, REDIS, SENTINELS, WEB, Places
from deploy.local.programs import ProgramMissingError

FOLDER = "cluster"
WANTED_PORTS = {BALANCER: 8443, FLOWER: 5556, PROMETHEUS: 9090}
"""Those that people type, where they are free when the cluster is made."""
WATCH_SECONDS = 2.0
STOP_STAGES = (
    (PLAYERS.name,),
    (BALANCER, PROMETHEUS, FLOWER, "beat1", "beat2", *topology.QUEUES, *WEB, *LIVE),
    (*SENTINELS, *REDIS, "broker"),
    POSTGRES,
    ETCD,
)


@click.command()
@click.option("--players", default=12, show_default=True, type=click.IntRange(0), help="Simulated players.")
@click.option("--with-parent", is_flag=True, hidden=True, help="End when the process that started this one ends.")
def cluster(players: int, *, with_parent: bool) -> None:
    """Run the production topology on this machine, until Ctrl-C.

    Exit code 2 if it could not be started, or if a part could not go on.
    """
    if with_parent:
        ask_for_signal(signal.SIGTERM)
    try:
        asyncio.run(prepare(players).run())
    except (DataDirError, EmbeddedServerError, PartFailedError, ProgramMissingError) as error:
        raise Failure(str(error)) from error


def prepare(players: int) -> ClusterSession:
    """Take the folder and settle who listens where. Starts nothing."""
    data = DataDir(FOLDER)
    lock = data.open()
    secrets = data.secrets()
    places = Places(data.path, WANTED_PORTS)
    own = {name: value for name, value in os.environ.items() if name.startswith(PREFIX) and value}
    own.pop(f"{PREFIX}DATA_DIR", None)
    environment = topology.environment(places, own)
    servers, parts = (list(map(_quick_to_end, one(places))) for one in (topology.server_parts, topology.own_parts))
    names = [*(part.name for part in (*servers, *parts)), PLAYERS.name, MIGRATIONS, *DEMO_ACCOUNTS]
    output = Output(sys.stdout, names, data.logs)
    supervisor = Supervisor(output, environment, [lock])
    return ClusterSession(data, secrets, output, supervisor, STOP_STAGES, places, environment, servers, parts, players)


def _quick_to_end(part: Part) -> Part:
    """Nobody is left to take over from a part when all of them end, so there is no use in waiting for that."""
    if part.name in {*WEB, *LIVE}:
        return replace(part, stop_signal=signal.SIGINT, patience=2.0)
    if part.name in ETCD:
        return replace(part, stop_signal=signal.SIGKILL, patience=0.5)  # All that it has said is on the disk.
    return part


@dataclass
class ClusterSession(Session):
    """All parts of one `make cluster`."""

    places: Places
    environment: Mapping[str, str]
    servers: list[Part]
    parts: list[Part]
    players: int

    async def start(self) -> None:
        """Servers, a primary, migrations, Fairboard, and accounts to try things with."""
        begun = time.monotonic()
        self.output.say(f"data is in {self.places.folder}")
        for part in self.servers:
            self.supervisor.start(part)
        primary = await self._wait_for_primary()
        self.output.say(f"{primary} is the primary, after {time.monotonic() - begun:.1f} s")
        await self.command(MIGRATIONS, "migrate", "--create")
        self.data.publish(self.environment)
        for part in self.parts:
            self.supervisor.start(found(part))
        await asyncio.gather(*(self.make_account(name, role) for name, role in DEMO_ACCOUNTS.items()))
        await self._wait_until_ready()
        if self.players:
            self._start_players()
        self.summarise(self._addresses(primary), time.monotonic() - begun)
        self._watcher = asyncio.create_task(self._tell_changes())

    async def _tell_changes(self) -> None:
        """Say whenever somebody else has become the primary or the master."""
        seen: dict[str, str | None] = {}
        while True:
            now = {
                "PostgreSQL's primary": await asyncio.to_thread(state.primary, self.places),
                "Redis's master": await asyncio.to_thread(state.redis_master, self.places),
            }
            for what, name in now.items():
                if what in seen and seen[what] != name:
                    self.output.say(f"{what} is {name or 'lost'}")
            seen = now
            await asyncio.sleep(WATCH_SECONDS)

    async def _wait_for_primary(self) -> str:
        begun = time.monotonic()
        while not (primary := await asyncio.to_thread(state.primary, self.places)):
            for part in self.servers:
                self.check_hope(part.name, begun)
            await asyncio.sleep(0.2)
        return primary

    async def _wait_until_ready(self) -> None:
        begun = time.monotonic()
        while not await asyncio.to_thread(state.is_ready, self.places):
            for part in self.parts:
                self.check_hope(part.name, begun)
            await asyncio.sleep(0.2)

    def _start_players(self) -> None:
        values = {"players": self.players, "url": topology.site(self.places)}
        trust = {"SSL_CERT_FILE": str(topology.authority(self.places))}
        self.supervisor.start(found(Part(**{**vars(PLAYERS.filled(values)), "environment": trust})))

    def _addresses(self, primary: str) -> list[tuple[str, str]]:
        site, folder = topology.site(self.places), self.places.folder
        return [
            ("Scoreboard", f"{site}/"),
            ("API documents", f"{site}/api/docs"),
            ("Its authority", str(topology.authority(self.places))),
            ("Flower", f"http://{self.places.address(FLOWER)}/"),
            ("Log in to Flower", self.places.secrets[f"{PREFIX}FLOWER_BASIC_AUTH"].replace(":", " ")),
            ("Prometheus", f"http://{self.places.address(PROMETHEUS)}/"),
            *((f"Log in as {name}", self.password(role)) for name, role in DEMO_ACCOUNTS.items()),
            ("Players", f"{self.players} simulated" if self.players else "none simulated"),
            ("PostgreSQL", f"{primary} is the primary of {len(POSTGRES)}"),
            ("Redis", f"{state.redis_master(self.places)} is the master of {len(REDIS)}"),
            ("Commands", f"FAIRBOARD_DATA_DIR={folder} .venv/bin/fairboard verify"),
        ]


if __name__ == "__main__":
    cluster()
