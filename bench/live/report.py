"""From rounds to tables: medians, and ratios of one run."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from statistics import median

from bench.live.chain import Chain
from bench.live.measure import Round

FAIRBOARD, SOCKETIO, BARE = "Fairboard", "Socket.IO", "bare loop"
Rounds = Mapping[tuple[str, int], Sequence[Round]]
HEAD = (
    "| sockets | server | to the last client, p50 / p99, ms | CPU per broadcast, ms | memory per connection, KiB "
    "| kernel, KiB | handshakes a second | HTTP p99 idle / busy, ms | client, share of a core |\n" + "|---" * 9 + "|"
)
AIMS: tuple[tuple[str, str, str, float], ...] = (
    ("to the last client, p50", "last_p50", SOCKETIO, 0.5),
    ("to the last client, p99", "last_p99", SOCKETIO, 0.5),
    ("CPU per broadcast", "cpu", SOCKETIO, 0.5),
    ("memory per connection", "own", SOCKETIO, 0.15),
    ("CPU per broadcast", "cpu", BARE, 2.5),
)


def value(rounds: Sequence[Round], name: str) -> float:
    """The median of one figure."""
    return float(median(getattr(each, name) for each in rounds))


Aim = tuple[str, Callable[[Chain], bool]]
CHAIN_ROWS: list[tuple[str, Callable[[Chain], str], Aim | None]] = [
    ("commit to frame, p50 of completions and clients", lambda c: f"{c.p50 * 1000:.0f} ms", None),
    ("commit to frame, p99", lambda c: f"{c.p99 * 1000:.0f} ms", ("at most 250 ms", lambda c: c.p99 <= 0.25)),
    ("commit to the last client, p99 of completions", lambda c: f"{c.last_p99 * 1000:.0f} ms", None),
    (
        "versions published / skipped by a client on average",
        lambda c: f"{c.versions} / {c.skipped / max(1, c.sockets):.1f}",
        None,
    ),
    ("clients not on the last version at rest", lambda c: str(c.behind), ("none", lambda c: c.behind == 0)),
    ("completions that no frame showed", lambda c: str(c.missed), ("none", lambda c: c.missed == 0)),
    ("frames that came twice or out of order", lambda c: str(c.doubled), ("none", lambda c: c.doubled == 0)),
    ("sockets that were closed", lambda c: str(c.closed), ("none", lambda c: c.closed == 0)),
    ("client, share of a core", lambda c: f"{c.client_share:.2f}", None),
]


def table(rounds: Rounds, broadcasts: int) -> str:
    """A row for each server at each size."""
    rows = [_row(name, size, own) for (name, size), own in sorted(rounds.items(), key=_order) if own]
    many = max((len(own) for own in rounds.values()), default=0)
    intro = (
        f"{os.cpu_count()} cores. One server process, {broadcasts} broadcasts of a board of ten rows in a round, each "
        f"when all had the one before; medians of {many} rounds, in which the servers took turns. The client is "
        "the same program for all. Memory: of the server's processes. Kernel: both ends of each connection. HTTP: "
        "`/healthz`, 50 a second, during broadcasts that count for nothing else."
    )
    return "\n".join(["## Sockets", "", intro, "", HEAD, *rows])


def ratios(rounds: Rounds) -> str:
    """How Fairboard does against its aims, at the largest size that all have."""
    sizes = [size for name, size in rounds if name == FAIRBOARD and rounds[name, size]]
    rows = []
    for title, field, against, aim in AIMS:
        common = [size for size in sizes if rounds.get((against, size))]
        if common:
            ours, theirs = (rounds[name, max(common)] for name in (FAIRBOARD, against))
            each = _each(ours, theirs, field)
            rows += [_ratio(f"{title}, {max(common):,} sockets", against, each, aim)] if each else []
    if not rows:
        return ""
    head = "| | against | ratio | least to most | aim at 10,000 | |\n|---|---|---|---|---|---|"
    return "\n".join(["## Ratios", "", head, *rows])


def chain_table(together: Chain, apart: Chain) -> str:
    """The way from end to end, with completions and sockets on one process, and on one each."""
    statuses = ", ".join(f"{count} answered {status}" for status, count in sorted(together.statuses.items()))
    rows = [(title, show(together), show(apart), _aim(aim, together, apart)) for title, show, aim in CHAIN_ROWS]
    intro = (
        f"{together.sockets:,} sockets, {together.per_second:.0f} completions a second ({statuses}), each of which "
        "changes the order of the top 10. Through HTTP, PostgreSQL, the queue and Redis; then with a web process for "
        "the sockets and another one for HTTP. Servers, workers and clients share the cores."
    )
    head = "| | one process for all | sockets apart | aim |\n|---|---|---|---|"
    return "\n".join(["## From end to end", "", intro, "", head, *map(_cells, rows)])


def _aim(aim: Aim | None, *chains: Chain) -> str:
    """What it is, and whether it was reached in each of two."""
    if aim is None:
        return ""
    text, reached = aim
    return f"{text}: " + " / ".join("reached" if reached(each) else "missed" for each in chains)


def _order(item: tuple[tuple[str, int], Sequence[Round]]) -> tuple[int, int]:
    (name, size), _ = item
    return size, (FAIRBOARD, SOCKETIO, BARE).index(name)


def _row(name: str, size: int, rounds: Sequence[Round]) -> str:
    def shown(field: str, scale: float = 1000.0, digits: int = 1) -> str:
        number = value(rounds, field)
        return "" if math.isnan(number) else f"{number * scale:,.{digits}f}"

    cells = (
        f"{size:,}",
        name,
        f"{shown('last_p50')} / {shown('last_p99')}",
        shown("cpu"),
        shown("own", 1 / 1024),
        shown("kernel", 1 / 1024),
        shown("handshakes", 1, 0),
        f"{shown('http_idle')} / {shown('http')}" if shown("http") else "",
        shown("client_share", 1, 2),
    )
    return _cells(cells)


def _each(ours: Sequence[Round], theirs: Sequence[Round], field: str) -> list[float]:
    """The ratio of each round in which both ran, one after the other."""
    others = {each.number: float(getattr(each, field)) for each in theirs}
    return [getattr(each, field) / others[each.number] for each in ours if others.get(each.number)]


def _ratio(title: str, against: str, each: list[float], aim: float) -> str:
    middle = median(each)
    spread = f"{min(each):.2f} to {max(each):.2f}"
    return _cells((title, against, f"{middle:.2f}", spread, f"{aim:g}", "reached" if middle <= aim else "missed"))


def _cells(cells: Sequence[object]) -> str:
    return "| " + " | ".join(map(str, cells)) + " |"
