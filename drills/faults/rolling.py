"""Row 13 on the cluster: every part is restarted under load, the leaders after they have handed over."""

from __future__ import annotations

import base64
import http.client
import json
import subprocess
from collections.abc import Callable

from redis import Redis

from deploy.local.places import BALANCER, BROKER, ETCD, MASTER, POSTGRES, REDIS, SENTINELS
from deploy.local.process import found
from deploy.local.state import is_ready, status
from drills.cluster_site import ClusterSite
from drills.scene import Scene

HTTP_ACCEPTED = 200, 202
ADMIN_SECONDS = 30.0


def rolling(scene: Scene) -> None:
    """Standbys and replicas first, then the leaders, then Fairboard, then the balancer. No request may fail."""
    before = len(scene.load.history.failures)
    for name in (*ETCD, *SENTINELS, BROKER):
        _step(scene, name, lambda name=name: _restart(scene, name))  # type: ignore[misc]
    _restart_behind(scene, POSTGRES, _site(scene).primary.name, "PostgreSQL's switchover", _switch_over)
    _restart_behind(scene, REDIS, _site(scene).board.name, "Redis's failover", _fail_over)
    for name in scene.site.parts:
        if name not in {*ETCD, *SENTINELS, BROKER, *POSTGRES, *REDIS, BALANCER}:
            _step(scene, name, lambda name=name: _restart(scene, name))  # type: ignore[misc]
    _step(scene, BALANCER, lambda: _reload_balancer(scene))
    failed = scene.load.history.failures[before:]
    scene.require(f"no failed request: {len(failed)}, such as {failed[:3]}", holds=not failed)


def _restart_behind(
    scene: Scene, names: tuple[str, ...], leader: str, what: str, hand_over: Callable[[Scene, str], None]
) -> None:
    """Those that follow, one after the other, and the leader when it is none any more."""
    for name in names:
        if name != leader:
            _step(scene, name, lambda name=name: _restart(scene, name))  # type: ignore[misc]
    _step(scene, what, lambda: hand_over(scene, leader))
    _step(scene, leader, lambda: _restart(scene, leader))


def _step(scene: Scene, what: str, act: Callable[[], None]) -> None:
    """One of them, until all is as it was. Says how many requests failed meanwhile."""
    known, begun = len(scene.load.history.failures), scene.load.now()
    act()
    scene.wait(lambda: _whole(scene), f"everything whole after {what}")
    scene.wait_for_more(5)
    if failed := scene.load.history.failures[known:]:
        took = scene.load.now() - begun
        scene.notes.append(f"{what}: {len(failed)} requests failed within {took:.0f} s, such as {failed[:2]}")


def _restart(scene: Scene, name: str) -> None:
    part = scene.site.parts[name]
    part.terminate()
    part.start()


def _whole(scene: Scene) -> bool:
    """Whether one more may be taken away: every member of every group is there, and nobody lags."""
    site, places = _site(scene), _site(scene).cluster.places
    members = all(status(f"http://{places.address(f'{name}-client')}/health") == 200 for name in ETCD)
    return members and is_ready(places) and site.whole()


def _switch_over(scene: Scene, leader: str) -> None:
    """As `patronictl switchover` does."""
    cluster = _site(scene).cluster
    host, _, port = cluster.places.address(f"{leader}-rest").rpartition(":")
    login = base64.b64encode(f"patroni:{cluster.places.secrets['PATRONI_PASSWORD']}".encode()).decode()
    connection = http.client.HTTPConnection(host, int(port), timeout=ADMIN_SECONDS)
    headers = {"Authorization": f"Basic {login}"}
    connection.request("POST", "/switchover", json.dumps({"leader": leader}), headers)
    answer = connection.getresponse()
    assert answer.status in HTTP_ACCEPTED, answer.read()
    scene.wait(lambda: cluster.primary() not in {None, leader}, "another primary", ADMIN_SECONDS)


def _fail_over(scene: Scene, master: str) -> None:
    """The Sentinels have the master stop writes, wait for a replica, and hand over."""
    cluster = _site(scene).cluster
    port, password = cluster.ports[SENTINELS[0]], cluster.places.secrets["REDIS_PASSWORD"]
    with Redis(port=port, password=password, socket_timeout=ADMIN_SECONDS, protocol=2) as sentinel:
        sentinel.execute_command("SENTINEL", "FAILOVER", MASTER, "COORDINATED")
    scene.wait(lambda: cluster.redis_master() not in {None, master}, "another master", ADMIN_SECONDS)


def _reload_balancer(scene: Scene) -> None:
    """`caddy reload`: all of it anew within one process, as for another certificate or server."""
    plan = _site(scene).parts[BALANCER].plan
    variables = dict(plan.environment)
    argv = found("caddy", "reload", "--force", "--config", plan.argv[3], "--adapter", "caddyfile")
    subprocess.run(
        [*argv, "--address", variables["CADDY_ADMIN"].replace("unix/", "unix//")],
        env=_site(scene).cluster.environment | variables,
        check=True,
        capture_output=True,
        timeout=ADMIN_SECONDS,
        **(plan.identity.popen_arguments() if plan.identity else {}),
    )


def _site(scene: Scene) -> ClusterSite:
    assert isinstance(scene.site, ClusterSite)
    return scene.site
