"""Partitions: a leader is cut from those who choose it, and from nobody else."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import httpx
from redis import Redis

from deploy.local.places import ETCD, POSTGRES
from drills.faults.common import cluster
from drills.faults.memory import GREED
from drills.faults.nodes import GROUND, PLAN
from drills.faults.rolling import restart, step, switch_over
from drills.link import Links
from drills.scene import Drill, Scene

CUT_SECONDS = 45.0
"""More than twice as long as etcd remembers who leads (`ttl` in deploy/patroni/patroni.yml)."""
OUTAGE_SECONDS = 5.0
UNLOCKED = "cluster_unlocked"
"""What Patroni says of itself as long as etcd names no leader."""


def cut_network_to_etcd(scene: Scene) -> None:
    """A node that reaches etcd through proxies is made the primary, and then they let nothing pass.

    Its lease runs out, and both standbys see that. None of them may take over while the primary reaches them all and
    goes on (Patroni's failsafe mode).
    """
    old, links = cluster(scene).primary.name, Links()
    name = next(node for node in POSTGRES if node != old)
    try:
        step(scene, name, lambda: _restart_behind_links(scene, links, name))
        step(scene, "PostgreSQL's switchover", lambda: switch_over(scene, old, name))
        for link in links.named.values():
            link.hole()
        _stays_the_only_one(scene, name)
        links.mend()
        scene.wait(lambda: not any(UNLOCKED in _told(scene, node) for node in POSTGRES), "a leader in etcd")
        scene.wait_for_more(300)  # A switchover at once would wait for the end of the lease.
        step(scene, "PostgreSQL's switchover back", lambda: switch_over(scene, name, old))
    finally:
        restart(scene, name)
        links.close()
    scene.wait(scene.site.whole, "every node")


def _restart_behind_links(scene: Scene, links: Links, name: str) -> None:
    ports = cluster(scene).cluster.ports
    proxies = [f"127.0.0.1:{links.add(one, ports[f'{one}-client']).port}" for one in ETCD]
    # By default Patroni asks etcd for its members, and would go to those past the proxies.
    restart(scene, name, {"PATRONI_ETCD3_HOSTS": ",".join(proxies), "PATRONI_ETCD3_USE_PROXIES": "true"})


def _stays_the_only_one(scene: Scene, name: str) -> None:
    """Look at all nodes again and again: it is the primary, nobody else is, and it serves without etcd."""
    leaders: set[tuple[str, ...]] = set()
    saw_it_end: set[str] = set()
    begun, served = scene.load.now(), scene.load.count()
    end = time.monotonic() + CUT_SECONDS
    while time.monotonic() < end:
        told = {node: _told(scene, node) for node in POSTGRES}
        leaders.add(tuple(node for node in POSTGRES if told[node].get("role") == "primary"))
        saw_it_end |= {node for node in POSTGRES if UNLOCKED in told[node]}
        scene.lasts(0.5)
    outage = scene.load.history.outage(begun, scene.load.now())
    scene.notes.append(
        f"cut off from etcd it was the only primary, {scene.load.count() - served} completions counted, and at most "
        f"{outage:.1f} s passed without one; what is longer came of making it the primary, and another one after it"
    )
    scene.require(f"no outage of more than {OUTAGE_SECONDS:.0f} s, not {outage:.1f} s", holds=outage <= OUTAGE_SECONDS)
    scene.require("both standbys that saw its lease end", holds=saw_it_end >= set(POSTGRES) - {name})
    scene.require(f"one primary throughout, not {sorted(leaders)}", holds=leaders == {(name,)})


def _told(scene: Scene, name: str) -> dict[str, Any]:
    """What a node's Patroni says of itself; nothing if it does not answer in time."""
    address = cluster(scene).cluster.places.address(f"{name}-rest")
    with suppress(httpx.HTTPError):
        said: dict[str, Any] = httpx.get(f"http://{address}/patroni", timeout=5, trust_env=False).json()
        return said
    return {}


def cut_master_from_sentinels(scene: Scene) -> None:
    """The Sentinels are not let in to the master, call it dead and choose another. Its clients are with it as before.

    Its password is changed, which only those feel who connect anew, and the Sentinels' connections are ended. For about
    a second it may take writes that the other lacks, which the sweep mends; with its replicas gone it takes none.
    Limits have to outlive it.
    """
    nodes, master = cluster(scene).cluster, cluster(scene).board.name
    password, other = nodes.places.secrets["REDIS_PASSWORD"], secrets.token_hex(16)
    scene.load.burst(scene.spare[0], GREED)
    with _connected(scene, master, password) as held:
        held.config_set("requirepass", other)
        try:
            _end_connections(held, lambda client: client["name"].startswith("sentinel-"))
            scene.wait(lambda: nodes.redis_master() not in {None, master}, "another master", 60)
            scene.load.burst(scene.spare[0], GREED)
            scene.wait_for_more(30)
            scene.require("a former master that knows of no other", holds=held.info("replication")["role"] == "master")
        finally:
            _let_sentinels_in(scene, master, password, other)
    scene.load.burst(scene.spare[0], GREED)
    scene.wait(scene.site.whole, "a former master that follows")


def _let_sentinels_in(scene: Scene, master: str, password: str, other: str) -> None:
    """A Sentinel says its password only when it connects, so their connections end once more.

    They are those without the name of a library.
    """
    with _connected(scene, master, other) as again:
        again.config_set("requirepass", password)
        _end_connections(again, lambda client: not client["lib-name"])


def _connected(scene: Scene, name: str, password: str) -> Redis:
    port = cluster(scene).cluster.ports[name]
    return Redis(port=port, password=password, socket_timeout=5, protocol=2, single_connection_client=True)


def _end_connections(redis: Redis, chosen: Callable[[dict[str, str]], bool]) -> None:
    for client in filter(chosen, redis.client_list()):
        redis.client_kill_filter(_id=client["id"])


DRILLS = (
    Drill(
        "4d",
        "the primary cut from etcd by the network for 45 s, the others not",
        cut_network_to_etcd,
        GROUND,
        plan=PLAN,
    ),
    Drill(
        "10c",
        "Redis's master cut from the Sentinels, its clients not",
        cut_master_from_sentinels,
        GROUND,
        outage=5.0,
        redis=10.0,
        plan=PLAN,
    ),
)
