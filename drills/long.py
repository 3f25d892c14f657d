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
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from drills import report
from drills.faults import ON_ONE_MACHINE
from drills.lives import Lives
from drills.load import Plan
from drills.product import commit
from drills.scene import Drill, Result, Size, carry_out
from drills.stack_site import StackSite, stack_site

Run = dict[str, Any]
KEPT = Path(__file__).with_name("long.json")
RESTARTING = ("13", "15")
"""Faults that start web and workers anew, so that what they held until then is not seen to grow."""
LATER = ("7a", "9c", "15b", *RESTARTING)
"""Those that the first runs, which kept no commit, were not drawn from."""
ROWS = ("1", "3", "5", "7b", "7c", "8c", "9a", "9b", "12b", "12c", "14", "16", "17b", "17c", *LATER)
"""Faults that need no proxy, which would slow the load down. The order is part of what a number draws."""
RUNS, COMPLETIONS = 100, 1_000_000
PLAN = Plan(seats=240)
SIZE = Size(2_400, 500, COMPLETIONS // RUNS - 2 * 500, PLAN, everything=False)
COMPARED = 10
"""After so many runs everything is compared, all that earlier runs left included, which takes ever longer."""
HOPELESS = 3
"""So many runs in a row that could not be carried out, and it is given up."""
AGAIN = (
    "Run 37 of the first hundred was carried out again after it could not be carried out "
    "(9000 more completions did not come about)"
)


def main() -> int:
    """Carry on until there are enough runs, or the time is over. 1 if anything of this call did not hold."""
    arguments, runs = _arguments(), kept()
    if arguments.seed is not None:
        return _again(runs, arguments.seed)
    if arguments.more == 0:
        _keep_text(runs)
    enough = _wanted(runs, arguments.more)
    if not enough():
        return _go_on(runs, enough, arguments.minutes)
    print(f"{_text(runs)}.\nThere are enough: `--more 10` (make drill-long ARGS='--more 10') adds ten runs.")
    return 0


def _go_on(runs: list[Run], enough: Callable[[], bool], minutes: float) -> int:
    before, end = len(runs), time.monotonic() + minutes * 60
    with stack_site(linked=False) as site:
        for run in carry_on(site, runs, ROWS, lambda: enough() or time.monotonic() > end):
            print(line(run, runs), flush=True)
        differences = compared(site)
    print(_text(runs), *differences, sep="\n")
    return 0 if not differences and all(run["held"] for run in runs[before:]) else 1


def _wanted(runs: list[Run], more: int | None) -> Callable[[], bool]:
    """Whether there are enough runs: so many more, or as many as are aimed at."""
    aim = len(runs) + (more or 0)
    return (lambda: _enough(runs)) if more is None else (lambda: len(runs) >= aim)


def _again(runs: list[Run], seed: int) -> int:
    """Carry out one run as it was, on a Fairboard of its own, compare everything, and keep nothing."""
    with stack_site(linked=False) as site:
        run = _run(site, Lives(site.parts), seed, drawn(runs, seed, ROWS))
        differences = compared(site)
    print(line(run, [run]), *differences, sep="\n")
    return 0 if run["held"] and not differences else 1


def drawn(runs: Sequence[Run], seed: int, rows: Sequence[str]) -> Drill:
    """The fault of a run: the one that it had, where the run is kept, and otherwise the one that its number draws."""
    had = next((run["row"] for run in runs if run["seed"] == seed), None)
    row = had or random.Random(seed).choice(rows)
    return next(drill for drill in ON_ONE_MACHINE if drill.row == row)


def kept() -> list[Run]:
    """The runs until now."""
    runs: list[Run] = json.loads(KEPT.read_text(encoding="utf-8")) if KEPT.exists() else []
    return runs


def carry_on(site: StackSite, runs: list[Run], rows: Sequence[str], over: Callable[[], bool]) -> Iterator[Run]:
    """Carry out run after run and keep each, until it is over, or as good as: see `HOPELESS`."""
    lives, failures = Lives(site.parts), 0
    while failures < HOPELESS and not over():
        seed = max((run["seed"] for run in runs), default=0) + 1
        runs.append(_run(site, lives, seed, drawn(runs, seed, rows)))
        KEPT.write_text("[\n" + ",\n".join(json.dumps(run) for run in runs) + "\n]\n", encoding="utf-8")
        _keep_text(runs)
        failures = 0 if runs[-1]["acknowledged"] else failures + 1
        yield runs[-1]


def _keep_text(runs: list[Run]) -> None:
    report.keep_section("figures", "drill-long", {"text": _text(runs)})


def _run(site: StackSite, lives: Lives, seed: int, drill: Drill) -> Run:
    """One run, whose number seeds it. One that could not be carried out is kept as one that did not hold."""
    begun, planned = time.monotonic(), lives.planned
    size = replace(SIZE, plan=replace(PLAN, keep_connections=drill.plan.keep_connections))
    try:
        run = _judged(carry_out(site, drill, seed, quick=True, size=size))
        problems = [*run["problems"], *(compared(site) if seed % COMPARED == 0 else ())]
    except Exception as error:  # noqa: BLE001 -- whatever it was, hours of other runs are not to be lost with it
        run = {"acknowledged": 0, "lost": 0, "duplicated": 0}
        problems = [repr(error), *_tried("could not be healed", site.rescue)]
    if ended := lives.ended(drill.row):
        problems += [*ended, *_tried("could not be healed", site.heal)]
    return {
        "seed": seed,
        "row": drill.row,
        "seconds": round(time.monotonic() - begun, 1),
        **run,
        "held": not problems,
        "problems": problems,
        "planned": lives.planned - planned,
        "commit": commit(),
        "date": report.today(),
    }


def compared(site: StackSite) -> list[str]:
    """What differs on the whole site, or that it cannot be said."""
    differences: list[str] = []
    return [*_tried("could not be compared", lambda: differences.extend(site.differences())), *differences]


def _tried(what: str, act: Callable[[], None]) -> list[str]:
    try:
        act()
    except Exception as error:  # noqa: BLE001 -- told as a problem
        return [f"{what}: {error!r}"]
    return []


def _judged(result: Result) -> Run:
    return {
        "acknowledged": result.verdict.acknowledged,
        "lost": len(result.verdict.lost),
        "duplicated": len(result.verdict.duplicated),
        "problems": list(result.problems),
    }


def total(runs: Sequence[Run], name: str) -> float:
    """A figure of all runs."""
    return sum(float(run.get(name, 0)) for run in runs)


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
    """What was reached, by whom, how far that is from what is aimed at, and what was drawn from."""
    done, seconds = total(runs, "acknowledged"), total(runs, "seconds")
    text = (
        f"{done:,.0f} acknowledged completions over {len(runs)} seeded runs{_of_this(runs)}: "
        f"{total(runs, 'lost'):.0f} lost, {total(runs, 'duplicated'):.0f} duplicated, {_not_held(runs)}. "
        f"{_drawn_from(runs)}. Everything is compared after each tenth run only. {AGAIN}"
    )
    if _enough(runs) or not done:
        return text
    rate = done / seconds
    hours = (COMPLETIONS - done) / rate / 3600
    return (
        f"{text}. The aim is {COMPLETIONS:,} over {RUNS} runs; at the {rate:.0f} a second that were reached, outages "
        f"included, the rest takes {hours:.1f} hours more: `make drill-long` goes on from here"
    )


def _of_this(runs: list[Run]) -> str:
    """How much of it was done with the product as it is now."""
    now = commit()
    own = [run for run in runs if run.get("commit") == now]
    broken_off = sum(not run["acknowledged"] for run in runs)
    text = f", of which {total(own, 'acknowledged'):,.0f} over {len(own)} of this commit ({now})"
    return text + (f", and {broken_off} could not be judged" if broken_off else "")


def _drawn_from(runs: list[Run]) -> str:
    """Which faults the figures speak of, and of which not."""
    out = sorted({drill.row for drill in ON_ONE_MACHINE} - set(ROWS))
    first = sum("commit" not in run for run in runs)
    text = (
        f"The number of a run seeds it and draws its fault from {len(ROWS)} of the {len(ON_ONE_MACHINE)} drills of one "
        f"machine (rows {', '.join(ROWS)}; left out, for their proxies slow the load down: {', '.join(out)}); a soak "
        f"leaves out {_and(RESTARTING)} as well, which start web and workers anew"
    )
    return text + (f"; the first {first} runs left out {_and(LATER)}" if first else "")


def _and(rows: Sequence[str]) -> str:
    return f"{', '.join(rows[:-1])} and {rows[-1]}"


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
    parser.add_argument("--more", type=int, help="so many runs, be there enough or not; 0: write their text anew")
    parser.add_argument("--seed", type=int, help="carry out this run as it was, on its own, and keep nothing")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
