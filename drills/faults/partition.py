"""Partitions: a leader is cut from those who choose it, and from nobody else."""

from __future__ import annotations

import secrets
import time
from typing import Any

import httpx
from redis import Redis

from deploy.local.places import ETCD, POSTGRES, SENTINELS
from drills.faults.common import cluster
from drills.faults.memory import GREED
from drills.faults.nodes import GROUND, PLAN
from drills.faults.rolling import restart, step, switch_over
from drills.link import Links
from drills.scene import Drill, Scene

LEASE_SECONDS = 20
"""So long does etcd remember who leads (`ttl` in deploy/patroni/patroni.yml)."""
CUT_SECONDS = 45.0


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
        step(scene, "the end of the cut", lambda: scene.wait_for_more(20))
        step(scene, "PostgreSQL's switchover back", lambda: switch_over(scene, name, old))
    finally:
        restart(scene, name)
        links.close()
    scene.wait(scene.site.whole, "every node")


def _restart_behind_links(scene: Scene, links: Links, name: str) -> None:
    ports = cluster(scene).cluster.ports
    proxies = [f"127.0.0.1:{links.add(one, ports[f'{one}-client']).port}" for one in ETCD]
    part = cluster(scene).parts[name]
    part.terminate()
    # By default Patroni asks etcd for its members, and would go to those past the proxies.
    part.start({"PATRONI_ETCD3_HOSTS": ",".join(proxies), "PATRONI_ETCD3_USE_PROXIES": "true"})


def _stays_the_only_one(scene: Scene, name: str) -> None:
    """Look at all nodes again and again: it is the primary, nobody else is, and it serves without etcd."""
    seen: set[tuple[str, ...]] = set()
    end, served = time.monotonic() + CUT_SECONDS, scene.load.count()
    while time.monotonic() < end:
        seen.add(tuple(node for node in POSTGRES if _told(scene, node).get("role") == "primary"))
        scene.lasts(0.5)
    alone = time.time() - _told(scene, name)["dcs_last_seen"]
    scene.notes.append(
        f"the primary had not seen etcd for {alone:.0f} s (its lease lasts {LEASE_SECONDS}), was the only one "
        f"throughout, and {scene.load.count() - served} completions counted meanwhile"
    )
    scene.require(f"cut off for longer than its lease, not {alone:.0f} s", holds=alone > LEASE_SECONDS)
    scene.require(f"one primary throughout, not {sorted(seen)}", holds=seen == {(name,)})


def _told(scene: Scene, name: str) -> dict[str, Any]:
    """What a node's Patroni says of itself."""
    address = cluster(scene).cluster.places.address(f"{name}-rest")
    said: dict[str, Any] = httpx.get(f"http://{address}/patroni", timeout=5, trust_env=False).json()
    return said


def cut_master_from_sentinels(scene: Scene) -> None:
    """The Sentinels are not let in to the master, call it dead and choose another. Its clients are with it as before.

    Its password is changed, which only those feel who connect anew, and the Sentinels' connections are ended. It may
    take no write that the other does not have: with its replicas gone it takes none at all. Limits have to outlive it.
    """
    nodes, master = cluster(scene).cluster, cluster(scene).board.name
    password = nodes.places.secrets["REDIS_PASSWORD"]
    scene.load.burst(scene.spare[0], GREED)
    with Redis(
        port=nodes.ports[master], password=password, socket_timeout=5, protocol=2, single_connection_client=True
    ) as held:
        try:
            _shut_sentinels_out(scene, held)
            scene.wait(lambda: nodes.redis_master() not in {None, master}, "another master", 60)
            scene.load.burst(scene.spare[0], GREED)
            scene.wait_for_more(30)
            scene.require("a former master that knows of no other", holds=held.info("replication")["role"] == "master")
        finally:
            held.config_set("requirepass", password)
    scene.load.burst(scene.spare[0], GREED)
    scene.wait_for_more(10)


def _shut_sentinels_out(scene: Scene, held: Redis) -> None:
    held.config_set("requirepass", secrets.token_hex(16))
    watching = [client["id"] for client in held.client_list() if client["name"].startswith("sentinel-")]
    for each in watching:
        held.client_kill_filter(_id=each)
    scene.require("Sentinels that were cut off", holds=len(watching) >= len(SENTINELS))


DRILLS = (
    Drill(
        "4d",
        "the primary cut from etcd by the network for 45 s, the others not",
        cut_network_to_etcd,
        GROUND,
        outage=5.0,
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
