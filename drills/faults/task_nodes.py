"""Rows 11 and 12 on the cluster: a worker dies at a chosen word, and beat is there twice."""

from __future__ import annotations

from deploy.local.places import BEATS
from drills.faults.behind import web_behind, worker_behind
from drills.faults.common import cluster
from drills.faults.nodes import GROUND, PLAN
from drills.faults.tasks import ASKED, COMMITTED, RECEIVED, double_and_reorder_on, kill_worker_at
from drills.link import Trap
from drills.scene import Drill, Scene

BOTH_SECONDS = 10.0


def kill_after_receiving(scene: Scene) -> None:
    """As on one machine."""
    _kill(scene, "worker-leaderboard", RECEIVED)


def kill_before_acknowledging(scene: Scene) -> None:
    """As on one machine."""
    _kill(scene, "worker-maintenance", COMMITTED)


def _kill(scene: Scene, name: str, trap: Trap) -> None:
    with worker_behind(scene, name) as (link, variables):
        kill_worker_at(scene, cluster(scene).parts[name], link, trap, variables)


def double_and_reorder(scene: Scene) -> None:
    """As on one machine, whichever web server it is that places late."""
    with web_behind(scene) as links:
        double_and_reorder_on(scene, tuple(links.values()))


def two_beats(scene: Scene) -> None:
    """It is so all the time here; look whether both do ask."""
    parts = [cluster(scene).parts[name] for name in BEATS]
    before = [part.text().count(ASKED) for part in parts]
    scene.lasts(BOTH_SECONDS)
    asked = [part.text().count(ASKED) - count for part, count in zip(parts, before, strict=True)]
    scene.notes.append(f"tasks that the two asked for in {BOTH_SECONDS:.0f} s: {asked[0]} and {asked[1]}")
    scene.require("two beats that ask", holds=min(asked) > 0)


DRILLS = (
    Drill("11a", "a worker killed between BRPOP and unacked", kill_after_receiving, GROUND, plan=PLAN),
    Drill(
        "11b",
        "a worker killed after the commit, before the acknowledgement",
        kill_before_acknowledging,
        GROUND,
        plan=PLAN,
    ),
    Drill("12a", "tasks doubled, placements late and out of order", double_and_reorder, GROUND, plan=PLAN),
    Drill("12c", "two beats", two_beats, GROUND, plan=PLAN),
)
