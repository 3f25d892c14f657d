"""`make drill-long`: a million acknowledged completions over a hundred seeded runs, and none of them lost.

Each run is one fault under as much load as the machine bears. What was done is kept, and the next call goes on from it.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

from drills import report
from drills.faults import ON_ONE_MACHINE
from drills.load import Plan
from drills.scene import Drill, DrillError, Result, Size, carry_out
from drills.site import Site
from drills.stack_site import stack_site

KEPT = Path(__file__).with_name("long.json")
ROWS = ("1", "3", "7c", "8c", "9a", "9b", "12b", "14", "16")
"""Faults that need no proxy, which would slow the load down."""
SEATS, CROWD, WARM = 240, 2_400, 500


def main() -> int:
    """Carry on until there are enough runs and completions, or the time is over. 1 if anything did not hold."""
    arguments = _arguments()
    runs: list[dict[str, Any]] = json.loads(KEPT.read_text(encoding="utf-8")) if KEPT.exists() else []
    end = time.monotonic() + arguments.minutes * 60
    with stack_site(linked=False) as site:
        while time.monotonic() < end and not _enough(runs, arguments):
            runs.append(_run(site, len(runs) + 1, arguments))
            KEPT.write_text("[\n" + ",\n".join(json.dumps(run) for run in runs) + "\n]\n", encoding="utf-8")
            print(_line(runs[-1], runs), flush=True)
    report.keep_section("figures", "drill-long", {"text": _text(runs, arguments)})
    print(_text(runs, arguments))
    return 0 if all(run["held"] for run in runs) else 1


def _run(site: Site, seed: int, arguments: argparse.Namespace) -> dict[str, Any]:
    """One run. One that could not be carried out is kept as one that did not hold."""
    drills = [drill for drill in ON_ONE_MACHINE if drill.row in ROWS]
    drill = drills[seed % len(drills)]
    size = Size(CROWD, WARM, max(WARM, arguments.completions // arguments.runs - 2 * WARM), Plan(seats=SEATS))
    begun = time.monotonic()
    try:
        result = carry_out(site, drill, seed, quick=True, size=size)
    except (DrillError, TimeoutError, AssertionError, OSError) as error:
        site.heal()
        return _kept(drill, seed, begun) | {"held": False, "problems": [repr(error)]}
    return _kept(drill, seed, begun) | _judged(result)


def _kept(drill: Drill, seed: int, begun: float) -> dict[str, Any]:
    seconds = round(time.monotonic() - begun, 1)
    return {"seed": seed, "row": drill.row, "seconds": seconds, "acknowledged": 0, "lost": 0, "duplicated": 0}


def _judged(result: Result) -> dict[str, Any]:
    return {
        "acknowledged": result.verdict.acknowledged,
        "lost": len(result.verdict.lost),
        "duplicated": len(result.verdict.duplicated),
        "held": result.held,
        "problems": list(result.problems),
    }


def _sum(runs: list[dict[str, Any]], name: str) -> float:
    return sum(float(run[name]) for run in runs)


def _enough(runs: list[dict[str, Any]], arguments: argparse.Namespace) -> bool:
    return len(runs) >= int(arguments.runs) and _sum(runs, "acknowledged") >= int(arguments.completions)


def _line(run: dict[str, Any], runs: list[dict[str, Any]]) -> str:
    held = "held" if run["held"] else f"NOT HELD: {run['problems']}"
    return (
        f"run {len(runs)}: row {run['row']}, {run['acknowledged']} acknowledged, {run['lost']} lost, "
        f"{run['duplicated']} duplicated in {run['seconds']:.0f} s, {held}; {_sum(runs, 'acknowledged'):,.0f} in all"
    )


def _text(runs: list[dict[str, Any]], arguments: argparse.Namespace) -> str:
    """What was reached, and how far that is from what is aimed at."""
    done, seconds = _sum(runs, "acknowledged"), _sum(runs, "seconds")
    rate = done / seconds if seconds else 0.0
    text = (
        f"{done:,.0f} acknowledged completions over {len(runs)} seeded runs: {_sum(runs, 'lost'):.0f} lost, "
        f"{_sum(runs, 'duplicated'):.0f} duplicated, {sum(not run['held'] for run in runs)} runs did not hold"
    )
    if _enough(runs, arguments) or not rate:
        return text
    hours = (arguments.completions - done) / rate / 3600
    return (
        f"{text}. The aim is {arguments.completions:,} over {arguments.runs} runs; at the {rate:.0f} a second that "
        f"were reached, outages included, the rest takes {hours:.1f} hours more: `make drill-long` goes on from here"
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m drills.long", description=__doc__)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--completions", type=int, default=1_000_000)
    parser.add_argument("--minutes", type=float, default=24 * 60, help="stop after this time; the next call goes on")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
