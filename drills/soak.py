"""`make drill-soak MINUTES=120`: one fault after another, drawn at random, while memory is watched."""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import time
from contextlib import suppress

import psutil

from drills import report
from drills.faults import ON_ONE_MACHINE
from drills.scene import Drill, DrillError, carry_out
from drills.site import Site
from drills.stack_site import stack_site

ROWS = ("3", "6", "7b", "7c", "8b", "8c", "9a", "9b", "12a", "12b", "12c", "14", "17a", "17c")
"""Faults that leave processes alive, whose memory can then be watched."""
WATCHED = ("web", "leaderboard", "maintenance", "anticheat")
MEGABYTE = 2**20
GROWTH = 1.3
"""How much a part's memory in the last quarter may exceed that in the first, which is still warming up."""


def main() -> int:
    """Soak, then compare everything. 1 if anything did not hold or memory grew."""
    arguments = _arguments()
    chance = random.Random(arguments.seed)
    drills = [drill for drill in ON_ONE_MACHINE if drill.row in ROWS]
    samples: dict[str, list[float]] = {name: [] for name in WATCHED}
    acknowledged, problems, end = 0, list[str](), time.monotonic() + arguments.minutes * 60
    with stack_site() as site:
        while time.monotonic() < end:
            drill = chance.choice(drills)
            told, found = _one(site, drill, chance.randrange(2**31))
            acknowledged += told
            problems += [f"{drill.row}: {problem}" for problem in found]
            _sample(site, samples)
            print(f"{drill.row:<4} {told:>6} acknowledged, {_now(samples)}, {found or 'held'}", flush=True)
        problems += [f"at the end: {difference}" for difference in site.differences()]
    problems += _grown(samples)
    text = _text(arguments, acknowledged, samples, problems)
    report.keep_section("figures", "drill-soak", {"text": text})
    print(text)
    return 1 if problems else 0


def _one(site: Site, drill: Drill, seed: int) -> tuple[int, list[str]]:
    try:
        result = carry_out(site, drill, seed, quick=True)
    except (DrillError, TimeoutError, AssertionError, OSError) as error:
        site.heal()
        return 0, [f"could not be carried out: {error!r}"]
    return result.verdict.acknowledged, list(result.problems)


def _sample(site: Site, samples: dict[str, list[float]]) -> None:
    """What each part's processes hold in memory that is theirs alone, in megabytes."""
    for name in WATCHED:
        total = 0
        for pid in site.parts[name].pids:
            with suppress(psutil.NoSuchProcess):
                total += psutil.Process(pid).memory_full_info().uss
        samples[name].append(total / MEGABYTE)


def _now(samples: dict[str, list[float]]) -> str:
    return ", ".join(f"{name} {values[-1]:.0f} MB" for name, values in samples.items())


def _quarters(values: list[float]) -> tuple[float, float]:
    size = max(1, len(values) // 4)
    return statistics.median(values[:size]), statistics.median(values[-size:])


def _grown(samples: dict[str, list[float]]) -> list[str]:
    return [
        f"memory of {name} grew from {first:.0f} to {last:.0f} MB"
        for name, (first, last) in ((name, _quarters(values)) for name, values in samples.items() if values)
        if last > first * GROWTH
    ]


def _text(
    arguments: argparse.Namespace, acknowledged: int, samples: dict[str, list[float]], problems: list[str]
) -> str:
    memory = ", ".join(
        f"{name} {first:.0f} to {last:.0f} MB"
        for name, (first, last) in ((name, _quarters(values)) for name, values in samples.items() if values)
    )
    count = len(samples[WATCHED[0]])
    return (
        f"{arguments.minutes:.0f} minutes, {count} faults drawn at random (seed {arguments.seed}), {acknowledged:,} "
        f"acknowledged; memory of the first and last quarter: {memory}; "
        + (f"did not hold: {problems}" if problems else "everything held, and the compare at the end found nothing")
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m drills.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=120)
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
