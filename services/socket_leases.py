"""How many sockets a player holds, over all web processes.

Each socket is a lease in Redis, renewed while it is open, so that a process that dies frees its players' places. While
Redis is away nobody is refused here: each process counts its own as well.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import suppress
from typing import NamedTuple

from services.redis_client import RedisUnavailableError
from services.resources import Resources

LEASE_SECONDS = 90
RENEW_SECONDS = 30
BATCH = 500


class Lease(NamedTuple):
    """One socket of a player. Its name is unique among all processes."""

    user_id: int
    name: str


def key(user_id: int) -> str:
    """The player's sockets in Redis, in the same slot as their limits."""
    return f"sockets:{{{user_id}}}"


def hold(resources: Resources, lease: Lease, limit: int, ended: Iterable[Lease] = ()) -> bool:
    """Whether the player may hold one more, which then is noted. Those of the same player that ended do not count."""
    now = int(time.time())
    arguments: list[str | int] = [now, now + LEASE_SECONDS, lease.name, limit, *[each.name for each in ended]]
    try:
        return bool(resources.hold_socket_script((key(lease.user_id),), arguments))
    except RedisUnavailableError:
        return True


def renew(resources: Resources, leases: Iterable[Lease]) -> None:
    """Keep the places of sockets that are still open, at most BATCH, also those that Redis has lost."""
    until = int(time.time()) + LEASE_SECONDS
    commands: list[tuple[str | int, ...]] = []
    for lease in leases:
        commands.append(("ZADD", key(lease.user_id), until, lease.name))
        commands.append(("EXPIREAT", key(lease.user_id), until))
    _send(resources, commands)


def release(resources: Resources, leases: Iterable[Lease]) -> None:
    """Free the places of sockets that were closed, at most BATCH."""
    _send(resources, [("ZREM", key(lease.user_id), lease.name) for lease in leases])


def _send(resources: Resources, commands: list[tuple[str | int, ...]]) -> None:
    with suppress(RedisUnavailableError):  # The next renewal says it again, and what is not released runs out.
        if commands:
            resources.quick.call(*commands)
