"""What a site holds while it is used for hours: memory, part by part, and connections. Pure but for `Watch.sample`."""

from __future__ import annotations

import re
import statistics
import time
from collections.abc import Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import psutil
import psycopg2

from drills.stack_site import StackSite
from drills.trend import rise

JUDGED = ("web", "leaderboard", "maintenance", "anticheat", "beat", "broker")
"""Parts whose memory has to be flat, whatever was played."""
TOLD = ("redis", "postgres")
"""Parts whose memory is told and not judged: Redis holds all players, whose number grows with each run, and faults end
PostgreSQL every few runs, with which its processes begin anew."""
MEGABYTE = 2**20
GROWTH, NOISE = 1.3, 10.0
"""How many times its memory in the first quarter, which is still warming up, a part may hold in the last, and the
megabytes below which nothing is called growth: buffers alone double what the smallest parts hold."""
SHARE_AN_HOUR, LEAST_AN_HOUR = 0.02, 3.0
"""The share of its median, or the megabytes, that a part may gain in an hour, once it is warm: a part that gains
more has doubled within two days."""
ENOUGH = 20
"""Samples of one life of a part in the second half: with fewer, its slope is told and not judged."""
CONNECTIONS = 1.5
"""How many times the connections of the first quarter there may be at the end."""
LAST = 3
"""Samples of connections that are the end: one alone may fall into a moment's crowd."""


class Sample(NamedTuple):
    """A part after a run: when, in hours, what it holds, in megabytes, and its main process."""

    at: float
    held: float
    main: int


class Watch:
    """The samples of a site."""

    def __init__(self) -> None:
        self._begun = time.monotonic()
        self.memory: dict[str, list[Sample]] = {name: [] for name in (*JUDGED, *TOLD)}
        self.connections: list[int] = []

    def sample(self, site: StackSite) -> None:
        """Look at every part. One that does not run, or does not answer, has no sample."""
        at = (time.monotonic() - self._begun) / 3600
        for name, samples in self.memory.items():
            if pids := site.parts[name].pids:
                samples.append(Sample(at, held(name, pids), pids[0]))
        with suppress(psycopg2.Error):
            query = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
            self.connections.append(int(str(site.ask(query)[0][0])))

    def now(self) -> str:
        """The newest samples."""
        memory = [f"{name} {samples[-1].held:.0f} MB" for name, samples in self.memory.items() if samples]
        return ", ".join([*memory, *(f"{number} connections" for number in self.connections[-1:])])

    def problems(self) -> list[str]:
        """What has grown."""
        grown = [problem for name in JUDGED for problem in judged(name, self.memory[name])]
        return [*grown, *too_many(self.connections)]

    def text(self) -> str:
        """What each part held at first and at last, and how fast that grew."""
        memory = "; ".join(told(name, samples) for name, samples in self.memory.items() if samples)
        text = (
            f"memory of the first and last quarter, and its slope (Theil and Sen) over the second half: {memory} "
            f"({' and '.join(TOLD)} are told and not judged)"
        )
        if not self.connections:
            return text
        first, end = _ends(self.connections)
        return f"{text}; connections to PostgreSQL {first:.0f} to {end:.0f}"


def held(name: str, pids: Sequence[int]) -> float:
    """The megabytes that a part would give back if it ended (USS).

    PostgreSQL's processes share their buffers, each page of which belongs to whoever happened to touch it alone. Of
    them only anonymous memory is counted (`Pss_Anon`), which buffers are not.
    """
    own = _anonymous if name == "postgres" else _unique
    return sum(own(pid) for pid in pids) / MEGABYTE


def _unique(pid: int) -> int:
    with suppress(psutil.Error):
        return int(psutil.Process(pid).memory_full_info().uss)
    return 0


def _anonymous(pid: int) -> int:
    with suppress(OSError):
        found = re.search(r"^Pss_Anon: +(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text("ascii"), re.MULTILINE)
        return int(found[1]) * 1024 if found else 0
    return 0


def quarters(values: Sequence[float]) -> tuple[float, float]:
    """The medians of the first quarter and of the last."""
    size = max(1, len(values) // 4)
    return statistics.median(values[:size]), statistics.median(values[-size:])


def judged(name: str, samples: Sequence[Sample]) -> list[str]:
    """What is wrong with the memory of a part: more than a warm-up, or growth that has not ended."""
    if not samples:
        return []
    first, last = quarters([sample.held for sample in samples])
    problems = []
    if last > max(first * GROWTH, first + NOISE):
        problems.append(f"memory of {name} grew from {first:.0f} to {last:.0f} MB")
    life = late(samples)
    if len(life) >= ENOUGH:
        gained, least = rise([(sample.at, sample.held) for sample in life])
        allowed = max(SHARE_AN_HOUR * statistics.median(sample.held for sample in life), LEAST_AN_HOUR)
        if gained > allowed and least > 0:
            problems.append(f"memory of {name} grows by {gained:.1f} MB an hour, where {allowed:.1f} are allowed")
    return problems


def late(samples: Sequence[Sample]) -> list[Sample]:
    """Those of the second half, as far back as the part was not started anew."""
    newest = samples[-1]
    return [one for one in samples if one.main == newest.main and one.at >= newest.at / 2]


def told(name: str, samples: Sequence[Sample]) -> str:
    """A part in words."""
    first, last = quarters([sample.held for sample in samples])
    life = late(samples)
    text = f"{name} {first:.0f} to {last:.0f} MB"
    if len(life) > 1:
        few = f" ({len(life)} samples: not judged)" if name in JUDGED and len(life) < ENOUGH else ""
        text += f", {rise([(sample.at, sample.held) for sample in life]).an_hour:+.1f} MB an hour{few}"
    starts = sum(one.main != other.main for one, other in pairwise(samples))
    return text + (f", started anew {starts} times" if starts else "")


def too_many(connections: Sequence[int]) -> list[str]:
    """What is not given back shows here first: PostgreSQL has two hundred."""
    if not connections:
        return []
    first, end = _ends(connections)
    return [f"connections to PostgreSQL grew from {first:.0f} to {end:.0f}"] if end > first * CONNECTIONS else []


def _ends(connections: Sequence[int]) -> tuple[float, float]:
    return quarters(connections)[0], statistics.median(connections[-LAST:])
