"""A running cluster, part by part, for drills and tests."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Self, TypeVar

from cli import supervisor
from cli.guarded import Guard
from deploy.local import state, topology
from deploy.local.places import Places
from deploy.local.process import ROOT, Part, found

T = TypeVar("T")
READY_SECONDS = 120.0


class ClusterError(Exception):
    """The cluster, or a part of it, is not as it should be in time."""


class Cluster:
    """All parts on free ports of this machine, in one folder. What is in the folder is kept and used again.

    `settings` are given to every part besides the cluster's own: `{"FAIRBOARD_AUTH_ADDRESS_LIMIT": "0"}`; `root` is the
    source tree that Fairboard runs from. Nothing is restarted unless it is started again; a Patroni restarts its own
    PostgreSQL.
    """

    def __init__(self, folder: Path, settings: Mapping[str, str] = MappingProxyType({}), root: Path = ROOT) -> None:
        self.root = root
        """The source tree of `command`. Each part has one of its own, which is the same at first."""
        self.places = Places(folder)
        self.environment = topology.environment(self.places, settings)
        """Of a client process such as `fairboard verify`, and of every part."""
        self.environment.pop("PYTHONPATH", None)  # Each part has that of its source tree.
        self._guard = Guard()
        self._servers = self._parts(topology.server_parts(self.places))
        self._own = self._parts(topology.own_parts(self.places))
        self.parts: Mapping[str, Part] = MappingProxyType(self._servers | self._own)

    def _parts(self, plans: Iterator[supervisor.Part]) -> dict[str, Part]:
        logs = self.places.logs
        return {
            plan.name: Part(plan, self.environment, logs / f"{plan.name}.log", self._guard, self.root) for plan in plans
        }

    @property
    def url(self) -> str:
        """The balancer. Its certificate is signed by `authority`."""
        return topology.site(self.places)

    @property
    def authority(self) -> Path:
        """The certificate that a client of the balancer trusts."""
        return topology.authority(self.places)

    @property
    def ports(self) -> Mapping[str, int]:
        """The port of every listener by name; such as `postgres1-sql`, `postgres1-rest` and `etcd1-client`."""
        return self.places.ports

    def __enter__(self) -> Self:
        self._guard.start()
        try:
            self.start()
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def start(self) -> None:
        """Start all that does not run: servers, then migrations, then Fairboard."""
        for part in self._servers.values():
            part.start()
        wait_for(self.primary, READY_SECONDS, "a primary")
        self.command("migrate", "--create")
        for part in self._own.values():
            part.start()

    def end(self) -> None:
        """End everything at once; the folder stays."""
        for part in reversed(list(self.parts.values())):
            part.kill()
        self._guard.stop()

    def wait_ready(self, seconds: float = READY_SECONDS) -> None:
        """Return when every server of Fairboard is ready behind a balancer that answers. Raises ClusterError."""
        wait_for(lambda: state.is_ready(self.places), seconds, "a ready cluster")

    def primary(self) -> str | None:
        """The name of the node that is PostgreSQL's primary now, as the nodes see themselves; None if there is none."""
        return state.primary(self.places)

    def redis_master(self) -> str | None:
        """The name of the board's master as the Sentinels see it; None while they do not agree."""
        return state.redis_master(self.places)

    def command(self, *arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
        """Run a `fairboard` command to its end. Raises ClusterError if it fails."""
        result = subprocess.run(
            found("fairboard", *arguments),
            cwd=self.root,
            env={"PYTHONPATH": str(self.root), **self.environment},
            input=text,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        if result.returncode:
            raise ClusterError(f"fairboard {' '.join(arguments)} failed:\n{result.stdout}{result.stderr}")
        return result


def wait_for(found_it: Callable[[], T], seconds: float, what: str) -> T:
    """What a function gives as soon as that is true. Raises ClusterError when it is not in time."""
    deadline = time.monotonic() + seconds
    while not (result := found_it()):
        if time.monotonic() > deadline:
            raise ClusterError(f"{what} did not come about within {seconds:.0f} s")
        time.sleep(0.1)
    return result
