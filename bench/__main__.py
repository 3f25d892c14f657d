"""`make bench`: speed in ratios, all measured in one run. Writes bench/results/latest.md, or the sections' own file."""

from __future__ import annotations

import argparse
import platform
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from bench import analysis, frames, http, ranking, trips
from bench.ground import Ground, ground

RESULTS = Path(__file__).with_name("results") / "latest.md"
SECTIONS: dict[str, Callable[[Ground, argparse.Namespace], str]] = {
    "http": http.measure,
    "trips": trips.measure,
    "frames": frames.measure,
    "ranking": ranking.measure,
    "analysis": analysis.measure,
}


def main() -> None:
    """Run the sections asked for, each on servers of its own, and print their tables."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=f"which of: {', '.join(SECTIONS)} (all)")
    parser.add_argument("--rounds", type=int, default=5, help="interleaved rounds of the HTTP section")
    parser.add_argument("--players", type=int, default=1_000_000, help="size of the large board in the ranking section")
    parser.add_argument("--analysed", type=int, default=400, help="players in the analysis section")
    arguments = parser.parse_args()
    if unknown := set(arguments.sections) - set(SECTIONS):
        parser.error(f"no such section: {', '.join(unknown)}")
    report = [
        f"# Benchmarks\n\n{datetime.now(UTC):%Y-%m-%d}, {platform.platform()}, Python {platform.python_version()}."
    ]
    for name in arguments.sections or SECTIONS:
        print(f"== {name} ...", flush=True)
        with ground() as own:
            report.append(SECTIONS[name](own, arguments))
        print(report[-1], flush=True)
    target = RESULTS.with_name(f"{'-'.join(arguments.sections) or 'latest'}.md")
    target.parent.mkdir(exist_ok=True)
    target.write_text("\n\n".join(report) + "\n", encoding="utf-8")
    print(f"Written to {target}")


if __name__ == "__main__":
    main()
