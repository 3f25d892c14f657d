"""How a cluster is: who is the primary and the master, and whether everything answers."""

from __future__ import annotations

import http.client
import json
import ssl
from contextlib import suppress
from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError

from deploy.local import topology
from deploy.local.places import LIVE, MASTER, POSTGRES, REDIS, SENTINELS, WEB, Places


def primary(places: Places) -> str | None:
    """The name of the node that is PostgreSQL's primary now, as the nodes see themselves; None if there is none."""
    names = [name for name in POSTGRES if role(places, name) == "primary"]
    return names[0] if len(names) == 1 else None


def role(places: Places, name: str) -> str:
    """`primary`, `replica`, or what its Patroni says it is doing instead; `away` if that does not answer."""
    try:
        connection = http.client.HTTPConnection(*_split(places.address(f"{name}-rest")), timeout=2)
        connection.request("GET", "/patroni")
        answer = json.loads(connection.getresponse().read())
    except (OSError, ValueError, http.client.HTTPException):
        return "away"
    return str(answer["role"]) if answer.get("state") == "running" else str(answer.get("state"))


def redis_master(places: Places) -> str | None:
    """The name of the board's master as the Sentinels see it; None while they do not agree."""
    seen = set()
    for name in SENTINELS:
        port, password = places.ports[name], places.secrets["REDIS_PASSWORD"]
        with Redis(port=port, password=password, socket_timeout=1, protocol=2) as sentinel, suppress(RedisError):
            seen.add(int(sentinel.sentinel_get_master_addr_by_name(MASTER)[1]))
    names = [name for name in REDIS if places.ports[name] in seen]
    return names[0] if len(names) == 1 else None


def is_ready(places: Places) -> bool:
    """Whether every server of Fairboard is ready behind a balancer that answers."""
    servers = all(status(f"http://{places.address(name)}/readyz") == 200 for name in (*WEB, *LIVE))
    return servers and status(f"{topology.site(places)}/readyz", topology.authority(places)) == 200


def status(url: str, trusted: Path | None = None) -> int:
    """The status that a GET is answered with; 0 if it is not."""
    scheme, _, rest = url.partition("://")
    address, _, path = rest.partition("/")
    try:
        connection = _connection(scheme, address, trusted)
        connection.request("GET", f"/{path}")
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0


def _connection(scheme: str, address: str, trusted: Path | None) -> http.client.HTTPConnection:
    host, port = _split(address)
    if scheme != "https":
        return http.client.HTTPConnection(host, port, timeout=3)
    context = ssl.create_default_context(cafile=str(trusted) if trusted else None)
    return http.client.HTTPSConnection(host, port, timeout=3, context=context)


def _split(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host, int(port)
