"""All parts of a cluster as data, in the order of their start. docker-compose.yml says the same in containers."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from cli.embedded.postgres import APP_LOGIN, DATABASE, OWNER
from cli.embedded.server import LOCALHOST
from cli.parts import PARTS
from cli.supervisor import Part
from config.settings import PREFIX
from deploy.local import servers
from deploy.local.places import (
    BALANCER,
    BEATS,
    BROKER,
    CONFIGURATION,
    ETCD,
    FLOWER,
    LIVE,
    MASTER,
    POSTGRES,
    PROMETHEUS,
    REDIS,
    SENTINELS,
    WEB,
    Places,
)
from deploy.local.programs import find_program

_BY_NAME = {part.name: part for part in PARTS}
QUEUES = {f"worker-{queue}": queue for queue in ("leaderboard", "anticheat", "maintenance")}
CADDY_CHATTER = re.compile(r'"level":"info"|admin endpoint on open interface|health_checker')
DRAIN_SECONDS = 2.5
"""How long a server that is about to end goes on, for the balancer to notice: two of its looks."""

REDIS_DEADLINE = 2.0
"""A master that hands over to a replica holds its clients for one or two seconds."""


def server_parts(places: Places) -> Iterator[Part]:
    """What Fairboard stands on."""
    yield from (servers.etcd(places, name) for name in ETCD)
    yield from (servers.postgres(places, name) for name in POSTGRES)
    yield from (servers.board_redis(places, name) for name in REDIS)
    yield from (servers.sentinel(places, name) for name in SENTINELS)
    yield servers.broker(places, BROKER)


def own_parts(places: Places) -> Iterator[Part]:
    """Fairboard itself, and what is in front of it and beside it."""
    for name in WEB:
        yield _web(places, name, "http")
    for name in LIVE:
        yield _web(places, name, "sockets")
    for name, queue in QUEUES.items():
        yield replace(_BY_NAME[queue], name=name, patience=8.0)
    for name in BEATS:
        yield replace(_BY_NAME["beat"], name=name).filled({"data_dir": str(places.own_folder(name))})
    yield _flower(places)
    yield balancer(places)
    yield prometheus(places)


def settings(places: Places) -> dict[str, str]:
    """The settings of every part of Fairboard, and of a client process such as `fairboard verify`."""
    return {
        f"{PREFIX}DATABASE_URL": database_url(places, APP_LOGIN, places.secrets["POSTGRES_APP_PASSWORD"]),
        f"{PREFIX}REPLICA_URL": database_url(places, APP_LOGIN, places.secrets["POSTGRES_APP_PASSWORD"]),
        f"{PREFIX}MIGRATION_DATABASE_URL": database_url(places, OWNER, places.secrets["POSTGRES_OWNER_PASSWORD"]),
        f"{PREFIX}REDIS_URL": (
            f"redis+sentinel://:{places.secrets['REDIS_PASSWORD']}@{places.addresses(SENTINELS)}/0?master={MASTER}"
        ),
        f"{PREFIX}BROKER_URL": f"redis://:{places.secrets['REDIS_PASSWORD']}@{places.address(BROKER)}/0",
        f"{PREFIX}DATA_DIR": str(places.folder),
        f"{PREFIX}TRUSTED_PROXIES": "1",
        f"{PREFIX}WEB_WORKERS": "1",
        f"{PREFIX}DRAIN_SECONDS": str(DRAIN_SECONDS),
        f"{PREFIX}REDIS_DEADLINE": str(REDIS_DEADLINE),
        **{name: value for name, value in places.secrets.items() if name.startswith(PREFIX)},
    }


def database_url(places: Places, user: str, password: str) -> str:
    """All of PostgreSQL's nodes; whoever connects looks for the primary among them."""
    return f"postgresql://{user}:{password}@{places.addresses(tuple(f'{name}-sql' for name in POSTGRES))}/{DATABASE}"


def environment(places: Places, extra: Mapping[str, str]) -> dict[str, str]:
    """What every part gets from this process, and from the cluster; `extra` goes before the latter."""
    others = (PREFIX, "PATRONI_", "ETCD_")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(others)}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    return {**inherited, "PATH": path, "PYTHONUNBUFFERED": "1", **settings(places), **extra}


def _web(places: Places, name: str, serves: str) -> Part:
    host, _, port = places.listen(name).rpartition(":")
    values = {f"{PREFIX}HOST": host, f"{PREFIX}PORT": port, f"{PREFIX}SERVES": serves}
    return replace(_BY_NAME["web"], name=name, patience=12.0, environment=values)


def _flower(places: Places) -> Part:
    host, _, port = places.listen(FLOWER).rpartition(":")
    part = _BY_NAME["flower"].filled({"flower_port": port, "host": host})
    # It reads its settings file only where it is started.
    return replace(part, environment={"FLOWER_BASIC_AUTH": places.secrets[f"{PREFIX}FLOWER_BASIC_AUTH"]})


def balancer(places: Places) -> Part:
    """Caddy in front, with TLS from an authority of its own."""
    home, identity = places.home(BALANCER)
    values = {
        "FAIRBOARD_SITE": site(places),
        "FAIRBOARD_TLS": "internal",
        "FAIRBOARD_SNI": LOCALHOST,
        "FAIRBOARD_BIND": places.listen(BALANCER).rpartition(":")[0],
        "FAIRBOARD_HTTPS_PORT": places.listen(BALANCER).rpartition(":")[2],
        "FAIRBOARD_WEB": places.addresses(WEB).replace(",", " "),
        "FAIRBOARD_LIVE": places.addresses(LIVE).replace(",", " "),
        "CADDY_ADMIN": f"unix/{home / 'admin.sock'}",
        "XDG_DATA_HOME": str(home),
        "XDG_CONFIG_HOME": str(home),
        "GOMAXPROCS": "2",
    }
    file = places.file(BALANCER, "caddy/Caddyfile")
    argv = ("caddy", "run", "--config", str(file), "--adapter", "caddyfile")
    return Part(BALANCER, argv, patience=3.0, identity=identity, environment=values, hides=CADDY_CHATTER)


def site(places: Places) -> str:
    """Where the balancer serves."""
    return f"https://{places.address(BALANCER)}"


def authority(places: Places) -> Path:
    """The certificate that clients of the balancer have to trust; there once it runs."""
    return places.home(BALANCER)[0] / "caddy" / "pki" / "authorities" / "local" / "root.crt"


def prometheus(places: Places) -> Part:
    """Prometheus, which asks every web server."""
    home, identity = places.home(PROMETHEUS)
    file = places.file(PROMETHEUS, "prometheus/prometheus.yml")
    for rules in (CONFIGURATION / "prometheus").glob("alerts*.yml"):
        places.file(PROMETHEUS, f"prometheus/{rules.name}")
    targets = [{"targets": [places.address(name)], "labels": {"part": name}} for name in (*WEB, *LIVE)]
    places.write(PROMETHEUS, "targets.json", json.dumps(targets, indent=1))
    argv = (
        str(places.program("prometheus", lambda: find_program("prometheus"))),
        f"--config.file={file}",
        f"--storage.tsdb.path={home / 'data'}",
        "--storage.tsdb.retention.time=7d",
        f"--web.listen-address={places.listen(PROMETHEUS)}",
        "--log.level=warn",
    )
    return Part(PROMETHEUS, argv, patience=3.0, identity=identity)
