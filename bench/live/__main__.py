"""`make bench-live`: the live board beside its peers. Writes bench/results/live.md and live.svg as well."""

from __future__ import annotations

import argparse
import os
import platform
import signal
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.ground import Ground, ground
from bench.live import chain, contestants, plot, report, soak
from bench.live.build import CannotRunError, Programs, compile_programs, room_for
from bench.live.contestants import Contestant
from bench.live.measure import Incomplete, Plan, Round, measure

RESULTS = Path(__file__).parents[1] / "results"
A_DAY = "86400"


def main() -> int:
    """Measure what is asked for. 1 where this machine cannot."""
    arguments = _arguments()
    signal.signal(signal.SIGTERM, lambda number, stack: sys.exit(128 + number))  # Servers end with us.
    os.environ["FAIRBOARD_ACCESS_TOKEN_SECONDS"] = A_DAY  # No socket ends with its token while we measure.
    try:
        with TemporaryDirectory(prefix="fairboard-bench-live-") as folder:
            Path(folder).chmod(0o711)
            _measure_all(arguments, Path(folder), Report(arguments))
    except CannotRunError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.live", description=__doc__)
    parser.add_argument("--sizes", type=_numbers, default=[1_000, 4_000, 10_000], help="numbers of sockets")
    parser.add_argument("--rounds", type=int, default=3, help="rounds in which the servers take turns")
    parser.add_argument("--broadcasts", type=int, default=50, help="broadcasts of each round")
    parser.add_argument(
        "--soak", type=float, metavar="SECONDS", help="instead: hold the most sockets among bad company"
    )
    parser.add_argument("--without-peer", action="store_true", help="leave out Socket.IO, which is installed from npm")
    parser.add_argument("--without-chain", action="store_true", help="leave out the way from end to end")
    parser.add_argument("--only-chain", action="store_true", help="nothing but the way from end to end")
    parser.add_argument("--quick", action="store_true", help="a few sockets and broadcasts, to see that it works")
    parser.add_argument("--output", type=Path, help="folder for the table and the plot (bench/results, if not quick)")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.sizes, arguments.rounds, arguments.broadcasts = [200], 1, 5
    elif arguments.output is None:
        arguments.output = RESULTS
    return arguments


def _numbers(text: str) -> list[int]:
    return sorted(int(part) for part in text.split(","))


class Report:
    """What was measured so far, printed and written as it comes, so that what fails later takes nothing with it."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        """Nothing yet."""
        self._folder: Path | None = arguments.output
        self._name = "live-soak" if arguments.soak else "live"
        self._parts: list[str] = []

    def add(self, part: str, picture: str = "") -> None:
        """Print a part, and write all of them; `picture` is SVG that goes beside them."""
        print(part, flush=True)
        self._parts += [part] if part else []
        if picture:
            self._parts.append(f"![by number of sockets]({self._name}.svg)")
        if self._folder:
            self._folder.mkdir(parents=True, exist_ok=True)
            (self._folder / f"{self._name}.md").write_text("\n\n".join(self._parts) + "\n", encoding="utf-8")
            if picture:
                (self._folder / f"{self._name}.svg").write_text(picture, encoding="utf-8")


def _measure_all(arguments: argparse.Namespace, folder: Path, result: Report) -> None:
    programs = compile_programs(folder, os.environ.get("CC", ""))
    sizes, remark = room_for(arguments.sizes)
    result.add(_head(remark))
    alone = arguments.without_peer or arguments.soak or arguments.only_chain
    peer = None if alone else _install(folder)
    with ground() as own:
        _say(f"{max(sizes):,} players, each with a token")
        tokens = [own.access_token(user) for user in own.players(max(sizes))]
        if arguments.soak:
            result.add(_soak(own, tokens, programs, arguments.soak))
            return
        if not arguments.only_chain:
            rounds = _take_turns(_all(own, tokens, programs, peer), programs, sizes, arguments)
            result.add(report.table(rounds, arguments.broadcasts))
            result.add(report.ratios(rounds), plot.svg(rounds))
        if not arguments.without_chain:
            _say(f"from end to end, {len(tokens):,} sockets")
            result.add(report.chain_table(*_chains(own, tokens, programs, quick=arguments.quick)))


def _install(folder: Path) -> Path | None:
    _say("Socket.IO from npm")
    try:
        return contestants.install_peer(folder)
    except CannotRunError as error:
        print(error, flush=True)
        return None


def _all(own: Ground, tokens: Sequence[str], programs: Programs, peer: Path | None) -> dict[str, Contestant]:
    there: dict[str, Contestant] = {report.FAIRBOARD: partial(contestants.fairboard, own, tokens)}
    if peer:
        there[report.SOCKETIO] = partial(contestants.socketio, own, tokens, peer)
    return there | {report.BARE: partial(contestants.bare, programs.bare)}


def _take_turns(
    servers: dict[str, Contestant], programs: Programs, sizes: Sequence[int], arguments: argparse.Namespace
) -> dict[tuple[str, int], list[Round]]:
    """Round by round, each server after the other, so that a busy moment of the machine meets all of them."""
    plan = Plan(arguments.broadcasts, 0.5, 0.2) if arguments.quick else Plan(arguments.broadcasts)
    rounds: dict[tuple[str, int], list[Round]] = {(name, size): [] for size in sizes for name in servers}
    for size in sizes:
        for number in range(1, arguments.rounds + 1):
            for name, server in servers.items():
                _say(f"{size:,} sockets, round {number} of {arguments.rounds}, {name}")
                if measured := _attempt(lambda server=server: measure(server, programs.crowd, size, plan, number)):  # type: ignore[misc]  # noqa: B023 -- called at once
                    rounds[name, size].append(measured)
    return rounds


def _attempt(take: Callable[[], Round]) -> Round | None:
    try:
        measured = take()
    except (Incomplete, RuntimeError, OSError) as error:
        print(f"   left out: {error!r}", flush=True)
        return None
    print(
        f"   to the last client {measured.last_p50 * 1000:.1f} / {measured.last_p99 * 1000:.1f} ms, "
        f"CPU {measured.cpu * 1000:.1f} ms, {measured.own / 1024:.1f} KiB a connection, "
        f"{measured.handshakes:.0f} handshakes a second ({measured.refused} tried again)",
        flush=True,
    )
    return measured


def _chains(own: Ground, tokens: Sequence[str], programs: Programs, *, quick: bool) -> list[chain.Chain]:
    """With one process for completions and sockets, and with one for each."""
    turns = 2 if quick else chain.TURNS
    return [chain.measure(own, tokens, programs.crowd, turns, apart=apart) for apart in (False, True)]


def _soak(own: Ground, tokens: Sequence[str], programs: Programs, seconds: float) -> str:
    few = max(soak.KINDS, len(tokens) // 100)
    _say(f"{len(tokens):,} sockets for {seconds:.0f} s, {few} slow readers and {few} hostile clients among them")
    return soak.soak(own, tokens, programs.crowd, soak.Company(few, few), seconds)


def _say(what: str) -> None:
    print(f"== {what} ...", flush=True)


def _head(remark: str) -> str:
    machine = f"{datetime.now(UTC):%Y-%m-%d}, {platform.platform()}, Python {platform.python_version()}."
    busy = os.getloadavg()[1]
    if busy > 0.5:
        machine += f" The machine was busy with other things: a load of {busy:.1f} before it began."
    return f"# The live board\n\n{machine} {remark}".rstrip()


if __name__ == "__main__":
    sys.exit(main())
