"""Rows 8 and 9 on the cluster: the board's Redis is three nodes and three Sentinels."""

from __future__ import annotations

from deploy.local.places import REDIS, WEB
from drills.faults.behind import web_behind
from drills.faults.common import PLACING, cluster
from drills.faults.memory import GREED, files, freeze_for, lose_placements_on, put_back
from drills.faults.nodes import GROUND, PLAN
from drills.link import Deed, Trap
from drills.scene import Drill, Scene


def kill_before_placing(scene: Scene) -> None:
    """The points are committed; the master dies on the word that is to place them, and another one takes over."""
    nodes, master = cluster(scene).cluster, cluster(scene).board
    with web_behind(scene, WEB[:1]) as links:
        link = links[WEB[0]]
        trap = link.set_trap(Trap((PLACING,), Deed.CUT, call=master.kill))
        scene.wait(trap.sprung.is_set, "a placement")
        scene.wait(lambda: nodes.redis_master() not in {None, master.name}, "another master", 60)
        link.target = nodes.ports[cluster(scene).board.name]
        scene.wait_for_more(20)
        master.start()
        scene.wait(scene.site.whole, "a former master that follows")


def lose_placements(scene: Scene) -> None:
    """As on one machine, whichever web server it is that loses them."""
    with web_behind(scene) as links:
        lose_placements_on(scene, tuple(links.values()))


def freeze_all(scene: Scene) -> None:
    """The master and both replicas, so that there is nobody to take over."""
    freeze_for(scene, [scene.site.parts[name] for name in REDIS])


def older_file(scene: Scene) -> None:
    """All nodes die, and come back with what the master had written down some time before."""
    places = cluster(scene).cluster.places
    folders = {name: places.home(name)[0] / "data" / "appendonlydir" for name in REDIS}
    older = files(folders[cluster(scene).board.name])
    scene.load.burst(scene.spare[0], GREED)
    scene.wait_for_more(40)
    for name in REDIS:
        scene.site.parts[name].kill()
    for name, folder in folders.items():
        put_back(folder, older)
        scene.site.parts[name].start()
    scene.wait(scene.site.whole, "a master and those that follow it")
    scene.load.burst(scene.spare[0], GREED)


DRILLS = (
    Drill(
        "8a",
        "Redis's master killed between the commit and the placement",
        kill_before_placing,
        GROUND,
        outage=5.0,
        redis=10.0,
        plan=PLAN,
    ),
    Drill("8b", "placements lost on their way to a Redis that lives", lose_placements, GROUND, plan=PLAN),
    Drill("9a", "all of Redis frozen for 60 s, and a greedy player", freeze_all, GROUND, redis=10.0, plan=PLAN),
    Drill(
        "9c", "all of Redis restored from an older file, and a greedy player", older_file, GROUND, redis=10.0, plan=PLAN
    ),
)
