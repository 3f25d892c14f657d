"""The rows on the cluster: what happens to whole nodes, and what several of each make of it."""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import closing

import httpx
import psycopg2

from cli.embedded.server import LOCALHOST
from deploy.local.places import ETCD, POSTGRES, WEB
from deploy.local.process import Part
from drills.cluster_site import ClusterSite
from drills.faults.common import POSTS, cluster, contest, post_together, settled
from drills.faults.database import cancel_what_waits, deadlocks, exhausted_pool, limit_files
from drills.faults.edge import slowloris
from drills.faults.memory import GREED, cut_subscriptions, flush, out_of_memory, rebuild_while_writing
from drills.faults.rolling import rolling
from drills.faults.tasks import dead_beat, kill_workers
from drills.load import SPARE_MS, Plan, round_of
from drills.scene import Drill, Scene
from models.database import UNCONFIRMED

GROUND = "cluster"
PLAN = Plan(seats=24)
NOTICED_SECONDS = 5.0
"""How soon readiness has to say that the primary is away."""
SERVED_SECONDS = 25.0
"""How soon after that loss somebody's completion has to count again."""
FULL_LOG_BYTES = 1 << 20
"""Of 16 MB that a file of PostgreSQL's log has: tables are smaller here, and go on."""
CAUGHT_UP = 3.0
"""Until Redis is equal where standbys that were frozen have to catch up first: nothing is committed before that."""
PATIENCE_SECONDS = 2.0
"""How long a commit may wait for a second node."""


def kill_postmaster(scene: Scene) -> None:
    """PostgreSQL alone; its Patroni starts it again."""
    part = cluster(scene).primary
    assert part.plan.pid_file is not None
    os.kill(int(part.plan.pid_file.read_text().split()[0]), signal.SIGKILL)
    scene.lasts(1.0)
    scene.wait(scene.site.ready, "readiness")


def kill_primary(scene: Scene) -> None:
    """Patroni and PostgreSQL: a standby takes over, and the old primary comes back as a standby."""
    part = cluster(scene).primary
    part.kill()
    _served_by_another(scene, part.name)
    part.start()


def freeze_primary(scene: Scene) -> None:
    """Frozen for 45 s, then thawed in a world that has moved on."""
    part = cluster(scene).primary
    part.freeze()
    begun = time.monotonic()
    _served_by_another(scene, part.name)
    scene.lasts(max(0.0, 45 - (time.monotonic() - begun)))
    part.thaw()
    scene.wait_for_more(20)


def full_disk(scene: Scene) -> None:
    """Nothing can be written on the primary's node, whatever Patroni starts there: another node has to take over."""
    part = cluster(scene).primary
    limit_files(scene, part.pids, FULL_LOG_BYTES)
    begun = scene.load.now()
    try:
        scene.wait(lambda: cluster(scene).cluster.primary() not in {None, part.name}, "another primary", 60)
        scene.wait_for_more(20)
    finally:
        limit_files(scene, part.pids, "unlimited")
    served = scene.load.history.resumed(begun, scene.load.now()) - begun
    scene.notes.append(f"another node took over; served again after {served:.1f} s")
    scene.wait(scene.site.whole, "a former primary that follows", 120)


def cut_from_etcd(scene: Scene) -> None:
    """The primary's Patroni hangs, so that its lease runs out while its PostgreSQL takes connections as before."""
    part = cluster(scene).primary
    assert part.process is not None
    os.kill(part.process.pid, signal.SIGSTOP)
    begun = time.monotonic()
    scene.wait(lambda: cluster(scene).cluster.primary() not in {None, part.name}, "another primary", 60)
    led = time.monotonic() - begun
    confirmed = _confirms(cluster(scene), part.name)
    scene.wait_for_more(20)  # The old one still takes connections, but nobody confirms its commits.
    confirmed = confirmed or _confirms(cluster(scene), part.name)
    scene.require("no commit that is confirmed by the node that was cut off", holds=not confirmed)
    scene.notes.append(f"another primary after {led:.1f} s; until then the one that was cut off served on")
    part.thaw()


