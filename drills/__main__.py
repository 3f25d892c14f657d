"""`make drill`: faults under load, one after the other, each judged by the checker. Writes docs/drills.md as well."""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace

import psycopg2

from deploy.local.cluster import ClusterError
from drills import report, sabotage
from drills.cluster_site import cluster_site
from drills.faults import ON_ONE_MACHINE, ON_THE_CLUSTER
from drills.product import commit
from drills.scene import Drill, DrillError, Result, carry_out
from drills.site import Site
from drills.stack_site import stack_site

QUICK_ANSWER_SECONDS = 15.0
"""How late an answer may come in a quick run; one without a deadline is later."""


def main() -> int:
    """Carry out what is asked for. 1 where something did not hold, or where a sabotage was not found."""
    arguments = _arguments()
    seed = arguments.seed if arguments.seed is not None else random.SystemRandom().randrange(2**31)
    print(f"commit {commit()}, seed {seed}: the same with --seed {seed}", flush=True)
    begun = time.monotonic()
    well = _on(stack_site, ON_ONE_MACHINE, arguments, seed)
    well = _on(cluster_site, ON_THE_CLUSTER, arguments, seed) and well
    well = sabotage.run_all(_chosen_sabotages(arguments), seed, arguments) and well
    print(f"{'All held' if well else 'NOT ALL HELD'}, in {time.monotonic() - begun:.0f} s.")
    return 0 if well else 1


def _on(
    open_site: Callable[[], AbstractContextManager[Site]],
    drills: Sequence[Drill],
    arguments: argparse.Namespace,
    seed: int,
) -> bool:
    """The drills of one kind of site, if any are wanted."""
    chosen = [drill for drill in drills if _wanted(drill.row, arguments, quick=drill.quick)]
    if not chosen or arguments.on not in {chosen[0].ground.split()[-1], "all"}:
        return True
    with open_site() as site:
        return _carry_out_all(site, chosen, seed, arguments)


def _carry_out_all(site: Site, chosen: Sequence[Drill], seed: int, arguments: argparse.Namespace) -> bool:
    well = True
    print(report.HEAD, flush=True)
    for drill in chosen:
        try:
            result = carry_out(site, _patient(drill) if arguments.quick else drill, seed, quick=arguments.quick)
        except (DrillError, TimeoutError, AssertionError, OSError, ClusterError, psycopg2.Error) as error:
            print(f"{drill.row}: {drill.fault}: could not be judged: {error!r}", flush=True)
            site.heal()
            well = False
            continue
        well = well and result.held
        _tell(result, arguments)
    return well


def _patient(drill: Drill) -> Drill:
    """The drill as CI has it, where a busy machine is nobody's fault."""
    return replace(drill, answer_seconds=max(drill.answer_seconds, QUICK_ANSWER_SECONDS))


def _tell(result: Result, arguments: argparse.Namespace) -> None:
    print(report.line(result), flush=True)
    for text in (*result.problems, *(f"({note})" for note in result.notes)):
        print(f"      {text}", flush=True)
    if report.is_kept(arguments):
        report.keep(result)


def _wanted(name: str, arguments: argparse.Namespace, *, quick: bool) -> bool:
    if arguments.names:
        return name in arguments.names
    return quick or not arguments.quick


def _chosen_sabotages(arguments: argparse.Namespace) -> list[sabotage.Sabotage]:
    wanted = [one for one in sabotage.ALL if _wanted(one.name, arguments, quick=one.quick)]
    return wanted if arguments.on != "cluster" else []


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m drills", description=__doc__)
    names = [*(drill.row for drill in (*ON_ONE_MACHINE, *ON_THE_CLUSTER)), *(one.name for one in sabotage.ALL)]
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which of: {', '.join(dict.fromkeys(names))} (all)")
    parser.add_argument("--seed", type=int, help="of what is drawn at random (a new one)")
    parser.add_argument("--quick", action="store_true", help="the most telling, with shorter faults; write nothing")
    parser.add_argument("--on", choices=("machine", "cluster", "all"), default="all", help="which kind of site")
    parser.add_argument("--dry", action="store_true", help="write nothing")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(names):
        parser.error(f"no such drill: {', '.join(sorted(unknown))}")
    return arguments


if __name__ == "__main__":
    sys.exit(main())
