"""Rows 11 and 12: what happens to workers, tasks and beat."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Protocol

from celery import Celery

from drills.faults.common import PLACING, argument, machine
from drills.link import Deed, Link, Trap, Way
from drills.scene import Drill, Scene

LATE_SECONDS = 5.0
"""Longer than the outbox needs, so that a late placement meets a newer one."""
DOUBLES, KILLS = 100, 3
RECEIVED = Trap((b"leaderboard.recompute",), Deed.CUT, Way.DOWN)
"""What a worker hears that takes a message from the queue."""
COMMITTED = Trap((b"HDEL", b"unacked"), Deed.CUT)
"""What a worker says whose work is done."""
ASKED = "Sending due task"
"""What beat logs for each task that it asks for."""


class Startable(Protocol):
    """A part that may be started with more in its environment."""

    def kill(self) -> None:
        """End it at once."""

    def start(self, variables: Mapping[str, str] = ...) -> None:
        """Start it again."""


def kill_after_receiving(scene: Scene) -> None:
    """The worker takes a message from the queue and dies before it has written down that it holds it."""
    _kill_worker(scene, "leaderboard", RECEIVED)


def kill_before_acknowledging(scene: Scene) -> None:
    """The work is committed and the worker dies before it says so: the task comes again."""
    _kill_worker(scene, "maintenance", COMMITTED)


def _kill_worker(scene: Scene, name: str, trap: Trap) -> None:
    site = machine(scene)
    kill_worker_at(scene, site.parts[name], site.links[f"{name}-broker"], trap)


def kill_worker_at(
    scene: Scene, part: Startable, link: Link, trap: Trap, variables: Mapping[str, str] = MappingProxyType({})
) -> None:
    """Kill a worker on a word to or from the broker, and start it with more in its environment, several times."""
    for _ in range(1 if scene.quick else 3):
        again = Trap(trap.needles, trap.deed, trap.way, call=part.kill)
        link.set_trap(again)
        scene.wait(again.sprung.is_set, f"a message that {link.name} is killed on")
        part.start(variables)
        scene.wait_for_more(20)


def double_and_reorder(scene: Scene) -> None:
    """On the one way from the web to Redis."""
    double_and_reorder_on(scene, (machine(scene).links["web-redis"],))


def double_and_reorder_on(scene: Scene, links: Sequence[Link]) -> None:
    """Every task many times over, and placements that arrive after newer ones."""
    traps = [_place_late(links, person.user_id) for person in scene.spare[:5]]
    for person in scene.spare[:5]:
        scene.load.play(person, scene.load.token(person))
        scene.load.play(person, scene.load.token(person))
    _double(scene)
    scene.wait(lambda: all(trap.sprung.is_set() for trap in traps), "placements that came late")


def _double(scene: Scene) -> None:
    """Every task many times over."""
    with Celery("drills", broker=scene.site.settings.celery_url) as celery:
        celery.conf.task_ignore_result = True
        for _ in range(DOUBLES):
            task, queue = scene.random.choice(
                [("leaderboard.recompute", "leaderboard"), ("maintenance.reconcile", "maintenance")]
            )
            celery.send_task(task, queue=queue)
    scene.wait_for_more(20)


def kill_workers(scene: Scene) -> None:
    """Each worker is killed in the midst of what it does, again and again."""
    for _ in range(KILLS):
        for name in [name for name in scene.site.parts if name.startswith("worker-")]:
            scene.lasts(scene.random.uniform(0.2, 1.0))
            scene.site.parts[name].kill()
            scene.site.parts[name].start()
        scene.wait_for_more(20)


def _place_late(links: Sequence[Link], user_id: int) -> Trap:
    trap = Trap((PLACING, argument(user_id)), Deed.LATE, seconds=LATE_SECONDS)
    for link in links:
        link.set_trap(trap)
    return trap


def dead_beat(scene: Scene) -> None:
    """Nobody asks for the outbox to be drained; the board is published all the same."""
    for name in [name for name in scene.site.parts if name.startswith("beat")]:
        scene.site.parts[name].kill()
    seen = len(scene.load.history.sightings)
    scene.lasts(scene.seconds(15, 5))
    scene.require("boards while beat is dead", holds=len(scene.load.history.sightings) > seen)


def two_beats(scene: Scene) -> None:
    """Everything is asked for twice."""
    second = machine(scene).second("beat")
    second.start()
    # What the judge says rests on nothing that is logged; but without a second beat nothing would be judged.
    scene.wait(lambda: ASKED in second.part.text(), "a second beat that asks")
    scene.lasts(scene.seconds(10, 5))
    process = second.part.process
    scene.require("a second beat that lives", holds=process is not None and process.poll() is None)
    second.kill()


DRILLS = (
    Drill("11a", "a worker killed between BRPOP and unacked", kill_after_receiving, quick=True),
    Drill("11b", "a worker killed after the commit, before the acknowledgement", kill_before_acknowledging),
    Drill("12a", "tasks doubled, placements late and out of order", double_and_reorder),
    Drill("12b", "beat dead", dead_beat),
    Drill("12c", "two beats", two_beats),
)
