"""Where a cluster's parts are: names, ports, folders and secrets. A port and a secret are chosen once and kept."""

from __future__ import annotations

import base64
import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType

from cli.embedded import free_port
from cli.embedded.identity import Identity, home_for, write_private
from cli.embedded.server import LOCALHOST, is_free
from cli.env_file import keep_secrets
from config.settings import PREFIX

CONFIGURATION = Path(__file__).parents[1]
"""deploy/, whose files docker-compose.yml mounts as well."""

ETCD = ("etcd1", "etcd2", "etcd3")
POSTGRES = ("postgres1", "postgres2", "postgres3")
REDIS = ("redis1", "redis2", "redis3")
SENTINELS = ("sentinel1", "sentinel2", "sentinel3")
WEB = ("web1", "web2", "web3")
LIVE = ("live1", "live2")
BEATS = ("beat1", "beat2")
BROKER, FLOWER, BALANCER, PROMETHEUS = "broker", "flower", "balancer", "prometheus"
MASTER = "board"
"""What Sentinel calls the board's Redis."""

_LISTENERS = (
    *(f"{name}-{kind}" for name in ETCD for kind in ("client", "peer")),
    *(f"{name}-{kind}" for name in POSTGRES for kind in ("sql", "rest")),
    *(*REDIS, *SENTINELS, BROKER, *WEB, *LIVE, FLOWER, BALANCER, PROMETHEUS),
)


class Places:
    """One folder, in which every part has its own."""

    def __init__(self, folder: Path, wanted: Mapping[str, int] = MappingProxyType({})) -> None:
        """Makes the folder, and chooses what was not chosen before; `wanted` ports are taken if they are free."""
        self.folder = folder.absolute()
        self.folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        self.logs = self.folder / "logs"
        self.logs.mkdir(mode=0o700, exist_ok=True)
        self.ports = self._kept_ports(wanted)
        self.secrets = keep_secrets(self.folder / "secrets.env", SECRETS)

    def _kept_ports(self, wanted: Mapping[str, int]) -> dict[str, int]:
        free = _different_ports()

        def choose(name: str) -> str:
            return str(wanted[name] if name in wanted and is_free(wanted[name]) else next(free))

        makers = {name: partial(choose, name) for name in _LISTENERS}
        return {name: int(port) for name, port in keep_secrets(self.folder / "ports.env", makers).items()}

    def home(self, name: str) -> tuple[Path, Identity | None]:
        """A server's folder, and who runs the server."""
        return home_for(self.folder / name)

    def address(self, listener: str) -> str:
        """Host and port at which others reach a listener."""
        return f"{LOCALHOST}:{self.ports[listener]}"

    def listen(self, listener: str) -> str:
        """Host and port that a listener binds to."""
        return self.address(listener)

    def addresses(self, listeners: tuple[str, ...]) -> str:
        """Several of them, separated by commas."""
        return ",".join(map(self.address, listeners))

    def program(self, name: str, find: Callable[[], Path]) -> Path:  # noqa: ARG002 -- containers know it by its name
        """Where a program is."""
        return find()

    def own_folder(self, name: str) -> Path:
        """The folder of a part of Fairboard, which is run by whoever runs this."""
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        return folder

    def make_folder(self, name: str, below: str) -> None:
        """A folder in a server's own."""
        home, identity = self.home(name)
        (home / below).mkdir(mode=0o700, exist_ok=True)
        if identity:
            os.chown(home / below, identity.user, identity.group)

    def file(self, name: str, path: str) -> Path:
        """A server's own copy of a file of deploy/."""
        return self.write(name, Path(path).name, (CONFIGURATION / path).read_text())

    def write(self, name: str, file: str, text: str) -> Path:
        """A file in a server's folder that it alone can read."""
        home, identity = self.home(name)
        write_private(home / file, text, identity)
        return home / file


def _different_ports() -> Iterator[int]:
    given: set[int] = set()
    while True:
        port = free_port()
        if port not in given:
            given.add(port)
            yield port


SECRETS = {
    f"{PREFIX}JWT_SECRET": lambda: secrets.token_urlsafe(48),
    f"{PREFIX}TOKEN_KEYS": lambda: base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
    f"{PREFIX}FLOWER_BASIC_AUTH": lambda: f"ops:{secrets.token_hex(12)}",
    "POSTGRES_OWNER_PASSWORD": lambda: secrets.token_hex(24),
    "POSTGRES_APP_PASSWORD": lambda: secrets.token_hex(24),
    "REPLICATION_PASSWORD": lambda: secrets.token_hex(24),
    "PATRONI_PASSWORD": lambda: secrets.token_hex(24),
    "REDIS_PASSWORD": lambda: secrets.token_hex(24),
}