def _confirms(site: ClusterSite, name: str) -> bool:
    """Whether a node says of a commit of its own that a second node has it."""
    url, port = site.settings.owner_url.replace("+psycopg2", ""), site.cluster.ports[f"{name}-sql"]
    with closing(psycopg2.connect(url, host=LOCALHOST, port=port, connect_timeout=2)) as connection:
        connection.autocommit = True
        patience = threading.Timer(PATIENCE_SECONDS, connection.cancel)
        patience.start()
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_logical_emit_message(true, 'drill', '')")
        patience.cancel()
        return not any(UNCONFIRMED in notice for notice in connection.notices)


def freeze_etcd(scene: Scene) -> None:
    """Nobody can tell who leads: the primary goes on, because it reaches its standbys (Patroni's failsafe mode)."""
    parts = [scene.site.parts[name] for name in ETCD]
    for part in parts:
        part.freeze()
    scene.lasts(30)
    served = scene.load.count()
    scene.wait_for_more(20, 5)
    scene.notes.append(f"without etcd {scene.load.count() - served} more completions counted after 30 s")
    for part in parts:
        part.thaw()
    scene.wait_for_more(20)


def cancel_unconfirmed(scene: Scene) -> None:
    """Both standbys are frozen, and whoever waits for one is cancelled."""
    standbys = _standbys(cluster(scene))
    for part in standbys:
        part.freeze()
    scene.lasts(0.5)  # What a standby had received before may be confirmed still.
    cancel_what_waits(scene)
    for part in standbys:
        part.thaw()


def _standbys(site: ClusterSite) -> list[Part]:
    primary = site.primary
    return [site.parts[name] for name in POSTGRES if name != primary.name]


def cut_from_standbys(scene: Scene) -> None:
    """Nobody is left who could confirm a commit, so none may be acknowledged."""
    standbys = _standbys(cluster(scene))
    for part in standbys:
        part.freeze()
    begun = scene.load.now() + 0.2
    scene.lasts(12)
    scene.silent(begun)
    for part in standbys:
        part.thaw()


def freeze_redis(scene: Scene) -> None:
    """The master hangs, another takes over, and the old one comes back and has to follow. Limits have to outlive it."""
    master = cluster(scene).board
    scene.load.burst(scene.spare[0], GREED)
    master.freeze()
    scene.wait(lambda: cluster(scene).cluster.redis_master() not in {None, master.name}, "another master", 60)
    scene.load.burst(scene.spare[0], GREED)
    scene.wait_for_more(30)
    master.thaw()
    scene.load.burst(scene.spare[0], GREED)
    scene.wait_for_more(10)


def kill_redis(scene: Scene) -> None:
    """The master is killed, and comes back as a replica. Limits have to outlive it."""
    master = cluster(scene).board
    scene.load.burst(scene.spare[0], GREED)
    master.kill()
    scene.wait(lambda: cluster(scene).cluster.redis_master() not in {None, master.name}, "another master", 60)
    scene.load.burst(scene.spare[0], GREED)
    scene.wait_for_more(20)
    master.start()


def many_posts(scene: Scene) -> None:
    """200 posts of one token through the balancer while the primary's node dies, and again once another one leads."""
    person, part = scene.spare[0], cluster(scene).primary
    token = scene.load.token(person)
    scene.lasts((round_of(token) + SPARE_MS) / 1000)
    killed: list[float] = []

    def kill() -> None:
        killed.append(scene.load.now())
        part.kill()

    killer = threading.Timer(scene.random.uniform(0.0, 0.2), kill)
    killer.start()
    attempts = post_together(scene, person, token)
    killer.join()
    _served_by_another(scene, part.name, killed[0])
    part.start()
    attempts += post_together(scene, person, token)
    settled(scene, {token: 0})
    scene.notes.append(f"answers about {POSTS} posts, and as many again: {contest(scene, attempts)}")


