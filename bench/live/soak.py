"""A long time with bad company: slow readers and hostile clients among thousands who behave, and who stay on time."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.ground import Ground
from bench.live.contestants import Running, fairboard, talking
from bench.live.crowd import Crowd, crowd
from bench.live.hostile import ANONYMOUS, KINDS as BEHAVIOURS
from bench.live.measure import to_last
from bench.live.meter import cpu_seconds, memory
from bench.live.probe import percentile, probing

INTERVAL = 1.0
KINDS = len({*BEHAVIOURS, ANONYMOUS})
"""So many hostile clients show every kind."""
MINUTE = 60.0
HEAD = (
    "| minute | open | closed | p50 / p99 to the last client, ms | skipped | doubled | slow: sipping / napping "
    "/ closed / torn | hostile: thrown out / still there / refused | HTTP p99, ms | memory, MiB | CPU, % |\n|"
    + "---|"
    * 11
)


@dataclass(frozen=True)
class Company:
    """Who is there beside those who behave."""

    slow: int
    hostile: int


def soak(own: Ground, tokens: Sequence[str], program: Path, company: Company, seconds: float) -> str:
    """Hold everybody for so long; a row each minute."""
    slow, rest = tokens[: company.slow], tokens[company.slow :]
    hostile, good = rest[: company.hostile], rest[company.hostile :]
    argv = [sys.executable, "-m", "bench.live.hostile"]
    with fairboard(own, good) as running, crowd(program, running.port, running.script(len(good))) as clients:
        opened = clients.opened()
        with talking(argv, own.environment) as bad:
            _say(bad, json.dumps({"port": running.port, "slow": slow, "hostile": hostile}))
            rows, last = _minutes(running, clients, bad, seconds)
    intro = (
        f"{opened.joined:,} sockets that behave, {company.slow} slow readers, {company.hostile} hostile clients, "
        f"{seconds:.0f} s, a broadcast each second. Half of the slow readers sip, taking less than is sent, and half "
        "nap, taking everything but seldom; torn counts their frames that were not whole or not newer than the last."
    )
    return "\n".join(["## Bad company", "", intro, "", HEAD, *rows, "", *_by_kind(last)])


def _minutes(
    running: Running, clients: Crowd, bad: subprocess.Popen[str], seconds: float
) -> tuple[list[str], dict[str, Any]]:
    rows: list[str] = []
    state: dict[str, Any] = {}
    version, end = int(time.time() * 1000), time.monotonic() + seconds
    print(HEAD, flush=True)
    while (left := end - time.monotonic()) > INTERVAL:
        used, began = cpu_seconds(running.pid), time.monotonic()
        with probing(running.port, running.path) as prober:
            sent = _publish(running, clients, version, min(left, MINUTE))
        version += len(sent)
        share = (cpu_seconds(running.pid) - used) / (time.monotonic() - began)
        state = _ask(bad)
        assert prober
        rows.append(_row(len(rows) + 1, clients, sent, state) + _tail(running, prober.percentile(0.99), share))
        print(rows[-1], flush=True)
    return rows, state


def _publish(running: Running, clients: Crowd, base: int, seconds: float) -> dict[int, float]:
    """A version at each interval, whether or not the last one has reached everybody."""
    clients.begin(base)
    sent, began = {}, time.monotonic()
    for number in range(1, max(1, int(seconds / INTERVAL)) + 1):
        sent[base + number] = running.publish(base + number)
        time.sleep(max(0.0, began + number * INTERVAL - time.monotonic()))
    return sent


def _row(minute: int, clients: Crowd, sent: dict[int, float], state: dict[str, Any]) -> str:
    counts = clients.report()
    last = to_last(counts, sent)
    thrown, waiting, refused = (sum(state[key].values()) for key in ("ended", "waiting", "refused"))
    slow = " / ".join(str(state["slow"].get(key, 0)) for key in ("sipping", "napping", "closed", "torn"))
    return (
        f"| {minute} | {counts.open:,} | {counts.closed} | {percentile(last, 0.5) * 1000:.0f} / "
        f"{percentile(last, 0.99) * 1000:.0f} | {counts.skipped} | {counts.doubled} | {slow} "
        f"| {thrown} / {waiting} / {refused} "
    )


def _tail(running: Running, http: float, share: float) -> str:
    return f"| {http * 1000:.0f} | {memory(running.pid).own / 2**20:.0f} | {share * 100:.0f} |"


def _by_kind(state: dict[str, Any]) -> list[str]:
    kinds = sorted({*state["ended"], *state["waiting"], *state["refused"]})
    columns = ("ended", "waiting", "refused")
    rows = [
        "| " + " | ".join([kind, *(str(state[column].get(kind, 0)) for column in columns)]) + " |" for kind in kinds
    ]
    return ["| hostile kind | thrown out or gone | still there after 90 s | refused |", "|---|---|---|---|", *rows]


def _say(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdin
    process.stdin.write(line + "\n")
    process.stdin.flush()


def _ask(process: subprocess.Popen[str]) -> dict[str, Any]:
    assert process.stdout
    _say(process, "how is it?")
    return dict(json.loads(process.stdout.readline()))
