"""`make drill-long`: a million acknowledged completions over a hundred seeded runs, and none of them lost.

Each run is one fault under as much load as the machine bears. What was done is kept, and the next call goes on from it.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
import time
from pathlib import Path
from typing import Any

from drills import report
from drills.faults import ON_ONE_MACHINE
from drills.load import Plan
from drills.scene import DrillError, Result, Size, carry_out
from drills.site import Site
from drills.stack_site import stack_site
from models.database import DatabaseUnavailableError

Run = dict[str, Any]
KEPT = Path(__file__).with_name("long.json")
ROWS = ("1", "3", "5", "7b", "7c", "8c", "9a", "9b", "12b", "12c", "14", "16", "17b", "17c")
"""Faults that need no proxy, which would slow the load down, and that let web and workers live."""
RUNS, COMPLETIONS = 100, 1_000_000
SIZE = Size(2_400, 500, COMPLETIONS // RUNS - 2 * 500, Plan(seats=240), everything=False)
COMPARED = 10
"""After so many runs everything is compared, all that earlier runs left included, which takes ever longer."""


def main() -> int:
    """Carry on until there are enough runs and completions, or the time is over. 1 if anything did not hold."""
    arguments = _arguments()
    runs, end = kept(), time.monotonic() + arguments.minutes * 60
    with stack_site(linked=False) as site:
        while time.monotonic() < end and not _enough(runs):
            print(line(add_run(site, runs), runs), flush=True)
        differences = site.differences()
    print(_text(runs), *differences, sep="\n")
    return 0 if not differences and all(run["held"] for run in runs) else 1


def kept() -> list[Run]:
    """The runs until now."""
    runs: list[Run] = json.loads(KEPT.read_text(encoding="utf-8")) if KEPT.exists() else []
    return runs


def add_run(site: Site, runs: list[Run]) -> Run:
    """Carry out the next run, whose number seeds it, and keep it."""
    runs.append(_run(site, len(runs) + 1))
    KEPT.write_text("[\n" + ",\n".join(json.dumps(run) for run in runs) + "\n]\n", encoding="utf-8")
    report.keep_section("figures", "drill-long", {"text": _text(runs)})
    return runs[-1]


def _run(site: Site, seed: int) -> Run:
    """One run. One that could not be carried out is kept as one that did not hold."""
    drill = random.Random(seed).choice([drill for drill in ON_ONE_MACHINE if drill.row in ROWS])
    begun = time.monotonic()
    try:
        run = _judged(carry_out(site, drill, seed, quick=True, size=SIZE))
        if seed % COMPARED == 0:
            run["problems"] += site.differences()
            run["held"] = not run["problems"]
    except (DrillError, TimeoutError, AssertionError, OSError, DatabaseUnavailableError) as error:
        site.heal()
        run = {"acknowledged": 0, "lost": 0, "duplicated": 0, "held": False, "problems": [repr(error)]}
    return {"seed": seed, "row": drill.row, "seconds": round(time.monotonic() - begun, 1)} | run


def _judged(result: Result) -> Run:
    return {
        "acknowledged": result.verdict.acknowledged,
        "lost": len(result.verdict.lost),
        "duplicated": len(result.verdict.duplicated),
        "held": result.held,
        "problems": list(result.problems),
    }


def total(runs: list[Run], name: str) -> float:
    """A figure of all runs."""
    return sum(float(run[name]) for run in runs)


def _enough(runs: list[Run]) -> bool:
    return len(runs) >= RUNS and total(runs, "acknowledged") >= COMPLETIONS


def line(run: Run, runs: list[Run]) -> str:
    """A run as it is printed."""
    held = "held" if run["held"] else f"NOT HELD: {run['problems']}"
    return (
        f"run {run['seed']}: row {run['row']}, {run['acknowledged']} acknowledged, {run['lost']} lost, "
        f"{run['duplicated']} duplicated in {run['seconds']:.0f} s, {held}; {total(runs, 'acknowledged'):,.0f} in all"
    )


def _text(runs: list[Run]) -> str:
    """What was reached, and how far that is from what is aimed at."""
    done, seconds = total(runs, "acknowledged"), total(runs, "seconds")
    rate = done / seconds if seconds else 0.0
    text = (
        f"{done:,.0f} acknowledged completions over {len(runs)} seeded runs: {total(runs, 'lost'):.0f} lost, "
        f"{total(runs, 'duplicated'):.0f} duplicated, {_not_held(runs)}"
    )
    if _enough(runs) or not rate:
        return text
    hours = (COMPLETIONS - done) / rate / 3600
    return (
        f"{text}. The aim is {COMPLETIONS:,} over {RUNS} runs; at the {rate:.0f} a second that were reached, outages "
        f"included, the rest takes {hours:.1f} hours more: `make drill-long` goes on from here"
    )


def _not_held(runs: list[Run]) -> str:
    """How many runs did not hold, and of each of them the first line of its first problem."""
    failed = [run for run in runs if not run["held"]]
    told = "; ".join(f"run {run['seed']}, row {run['row']}: {first_line(run['problems'][0])}" for run in failed)
    return f"{len(failed)} run{'s' * (len(failed) != 1)} did not hold" + (f" ({told})" if told else "")


def first_line(problem: str) -> str:
    """A problem without what follows its first line: a program's output has progress bars. An exception is kept as

    its `repr`, in which the ends of lines are written out.
    """
    exception = re.fullmatch(r"""\w+\((["'])(.*)\1\)""", problem, re.DOTALL)
    return re.split(r"\\[nr]|[\n\r]", exception[2] if exception else problem)[0].strip(" .")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m drills.long", description=__doc__)
    parser.add_argument("--minutes", type=float, default=24 * 60, help="stop after this time; the next call goes on")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
