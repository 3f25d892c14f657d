"""`make drill-soak MINUTES=120`: one fault after another, drawn at random, on a Fairboard that is never started anew.

Its runs are those of `drill-long` and are kept with them; here memory and connections are watched, and everything is
compared at the end.
"""

from __future__ import annotations

import argparse
import sys
import time

from drills import report
from drills.long import RESTARTING, ROWS, Run, carry_on, compared, first_line, kept, line, total
from drills.product import commit
from drills.stack_site import stack_site
from drills.watch import Watch

LIVING = tuple(row for row in ROWS if row not in RESTARTING)
ALL_HELD = "everything held, and the compare at the end found nothing"


def main() -> int:
    """Soak, then compare everything. 1 if anything did not hold or grew. It ends with its figure, whatever happened."""
    minutes = _arguments().minutes
    runs, begun = kept(), time.monotonic()
    before = len(runs)
    with stack_site(linked=False) as site:
        watch = Watch()
        for run in carry_on(site, runs, LIVING, lambda: time.monotonic() > begun + minutes * 60):
            watch.sample(site)
            print(f"{line(run, runs)}; {watch.now()}", flush=True)
        took = (time.monotonic() - begun) / 60
        problems = [*_problems(runs[before:]), *(f"at the end: {one}" for one in compared(site)), *watch.problems()]
        problems += [f"given up before the {minutes:.0f} minutes were over"] if took < minutes else []
        text = _text(took, runs[before:], watch.text(), problems)
        report.keep_section("figures", "drill-soak", {"text": text})
        print(text, flush=True)
    return 1 if problems else 0


def _problems(runs: list[Run]) -> list[str]:
    return [
        f"run {run['seed']}, row {run['row']}: {first_line(problem)}" for run in runs for problem in run["problems"]
    ]


def _text(minutes: float, runs: list[Run], watched: str, problems: list[str]) -> str:
    """What was done and seen."""
    return (
        f"{minutes:.0f} minutes of commit {commit()}, {len(runs)} faults drawn at random{_numbers(runs)}, "
        f"{total(runs, 'acknowledged'):,.0f} acknowledged, {total(runs, 'lost'):.0f} lost, "
        f"{total(runs, 'duplicated'):.0f} duplicated; {total(runs, 'planned'):.0f} processes of workers replaced as "
        f"planned; {watched}; " + (f"did not hold: {'; '.join(problems)}" if problems else ALL_HELD)
    )


def _numbers(runs: list[Run]) -> str:
    return f" (runs {runs[0]['seed']} to {runs[-1]['seed']} of drill-long, which says from which rows)" if runs else ""


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m drills.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=120)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
