"""Row 13 on the cluster: every part is restarted under load, the leaders after they have handed over."""

from __future__ import annotations

import base64
import http.client
import json
import subprocess
from collections.abc import Callable, Mapping
from types import MappingProxyType

from redis import Redis

from deploy.local.places import BALANCER, BROKER, ETCD, MASTER, POSTGRES, REDIS, SENTINELS
from deploy.local.process import found
from deploy.local.state import is_ready, status
from drills.faults.common import cluster
from drills.scene import Scene

HTTP_ACCEPTED = 200, 202
ADMIN_SECONDS = 30.0


def rolling(scene: Scene) -> None:
    """Standbys and replicas first, then the leaders, then Fairboard, then the balancer. No request may fail."""
    before = len(scene.load.history.failures)
    for name in (*ETCD, *SENTINELS, BROKER):
        step(scene, name, lambda name=name: restart(scene, name))  # type: ignore[misc]
    _restart_behind(scene, POSTGRES, cluster(scene).primary.name, "PostgreSQL's switchover", switch_over)
    _restart_behind(scene, REDIS, cluster(scene).board.name, "Redis's failover", _fail_over)
    for name in scene.site.parts:
        if name not in {*ETCD, *SENTINELS, BROKER, *POSTGRES, *REDIS, BALANCER}:
            step(scene, name, lambda name=name: restart(scene, name))  # type: ignore[misc]
    step(scene, BALANCER, lambda: _reload_balancer(scene))
    failed = scene.load.history.failures[before:]
    scene.require(f"no failed request: {len(failed)}, such as {failed[:3]}", holds=not failed)


def _restart_behind(
    scene: Scene, names: tuple[str, ...], leader: str, what: str, hand_over: Callable[[Scene, str], None]
) -> None:
    """Those that follow, one after the other, and the leader when it is none any more."""
    for name in names:
        if name != leader:
            step(scene, name, lambda name=name: restart(scene, name))  # type: ignore[misc]
    step(scene, what, lambda: hand_over(scene, leader))
    step(scene, leader, lambda: restart(scene, leader))


def step(scene: Scene, what: str, act: Callable[[], None]) -> None:
    """One of them, until all is as it was. Says how many requests failed meanwhile."""
    known, begun = len(scene.load.history.failures), scene.load.now()
    act()
    scene.wait(lambda: whole(scene), f"everything whole after {what}")
    scene.wait_for_more(5)
    if failed := scene.load.history.failures[known:]:
        took = scene.load.now() - begun
        scene.notes.append(f"{what}: {len(failed)} requests failed within {took:.0f} s, such as {failed[:2]}")


def restart(scene: Scene, name: str, variables: Mapping[str, str] = MappingProxyType({})) -> None:
    """One part, in an orderly way, with more in its environment."""
    part = cluster(scene).parts[name]
    part.terminate()
    part.start(variables)


def whole(scene: Scene) -> bool:
    """Whether one more may be taken away: every member of every group is there, and nobody lags."""
    site, places = cluster(scene), cluster(scene).cluster.places
    members = all(status(f"http://{places.address(f'{name}-client')}/health") == 200 for name in ETCD)
    return members and is_ready(places) and site.whole()


def switch_over(scene: Scene, leader: str, candidate: str | None = None) -> None:
    """As `patronictl switchover` does: to the candidate, or else to whom Patroni chooses."""
    nodes = cluster(scene).cluster
    host, _, port = nodes.places.address(f"{leader}-rest").rpartition(":")
    login = base64.b64encode(f"patroni:{nodes.places.secrets['PATRONI_PASSWORD']}".encode()).decode()
    connection = http.client.HTTPConnection(host, int(port), timeout=ADMIN_SECONDS)
    headers = {"Authorization": f"Basic {login}"}
    connection.request("POST", "/switchover", json.dumps({"leader": leader, "candidate": candidate}), headers)
    answer = connection.getresponse()
    assert answer.status in HTTP_ACCEPTED, answer.read()
    scene.wait(lambda: nodes.primary() not in {None, leader}, "another primary", ADMIN_SECONDS)


def _fail_over(scene: Scene, master: str) -> None:
    """The Sentinels have the master stop writes, wait for a replica, and hand over."""
    nodes = cluster(scene).cluster
    port, password = nodes.ports[SENTINELS[0]], nodes.places.secrets["REDIS_PASSWORD"]
    with Redis(port=port, password=password, socket_timeout=ADMIN_SECONDS, protocol=2) as sentinel:
        sentinel.execute_command("SENTINEL", "FAILOVER", MASTER, "COORDINATED")
    scene.wait(lambda: nodes.redis_master() not in {None, master}, "another master", ADMIN_SECONDS)


def _reload_balancer(scene: Scene) -> None:
    """`caddy reload`: all of it anew within one process, as for another certificate or server."""
    plan = cluster(scene).parts[BALANCER].plan
    variables = dict(plan.environment)
    argv = found("caddy", "reload", "--force", "--config", plan.argv[3], "--adapter", "caddyfile")
    subprocess.run(
        [*argv, "--address", variables["CADDY_ADMIN"].replace("unix/", "unix//")],
        env=cluster(scene).cluster.environment | variables,
        check=True,
        capture_output=True,
        timeout=ADMIN_SECONDS,
        **(plan.identity.popen_arguments() if plan.identity else {}),
    )
