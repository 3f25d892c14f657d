"""Ranking stays logarithmic: 10,000 and a million players side by side, and what rebuilding the million takes."""

from __future__ import annotations

import argparse
import statistics
import time
from datetime import UTC, datetime

from sqlalchemy import text

from bench.ground import Ground
from services.leaderboard.board import Standing, place
from services.leaderboard.keys import BoardKeys, member
from services.leaderboard.reading import read_board
from services.leaderboard.rebuild import rebuild
from services.verify import redis_differences

SMALL = 10_000
CALLS = 2_000


def measure(own: Ground, arguments: argparse.Namespace) -> str:
    """A table with both sizes and their ratio."""
    small = _with_players(own, SMALL)
    large = _with_players(own, arguments.players)
    lines = ["## Ranking", "", f"| | {SMALL:,} players | {arguments.players:,} players | ratio |", "|---|---|---|---|"]
    for name, before in small.items():
        lines.append(f"| {name} | {before:.3f} | {large[name]:.3f} | {large[name] / before:.2f} |")
    return "\n".join(lines)


def _with_players(own: Ground, count: int) -> dict[str, float]:
    _fill(own, count - _count(own))
    started = time.perf_counter()
    rebuild(own.resources, "global")
    rebuilt = time.perf_counter() - started
    differences = list(redis_differences(own.resources, "global", lambda step, done, total: None))
    verified = time.perf_counter() - started - rebuilt
    if differences:
        raise RuntimeError(differences[0])
    return {
        "place a player, ms": _place(own),
        "rank of a player, ms": _rank(own),
        "board from PostgreSQL, ms": _read(own),
        "rebuild, s": rebuilt,
        "compare Redis with PostgreSQL, s": verified,
    }


def _count(own: Ground) -> int:
    with own.owner.connect() as connection:
        return int(connection.execute(text("SELECT count(*) FROM standings")).scalar_one())


def _fill(own: Ground, count: int) -> None:
    own.players(count)
    with own.owner.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO standings (board, user_id, score, reached_at, version) SELECT 'global', id, "
                "100 * (1 + id * 7919 % 5000), now() - id * interval '1 ms', 1 FROM users "
                "WHERE id NOT IN (SELECT user_id FROM standings)"
            )
        )
    with own.owner.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE standings"))


def _place(own: Ground) -> float:
    """One player going up and down through the whole board."""
    started = time.perf_counter()
    for number in range(CALLS):
        row = Standing(1, "bench1", 100 * (1 + number * 7919 % 5000), datetime.now(UTC), number + 2)
        place(own.resources, "global", [row])
    return (time.perf_counter() - started) / CALLS * 1000


def _rank(own: Ground) -> float:
    keys = BoardKeys("global")
    with own.owner.connect() as connection:
        rows = connection.execute(
            text("SELECT user_id, reached_at FROM standings ORDER BY user_id DESC LIMIT :n"), {"n": CALLS}
        )
        members = [member(user_id, reached_at) for user_id, reached_at in rows]
    started = time.perf_counter()
    for name in members:
        own.resources.quick.call(("ZREVRANK", keys.standings, name))
    return (time.perf_counter() - started) / CALLS * 1000


def _read(own: Ground) -> float:
    times = []
    for _ in range(100):
        started = time.perf_counter()
        read_board(own.resources, "global", 100)
        times.append(time.perf_counter() - started)
    return statistics.median(times) * 1000
