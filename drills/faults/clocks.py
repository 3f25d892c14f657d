"""Row 15: clocks that are ten minutes off, by libfaketime in the environment of a process."""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime

import httpx

from drills.faults.common import machine
from drills.faults.memory import GREED
from drills.scene import Drill, Scene

OFF_SECONDS = 600
PARTS = ("redis", "web", "leaderboard", "maintenance", "beat")


def clocks_off(scene: Scene) -> None:
    """The web ten minutes ahead, workers ten minutes behind, then Redis ahead as well, and back."""
    scene.load.burst(scene.spare[0], GREED)
    site = machine(scene)
    site.restart("web", OFF_SECONDS)
    for name in ("leaderboard", "maintenance", "beat"):
        site.restart(name, -OFF_SECONDS)
    scene.wait(site.ready, "readiness")
    scene.wait_for_more(20)
    site.restart("redis", OFF_SECONDS)
    scene.load.burst(scene.spare[0], GREED)
    scene.wait_for_more(20)
    _look_at_clocks(scene)
    for name in PARTS:
        site.restart(name)


def _look_at_clocks(scene: Scene) -> None:
    """A shift that did not take would test nothing."""
    date = httpx.get(f"{scene.site.urls[0]}/healthz", trust_env=False).headers["Date"]
    web = parsedate_to_datetime(date).timestamp() - time.time()
    redis = scene.site.resources().redis.time()[0] - time.time()
    scene.notes.append(f"clocks off by {web:+.0f} s (web) and {redis:+.0f} s (Redis)")
    scene.require("clocks that are off", holds=min(web, redis) > OFF_SECONDS - 5)


def database_clock_off(scene: Scene) -> None:
    """PostgreSQL ten minutes ahead, then ten minutes behind: its clock dates tokens and entries alike."""
    told = []
    for seconds in (OFF_SECONDS, -OFF_SECONDS):
        machine(scene).restart("postgres", seconds)
        scene.wait(scene.site.ready, "readiness")
        scene.load.burst(scene.spare[0], GREED)
        scene.wait_for_more(20)
        clock = float(str(scene.site.ask("SELECT extract(epoch FROM clock_timestamp())")[0][0]))
        told.append(clock - time.time())
    machine(scene).restart("postgres")
    scene.notes.append(f"PostgreSQL's clock off by {' and '.join(f'{off:+.0f} s' for off in told)}")
    scene.require("a clock that is off", holds=told[0] > OFF_SECONDS - 5 and told[1] < 5 - OFF_SECONDS)


DRILLS = (
    # The one web server is restarted for it, which is not what is tested: whoever asks meanwhile waits.
    Drill("15", "clocks off by ten minutes, and a greedy player", clocks_off, answer_seconds=20.0),
    Drill(
        "15b",
        "PostgreSQL's clock off by ten minutes, either way, and a greedy player",
        database_clock_off,
        # Whoever plays while the clock steps has a token that looks old, or one that seems not to be issued yet.
        refused=frozenset({"ACTION_TOKEN_EXPIRED"}),
    ),
)
