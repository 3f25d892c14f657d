"""Rows 8, 9 and 14: what happens to the board's Redis."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from redis import Redis

from drills.faults.common import PLACING, argument, machine
from drills.link import Deed, Link, Trap
from drills.scene import Drill, Scene
from drills.site import Hurtable

LOST = 4
"""Players whose placement is lost."""
GREED = 14
"""Rounds that a greedy player tries at once: more than the ten that a minute allows."""


def _redis(scene: Scene) -> Redis:
    return scene.site.resources().redis


def kill_before_placing(scene: Scene) -> None:
    """The points are committed; Redis dies on the word that is to place them."""
    trap = Trap((PLACING,), Deed.CUT, call=scene.site.board.kill)
    machine(scene).links["web-redis"].set_trap(trap)
    scene.wait(trap.sprung.is_set, "a placement")
    scene.lasts(0.5)
    scene.site.board.start()


def lose_placements(scene: Scene) -> None:
    """Redis lives, but the word that places a player never arrives: only the outbox knows."""
    lose_placements_on(scene, (machine(scene).links["web-redis"],))


def lose_placements_on(scene: Scene, links: Sequence[Link]) -> None:
    """The players concerned have a place already and do not play again, so that neither the sweep nor a newer placement

    can mend it.
    """
    for person in scene.spare[:LOST]:
        scene.load.play(person, scene.load.token(person))
        token = scene.load.token(person)
        # Twice, because the web tries again on a new connection.
        trap = Trap((PLACING, argument(person.user_id)), Deed.CUT, times=2)
        for link in links:
            link.set_trap(trap)
        scene.load.play(person, token)
        scene.require("a placement that was lost", holds=trap.times == 0)


def cut_subscriptions(scene: Scene) -> None:
    """Every subscription is cut at its server, again and again: what is published meanwhile reaches nobody."""
    cut = 0
    for _ in range(5):
        cut += int(_redis(scene).execute_command("CLIENT", "KILL", "TYPE", "pubsub"))
        scene.wait_for_more(10)
    scene.notes.append(f"{cut} subscriptions cut")
    scene.require("subscriptions that were cut", holds=cut > 0)


def flush(scene: Scene) -> None:
    """FLUSHALL: an empty Redis that looks well."""
    _redis(scene).flushall()


def freeze(scene: Scene) -> None:
    """The one server."""
    freeze_for(scene, [scene.site.board])


def freeze_for(scene: Scene, servers: Sequence[Hurtable]) -> None:
    """Frozen, while a greedy player hopes that limits fail open."""
    scene.load.burst(scene.spare[0], GREED)
    for server in servers:
        server.freeze()
    for _ in range(3):
        scene.load.burst(scene.spare[0], GREED)
    scene.lasts(scene.seconds(60, 3))
    for server in servers:
        server.thaw()


def out_of_memory(scene: Scene) -> None:
    """Redis refuses every write."""
    before = str(_redis(scene).config_get("maxmemory")["maxmemory"])
    _redis(scene).config_set("maxmemory", 1)
    try:
        scene.load.burst(scene.spare[0], GREED)
        scene.lasts(scene.seconds(10, 4))
    finally:
        _redis(scene).config_set("maxmemory", before)


def older_file(scene: Scene) -> None:
    """A restored backup: it looks complete and is not, and it has forgotten who did how much."""
    folder = machine(scene).stack.redis.directory / "appendonlydir"
    older = files(folder)
    scene.load.burst(scene.spare[0], GREED)
    scene.wait_for_more(40)
    scene.site.board.kill()
    put_back(folder, older)
    scene.site.board.start()
    scene.load.burst(scene.spare[0], GREED)


def files(folder: Path) -> dict[str, bytes]:
    """What a folder holds, by name."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def put_back(folder: Path, older: Mapping[str, bytes]) -> None:
    """Have a folder hold that and nothing else."""
    for path in folder.iterdir():
        path.unlink()
    for name, content in older.items():
        (folder / name).write_bytes(content)
        shutil.chown(folder / name, folder.stat().st_uid, folder.stat().st_gid)


def rebuild_while_writing(scene: Scene) -> None:
    """`fairboard rebuild`, again and again, under everybody's feet."""
    for _ in range(3 if scene.quick else 6):
        scene.site.command("rebuild")


DRILLS = (
    Drill("8a", "Redis killed between the commit and the placement", kill_before_placing, quick=True, outage=5.0),
    Drill("8b", "placements lost on their way to a Redis that lives", lose_placements),
    Drill("8c", "FLUSHALL", flush, quick=True, redis=10.0),
    Drill("9a", "Redis frozen for 60 s, and a greedy player", freeze, redis=10.0),
    Drill("9b", "Redis out of memory", out_of_memory, redis=10.0),
    Drill("9c", "Redis restored from an older file, and a greedy player", older_file, redis=10.0),
    Drill("14", "`fairboard rebuild` during writes", rebuild_while_writing),
)
