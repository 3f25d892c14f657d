"""One round of one server: handshakes, silence, broadcasts."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, replace
from pathlib import Path

from bench.live.contestants import Contestant, Running
from bench.live.crowd import Counts, Crowd, Opened, crowd
from bench.live.meter import Memory, cpu_seconds, memory
from bench.live.probe import percentile, probing

WARM_SOCKETS, WARM_BROADCASTS = 50, 5
PAUSE = 0.2
"""Seconds between two broadcasts, give or take a half, so that they do not fall into step with anything."""


class Incomplete(Exception):  # noqa: N818 -- it says what the round is
    """Not every client had every broadcast; the message says how many."""


@dataclass(frozen=True)
class Plan:
    """How much is measured."""

    broadcasts: int = 50
    idle_seconds: float = 5.0
    settle_seconds: float = 2.0


@dataclass(frozen=True)
class Round:
    """What one round measured. Times in seconds, memory in bytes for each connection."""

    number: int
    sockets: int
    handshakes: float
    refused: int
    last_p50: float
    last_p99: float
    cpu: float
    own: float
    kernel: float
    http_idle: float
    http: float
    client_share: float
    """The client's CPU while frames came, in shares of one core."""
    doubled: int
    skipped: int


def measure(contestant: Contestant, program: Path, size: int, plan: Plan, number: int = 1) -> Round:
    """Start a server, open the sockets, and measure. `number` is the round's. Raises Incomplete."""
    with contestant() as running:
        _warm(running, program)
        before = memory(running.pid)
        with crowd(program, running.port, running.script(size)) as clients:
            opened = clients.opened()
            if opened.failed:
                raise Incomplete(f"{opened.failed} of {size} handshakes failed: {opened.why}")
            return replace(_measure(running, clients, opened, before, plan), number=number)


def _warm(running: Running, program: Path) -> None:
    """Let a server load and compile what it needs."""
    with crowd(program, running.port, running.script(WARM_SOCKETS)) as clients:
        clients.opened()
        _broadcast(running, clients, int(time.time() * 1000), WARM_BROADCASTS)
    time.sleep(0.5)


def _measure(running: Running, clients: Crowd, opened: Opened, before: Memory, plan: Plan) -> Round:
    base = int(time.time() * 1000)
    _broadcast(running, clients, base, WARM_BROADCASTS)
    base += WARM_BROADCASTS
    time.sleep(plan.settle_seconds)
    idle_rate = _idle(running, plan.idle_seconds)
    used, began, told = cpu_seconds(running.pid), time.monotonic(), len(running.own_cpu)
    sent = _broadcast(running, clients, base, plan.broadcasts)
    used = cpu_seconds(running.pid) - used - idle_rate * (time.monotonic() - began)
    used = sum(running.own_cpu[told:]) if running.own_cpu else used
    counts, after = clients.report(), memory(running.pid)
    last = to_last(counts, sent)
    http_idle, http = _http(running, clients, base + plan.broadcasts, plan)
    return Round(
        number=1,
        sockets=opened.joined,
        handshakes=opened.per_second,
        refused=opened.refused,
        last_p50=percentile(last, 0.5),
        last_p99=percentile(last, 0.99),
        cpu=used / plan.broadcasts,
        own=(after.own - before.own) / opened.joined,
        kernel=(after.kernel - before.kernel) / opened.joined,
        http_idle=http_idle,
        http=http,
        client_share=counts.cpu / sum(last),
        doubled=counts.doubled,
        skipped=counts.skipped,
    )


def _idle(running: Running, seconds: float) -> float:
    """CPU a second while nothing is broadcast: pings, above all."""
    used, began = cpu_seconds(running.pid), time.monotonic()
    time.sleep(seconds)
    return (cpu_seconds(running.pid) - used) / (time.monotonic() - began)


def _http(running: Running, clients: Crowd, base: int, plan: Plan) -> tuple[float, float]:
    """The 99th percentile of HTTP while nothing is broadcast, and during broadcasts that count for nothing else."""
    with probing(running.port, running.path) as idle:
        time.sleep(plan.idle_seconds if running.path else 0)
    with probing(running.port, running.path) as busy:
        _broadcast(running, clients, base, plan.broadcasts if running.path else 0)
    return (idle.percentile(0.99), busy.percentile(0.99)) if idle and busy else (float("nan"), float("nan"))


def _broadcast(running: Running, clients: Crowd, base: int, number: int) -> dict[int, float]:
    """Publish versions after this one, each when all have the one before. Tells when each was published."""
    clients.begin(base)
    sent = {}
    for version in range(base + 1, base + 1 + number):
        sent[version] = running.publish(version)
        if not clients.wait_for(version):
            counts = clients.report()
            have = {each.version: each.clients for each in counts.broadcasts}.get(version, 0)
            raise Incomplete(
                f"broadcast {version - base} reached {have} clients in 20 seconds, {counts.open} are open and "
                f"{counts.closed} were closed: {counts.why or 'without a word'}"
            )
        time.sleep(PAUSE * random.uniform(0.5, 1.5))
    return sent


def to_last(counts: Counts, sent: dict[int, float]) -> list[float]:
    """From each publish until the last client had it."""
    return [each.last - sent[each.version] for each in counts.broadcasts if each.version in sent]
