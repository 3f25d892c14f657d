"""`make drill-soak MINUTES=120`: one fault after another, drawn at random, on a Fairboard that is never started anew.

Its runs are those of `drill-long` and are kept with them; here memory is watched, and everything compared at the end.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from contextlib import suppress

import psutil

from drills import report
from drills.long import Run, add_run, first_line, kept, line, total
from drills.site import Site
from drills.stack_site import stack_site

Samples = dict[str, list[float]]
WATCHED = ("web", "leaderboard", "maintenance", "anticheat")
MEGABYTE = 2**20
GROWTH = 1.3
"""How much a part's memory in the last quarter may exceed that in the first, which is still warming up."""

ALL_HELD = "everything held, and the compare at the end found nothing"


def main() -> int:
    """Soak, then compare everything. 1 if anything did not hold or memory grew."""
    arguments = _arguments()
    runs, begun = kept(), time.monotonic()
    before = len(runs)
    samples: Samples = {name: [] for name in WATCHED}
    with stack_site(linked=False) as site:
        while time.monotonic() < begun + arguments.minutes * 60:
            run = add_run(site, runs)
            _sample(site, samples)
            print(f"{line(run, runs)}; {_now(samples)}, {_connections(site)} connections", flush=True)
        minutes = (time.monotonic() - begun) / 60
        problems = [f"at the end: {difference}" for difference in site.differences()]
    problems += _problems(runs[before:]) + _grown(samples)
    text = _text(minutes, runs[before:], samples, problems)
    report.keep_section("figures", "drill-soak", {"text": text})
    print(text)
    return 1 if problems else 0


def _problems(runs: list[Run]) -> list[str]:
    return [
        f"run {run['seed']}, row {run['row']}: {first_line(problem)}" for run in runs for problem in run["problems"]
    ]


def _sample(site: Site, samples: Samples) -> None:
    """What each part's processes hold in memory that is theirs alone, in megabytes."""
    for name in WATCHED:
        held = 0
        for pid in site.parts[name].pids:
            with suppress(psutil.NoSuchProcess):
                held += psutil.Process(pid).memory_full_info().uss
        samples[name].append(held / MEGABYTE)


def _connections(site: Site) -> int:
    """Those that PostgreSQL has, of two hundred: what is not given back shows here first."""
    return int(str(site.ask("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'")[0][0]))


def _now(samples: Samples) -> str:
    return ", ".join(f"{name} {values[-1]:.0f} MB" for name, values in samples.items())


def _quarters(values: list[float]) -> tuple[float, float]:
    size = max(1, len(values) // 4)
    return statistics.median(values[:size]), statistics.median(values[-size:])


def _grown(samples: Samples) -> list[str]:
    return [
        f"memory of {name} grew from {first:.0f} to {last:.0f} MB"
        for name, (first, last) in ((name, _quarters(values)) for name, values in samples.items() if values)
        if last > first * GROWTH
    ]


def _text(minutes: float, runs: list[Run], samples: Samples, problems: list[str]) -> str:
    memory = ", ".join(
        f"{name} {first:.0f} to {last:.0f} MB"
        for name, (first, last) in ((name, _quarters(values)) for name, values in samples.items() if values)
    )
    return (
        f"{minutes:.0f} minutes, {len(runs)} faults drawn at random (runs {runs[0]['seed']} to {runs[-1]['seed']} of "
        f"drill-long), {total(runs, 'acknowledged'):,.0f} acknowledged, {total(runs, 'lost'):.0f} lost, "
        f"{total(runs, 'duplicated'):.0f} duplicated; memory of the first and last quarter: {memory}; "
        + (f"did not hold: {'; '.join(problems)}" if problems else ALL_HELD)
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m drills.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=120)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
