"""Rows 6 and 15 on the cluster: one of several servers has a bad way to PostgreSQL, or another time of day."""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime

import httpx

from deploy.local.places import BEATS, POSTGRES, WEB
from deploy.local.topology import QUEUES
from drills.faults.clocks import OFF_SECONDS
from drills.faults.common import cluster
from drills.faults.database import cut_answers_on
from drills.faults.memory import GREED
from drills.faults.nodes import GROUND, PLAN
from drills.faults.rolling import restart, step
from drills.link import Links
from drills.scene import Drill, Scene
from drills.stack_site import other_clock

ODD = WEB[0]


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


DRILLS = (
    Drill("6", "answers of PostgreSQL to one web server cut after COMMIT", cut_answers, GROUND, plan=PLAN),
    Drill("15", "clocks of one web server and of workers off by ten minutes", clocks_off, GROUND, plan=PLAN),
)
