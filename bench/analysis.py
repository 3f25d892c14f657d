"""The analysis: how many players an hour one process judges, and how many two do."""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from statistics import median

from celery import Celery
from redis import Redis
from sqlalchemy import text

from bench.ground import BIN, Ground, running

HOURS, EACH = 8, 60
"""Each player has this many windows of this many completions."""
ROUNDS = 3

_EVENTS = text("""
    WITH entries AS (
        INSERT INTO ledger_entries (user_id, seq, board, action_type, kind, points, token_hash, claimed_ms, elapsed_ms,
                                    created_at, previous_hash, hash)
        SELECT :user, n, 'global', 'puzzle', 'timed', 1, sha256(uuid_send(gen_random_uuid())), claimed, claimed + 150,
               to_timestamp(at), '', ''
        FROM unnest(CAST(:at AS float8[]), CAST(:claimed AS bigint[])) WITH ORDINALITY AS played (at, claimed, n)
        RETURNING seq
    )
    UPDATE ledger_heads SET seq = (SELECT max(seq) FROM entries) WHERE user_id = :user
""")
_FORGET = text("DELETE FROM anticheat_states")
_DONE = text("SELECT count(*) FROM anticheat_states WHERE analysed_at IS NOT NULL")
_SIZE = text("SELECT sum(octet_length(state)) / count(*) FROM anticheat_states")


def measure(own: Ground, arguments: argparse.Namespace) -> str:
    """Fill the queue with every player's analysis, and empty it with one process and with two, in turns."""
    players = own.players(arguments.analysed)
    _fill(own, players)
    rates: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(ROUNDS):
        for processes, found in rates.items():
            found.append(_rate(own, players, processes))
    ratios = [two / one for one, two in zip(rates[1], rates[2], strict=True)]
    return _table(own, len(players), rates, ratios)


def _fill(own: Ground, players: range) -> None:
    rng, start = random.Random(1), (time.time() // 3_600 - HOURS - 2) * 3_600
    with own.owner.begin() as connection:
        for user in players:
            at = sorted(start + 3_600 * hour + rng.uniform(0, 3_600) for hour in range(HOURS) for _ in range(EACH))
            claimed = [round(rng.lognormvariate(9.5, 0.4)) for _ in at]
            connection.execute(_EVENTS, {"user": user, "at": at, "claimed": claimed})


def _rate(own: Ground, players: range, processes: int) -> float:
    """Players a second. The workers are there before the queue is filled; each has forked and loaded its detectors."""
    with own.owner.begin() as connection:
        connection.execute(_FORGET)
    celery = Celery("bench", broker=own.settings.celery_url)
    with ExitStack() as stack:
        for number in range(processes):
            stack.enter_context(_worker(own, number))
        while len(celery.control.ping(timeout=1.0) or ()) < processes:
            pass  # Each ping waits for its answer.
        _ring(own, celery, players)
        started = time.perf_counter()
        _wait(own, len(players))
        return len(players) / (time.perf_counter() - started)


@contextmanager
def _worker(own: Ground, number: int) -> Iterator[None]:
    """What operators start: `celery -A workers worker -Q anticheat`."""
    argv = [str(BIN / "celery"), "-A", "workers", "worker", "-Q", "anticheat", "-n", f"anticheat-{number}@bench"]
    with running([*argv, "--concurrency", "1", "-l", "ERROR"], own.environment):
        yield


def _ring(own: Ground, celery: Celery, players: range) -> None:
    """All bells at once; the queue is hidden from the workers until it is full."""
    for user in players:
        celery.send_task("anticheat.analyse_player", kwargs={"user": user}, queue="filling")
    Redis.from_url(own.settings.celery_url).rename("filling", "anticheat")


def _wait(own: Ground, expected: int) -> None:
    with own.owner.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        while connection.execute(_DONE).scalar_one() < expected:
            time.sleep(0.05)


def _table(own: Ground, players: int, rates: dict[int, list[float]], ratios: list[float]) -> str:
    with own.owner.connect() as connection:
        size = connection.execute(_SIZE).scalar_one()
    windows = HOURS * EACH
    lines = [
        "## Analysis",
        "",
        f"{players:,} players with {windows} completions in {HOURS} windows each, all of them due at once; a state has",
        f"{size:,.0f} bytes then. `celery -A workers worker -Q anticheat --concurrency 1`",
        f"once, and twice, in {ROUNDS} rounds.",
        "",
        "| processes | players a second | windows a second | milliseconds for each window |",
        "|---|---|---|---|",
    ]
    for processes, found in rates.items():
        rate = median(found)
        lines.append(f"| {processes} | {rate:.1f} | {rate * HOURS:.0f} | {1_000 * processes / rate / HOURS:.2f} |")
    lines.append(
        f"\nTwo do **{median(ratios):.2f} times** as much as one ({min(ratios):.2f} to {max(ratios):.2f}), "
        "with PostgreSQL and Redis on the same two cores."
    )
    return "\n".join(lines)
