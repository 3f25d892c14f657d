"""Rows 6, 15 and 17b on the cluster: a bad way to PostgreSQL, another time of day, and readers behind the balancer."""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime

import httpx

from deploy.local.places import BEATS, POSTGRES, WEB
from deploy.local.topology import QUEUES
from drills.faults.clocks import OFF_SECONDS
from drills.faults.common import cluster
from drills.faults.database import cut_answers_on
from drills.faults.edge import beside_deaf
from drills.faults.memory import GREED
from drills.faults.nodes import GROUND, PLAN
from drills.faults.rolling import restart, step, switch_over, whole
from drills.link import Links
from drills.scene import Drill, Scene
from drills.stack_site import other_clock
from drills.truth import until

ODD = WEB[0]
SILENT_SECONDS = 55.0
"""The balancer takes in what a reader does not, who is found out by the second ping that goes unanswered."""

WHOLE_SECONDS = 60.0


def cut_answers(scene: Scene) -> None:
    """One web server reaches PostgreSQL through proxies, which lose the answers to commits that are done."""
    links = Links()
    try:
        step(scene, ODD, lambda: restart(scene, ODD, {"FAIRBOARD_DATABASE_URL": _through(scene, links)}))
        cut_answers_on(scene, links.named[cluster(scene).primary.name])
    finally:
        restart(scene, ODD)
        links.close()


def _through(scene: Scene, links: Links) -> str:
    """The database's URL with each node behind a proxy."""
    nodes = cluster(scene).cluster
    url = nodes.environment["FAIRBOARD_DATABASE_URL"]
    for name in POSTGRES:
        port = nodes.ports[f"{name}-sql"]
        url = url.replace(f"127.0.0.1:{port}", f"127.0.0.1:{links.add(name, port).port}")
    return url


def slow_readers(scene: Scene) -> None:
    """As on one machine, but with the balancer between."""
    beside_deaf(scene, SILENT_SECONDS)


def clocks_off(scene: Scene) -> None:
    """One web server ten minutes ahead of the others, the workers and one beat ten minutes behind."""
    ahead, behind = (other_clock(cluster(scene).cluster.places.folder, one) for one in (OFF_SECONDS, -OFF_SECONDS))
    late = (*QUEUES, BEATS[0])
    try:
        for name, clock in ((ODD, ahead), *((name, behind) for name in late)):
            step(scene, name, lambda name=name, clock=clock: restart(scene, name, clock))  # type: ignore[misc]
        scene.load.burst(scene.spare[0], GREED)
        scene.wait_for_more(40)
        date = httpx.get(f"http://{cluster(scene).cluster.places.address(ODD)}/healthz", trust_env=False).headers[
            "Date"
        ]
        off = parsedate_to_datetime(date).timestamp() - time.time()
        scene.notes.append(f"the clock of one of three web servers off by {off:+.0f} s")
        scene.require("a clock that is off", holds=off > OFF_SECONDS - 5)
    finally:
        for name in (ODD, *late):
            restart(scene, name)


def database_clock_off(scene: Scene) -> None:
    """A primary ten minutes ahead, then one ten minutes behind: its clock dates tokens and entries alike."""
    site, first = cluster(scene), cluster(scene).primary.name
    odd = dict(zip([name for name in POSTGRES if name != first], (OFF_SECONDS, -OFF_SECONDS), strict=True))
    try:
        told = [_under_another_clock(scene, name, seconds) for name, seconds in odd.items()]
        step(scene, "the switchover back", lambda: switch_over(scene, site.primary.name, first))
    finally:
        for name in odd:
            restart(scene, name)
            until(lambda: whole(scene), WHOLE_SECONDS)
    scene.notes.append(f"PostgreSQL's clock off by {' and '.join(f'{off:+.0f} s' for off in told)}")
    scene.require("a clock that is off", holds=told[0] > OFF_SECONDS - 5 and told[1] < 5 - OFF_SECONDS)


def _under_another_clock(scene: Scene, name: str, seconds: int) -> float:
    """Play while a node leads whose clock is off by so much. By how much it says it is."""
    site = cluster(scene)
    clock = other_clock(site.cluster.places.folder, seconds)
    step(scene, name, lambda: restart(scene, name, clock))
    step(scene, f"the switchover to {name}", lambda: switch_over(scene, site.primary.name, name))
    scene.load.burst(scene.spare[0], GREED)
    scene.wait_for_more(20)
    return float(str(site.ask("SELECT extract(epoch FROM clock_timestamp())")[0][0])) - time.time()


DRILLS = (
    Drill("6", "answers of PostgreSQL to one web server cut after COMMIT", cut_answers, GROUND, plan=PLAN),
    Drill("15", "clocks of one web server and of workers off by ten minutes", clocks_off, GROUND, plan=PLAN),
    Drill(
        "15b",
        "the primary's clock off by ten minutes, either way, and a greedy player",
        database_clock_off,
        GROUND,
        plan=PLAN,
        # As on one machine.
        refused=frozenset({"ACTION_TOKEN_EXPIRED"}),
    ),
    Drill("17b", "60 sockets that read nothing, behind the balancer", slow_readers, GROUND, plan=PLAN),
)
