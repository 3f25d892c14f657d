"""`make evaluate HUMANS=FILE`: writes docs/evaluation/."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from bench.evaluate import cheats, figures, measure, tables
from services.anticheat.evidence import FAMILIES

OUT = Path(__file__).parents[2] / "docs" / "evaluation"
DRAFT, HELD_OUT = 1, 20_261_128
"""Thresholds were set looking at the first seed; the reported table is of the second, which was used once."""
SEEDS = {
    DRAFT: "the one for tuning, so the figures flatter; `ARGS=--held-out` takes one that was not looked at",
    HELD_OUT: "used once, after the thresholds were fixed",
}
TEXT = Path(__file__).with_name("README.template.md")


def main(arguments: list[str] | None = None) -> int:
    """Run everything, print the tables, and write them with the pictures."""
    options = _parser().parse_args(arguments)
    seed = HELD_OUT if options.held_out else DRAFT
    players, days, bots, farms = (1, 12, 1, 1) if options.quick else (options.players, 60, options.bots, 40)
    began = time.monotonic()

    def say(text: str) -> None:
        print(f"{time.monotonic() - began:6.0f} s  {text}", file=sys.stderr, flush=True)

    honest_best, cheat_best = measure.no_best(), measure.no_best()
    found = []
    for kind in cheats.KINDS:
        found.append(measure.cheating(seed, kind, bots, cheat_best))
        row = found[-1]
        say(f"{kind.number} {kind.name}: {row.detected():.1%} within the target, {row.detected(1e9):.1%} at all")
    crowds, copies = measure.crowds(seed, farms), measure.copies(seed, farms)
    long_ones = measure.long_replays(seed, farms)
    say(f"farms {crowds}, copies {copies}, long replays {long_ones}")
    rows = measure.simulated(seed, players, days, say, honest_best)
    rows.append(tables.total(rows))
    looks = ""
    if options.humans:
        person, flags = measure.real(options.humans, every=not options.quick)
        rows = [*person, *rows]
        looks = "" if options.quick else f"Looking after every completion of the real person gives {flags} flags."
    aim = "met" if rows[-1].bound() <= 1 else "missed"
    mean, most, size = measure.costs(seed)
    several = tables.crowds_table(crowds, copies, long_ones)
    text = TEXT.read_text(encoding="utf-8").format(
        honest=tables.honest_table(rows), cheats=tables.cheats_table(found), crowds=several,
        looks=looks, aim=aim, seed=seed, which=SEEDS[seed], bots=bots, players=players, mean=mean, most=most, size=size,
    )  # fmt: skip
    print(text)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "README.md").write_text(text, encoding="utf-8")
    curves = {f"{row.kind.number} {row.kind.name}": row.events for row in found}
    (options.out / "detection.svg").write_text(figures.detection(curves), encoding="utf-8")
    pictures = figures.families(honest_best, cheat_best, FAMILIES)
    (options.out / "families.svg").write_text(pictures, encoding="utf-8")
    say(f"written to {options.out}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.evaluate", description=__doc__)
    parser.add_argument("--humans", type=Path, help="a real person's times: session,completed_at,duration_ms")
    parser.add_argument("--quick", action="store_true", help="a few of each, to see that it works")
    parser.add_argument("--held-out", action="store_true", help="the seed of the reported table")
    parser.add_argument("--players", type=int, default=90, help="honest players of each kind, 60 days each (90)")
    parser.add_argument("--bots", type=int, default=100, help="cheats of each kind (100)")
    parser.add_argument("--out", type=Path, default=OUT, help="where to write (docs/evaluation)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