def _served_by_another(scene: Scene, name: str, lost: float | None = None) -> None:
    """Wait until readiness and metrics say so, until another node is the primary, and until completions count again.

    `lost` is when the node was lost, if that was not just now.
    """
    load = scene.load
    begun = load.now() if lost is None else lost
    scene.wait(lambda: not scene.site.ready(), "readiness that says no", 30)
    scene.wait(lambda: _is_down(cluster(scene), name), "metrics that say that the node is away", 30)
    noticed = load.now() - begun
    scene.wait(lambda: cluster(scene).cluster.primary() not in {None, name}, "another primary", 60)
    scene.wait_for_more(5)
    # The clients' own time: to ask a frozen node who leads takes two seconds each time, which nobody else waits for.
    served = load.history.resumed(begun, load.now()) - begun
    scene.notes.append(f"readiness and metrics said so after {noticed:.1f} s; served again after {served:.1f} s")
    scene.require(f"noticed within {NOTICED_SECONDS:.0f} s: {noticed:.1f} s", holds=noticed < NOTICED_SECONDS)
    scene.require(f"served again within {SERVED_SECONDS:.0f} s: {served:.1f} s", holds=served < SERVED_SECONDS)


def _is_down(site: ClusterSite, name: str) -> bool:
    """Whether a web server's `fairboard_up` and `fairboard_primary` say that a node is away."""
    answer = httpx.get(f"http://{site.cluster.places.address(WEB[0])}/metrics", timeout=10, trust_env=False)
    node = f'{{server="{site.cluster.places.address(f"{name}-sql")}"}} 0.0'
    return all(f"{gauge}{node}" in answer.text for gauge in ("fairboard_up", "fairboard_primary"))


DRILLS = (
    Drill("1", "`kill -9` of the primary's postmaster", kill_postmaster, GROUND, outage=5.0, plan=PLAN),
    Drill("2", "the primary's node killed", kill_primary, GROUND, outage=30.0, plan=PLAN),
    Drill("3", "the primary's node frozen for 45 s, then thawed", freeze_primary, GROUND, outage=30.0, plan=PLAN),
    Drill("4a", "the primary cut from etcd: its Patroni hangs", cut_from_etcd, GROUND, outage=30.0, plan=PLAN),
    Drill(
        "4b", "both standbys frozen: nobody can confirm a commit", cut_from_standbys, GROUND, redis=CAUGHT_UP, plan=PLAN
    ),
    Drill("4c", "etcd frozen for 30 s: nobody can tell who leads", freeze_etcd, GROUND, outage=5.0, plan=PLAN),
    Drill(
        "5",
        "a backend cancelled in COMMIT, both standbys frozen",
        cancel_unconfirmed,
        GROUND,
        redis=CAUGHT_UP,
        plan=PLAN,
    ),
    Drill("7a", "the primary's disk full", full_disk, GROUND, outage=30.0, plan=PLAN),
    Drill("7b", "deadlocks", deadlocks, GROUND, plan=PLAN),
    Drill("7c", "a lock that every completion waits for", exhausted_pool, GROUND, plan=PLAN),
    Drill("8c", "FLUSHALL", flush, GROUND, redis=10.0, plan=PLAN),
    Drill("9b", "Redis's master out of memory", out_of_memory, GROUND, redis=10.0, plan=PLAN),
    Drill("10a", "Redis's master killed: Sentinel fails over", kill_redis, GROUND, outage=5.0, redis=10.0, plan=PLAN),
    Drill("10b", "Redis's master frozen until another leads", freeze_redis, GROUND, outage=5.0, redis=10.0, plan=PLAN),
    Drill("11", "workers killed in the midst of their tasks", kill_workers, GROUND, plan=PLAN),
    Drill("12b", "both beats dead", dead_beat, GROUND, plan=PLAN),
    Drill("13", "rolling restart of all, leaders after a handover, the balancer reloaded", rolling, GROUND, plan=PLAN),
    Drill("14", "`fairboard rebuild` from a standby during writes", rebuild_while_writing, GROUND, plan=PLAN),
    Drill("16", "200 posts of one token while the primary's node dies", many_posts, GROUND, plan=PLAN),
    Drill("17a", "subscriptions cut at Redis", cut_subscriptions, GROUND, plan=PLAN),
    Drill("17c", "slowloris at the balancer: 200 requests that never end", slowloris, GROUND, plan=PLAN),
)
