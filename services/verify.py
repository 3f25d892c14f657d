"""Verifying what must be true: the ledger's hashes, standings as the fold of the ledger, Redis equal to PostgreSQL.

The hashes are computed here, apart from the function in PostgreSQL that wrote them.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, text

from models.database import autocommit, snapshot
from services.leaderboard.board import Standing, script_arguments
from services.leaderboard.keys import BoardKeys, microseconds
from services.leaderboard.standings import all_of, of_players
from services.redis_client import translate_outage
from services.resources import Resources

GENESIS = bytes(32)
CHUNK = 2_000
SETTLE_SECONDS = 5.0
Progress = Callable[[str, int, int], None]
"""Called with the step, what is done and how much there is."""

_ENTRIES = text("""
    SELECT user_id, seq, board, action_type, kind, points, token_hash, reverses, claimed_ms, elapsed_ms, data::text,
           created_at, previous_hash, hash, id
    FROM ledger_entries ORDER BY user_id, seq
""")
_BROKEN_HEADS = text("""
    SELECT u.id FROM users u LEFT JOIN ledger_heads h ON h.user_id = u.id
    LEFT JOIN LATERAL (
        SELECT seq, hash FROM ledger_entries e WHERE e.user_id = u.id ORDER BY seq DESC LIMIT 1
    ) last ON true
    WHERE h.user_id IS NULL OR h.seq <> coalesce(last.seq, 0) OR h.hash <> coalesce(last.hash, :genesis)
""")
_IMPOSSIBLE = text("""
    SELECT e.user_id, e.seq, e.id FROM ledger_entries e LEFT JOIN ledger_entries r ON r.id = e.reverses
    WHERE CASE e.kind
        WHEN 'timed' THEN octet_length(e.token_hash) = 32 AND e.claimed_ms <= e.elapsed_ms AND e.points > 0
        WHEN 'once' THEN e.token_hash IS NULL AND e.data IS NOT NULL AND e.points > 0
        ELSE e.token_hash IS NULL AND r.user_id = e.user_id AND r.board = e.board AND r.points = -e.points
    END IS NOT TRUE
""")
_WRONGLY_SHOWN = text("""
    SELECT s.board, u.id, u.status, s.hidden, c.held IS NOT NULL FROM standings s JOIN users u ON u.id = s.user_id
    LEFT JOIN review_cases c ON c.user_id = u.id AND c.status = 'open' AND c.held
    WHERE s.hidden <> (u.status = 'suspended' OR c.held IS NOT NULL)
""")
# A score is reached by the last entry of the chain, which is not always the latest: clocks go back.
_FOLD = text("""
    WITH fold AS (
        SELECT board, user_id, sum(points) AS score, max(seq) AS seq FROM ledger_entries GROUP BY board, user_id
    ), reached AS (
        SELECT fold.*, l.created_at AS reached_at FROM fold JOIN ledger_entries l USING (user_id, seq)
    )
    SELECT coalesce(f.board, s.board), coalesce(f.user_id, s.user_id), f.score, s.score
    FROM reached f FULL JOIN standings s USING (board, user_id)
    WHERE f.score IS DISTINCT FROM s.score OR f.reached_at IS DISTINCT FROM s.reached_at
""")


def verify(resources: Resources, board: str, progress: Progress = lambda step, done, total: None) -> Iterator[str]:
    """Yield one line per difference; none means that all is well. Works while serving."""
    with snapshot(resources.engine) as connection:
        yield from ledger_differences(connection, progress)
        yield from fold_differences(connection)
    yield from redis_differences(resources, board, progress)


def entry_hash(previous: bytes, entry: Any) -> bytes:
    """SHA-256 over the previous entry's hash and this entry's fields, joined by `|`, an absent one being empty."""
    fields = (
        *entry[:6],
        entry.token_hash.hex() if entry.token_hash is not None else None,
        *entry[7:11],
        microseconds(entry.created_at),
    )
    return hashlib.sha256(previous + "|".join("" if f is None else str(f) for f in fields).encode()).digest()


def ledger_differences(connection: Connection, progress: Progress) -> Iterator[str]:
    """Entries that were changed, removed or put in between."""
    total = connection.execute(text("SELECT count(*) FROM ledger_entries")).scalar_one()
    user_id, seq, previous = None, 0, GENESIS
    for done, entry in enumerate(connection.execution_options(yield_per=CHUNK).execute(_ENTRIES), start=1):
        if entry.user_id != user_id:
            user_id, seq, previous = entry.user_id, 0, GENESIS
        seq += 1
        if entry.seq != seq:
            yield f"ledger: user {user_id}: entry {seq} is missing"
        elif bytes(entry.previous_hash) != previous or bytes(entry.hash) != entry_hash(previous, entry):
            yield f"ledger: user {user_id}: entry {seq} (id {entry.id}) was changed"
        seq, previous = entry.seq, bytes(entry.hash)
        if done % CHUNK == 0 or done == total:
            progress("ledger", done, total)
    for (lost,) in connection.execute(_BROKEN_HEADS, {"genesis": GENESIS}):
        yield f"ledger: user {lost}: the chain does not end where its head says"
    for owner, number, entry_id in connection.execute(_IMPOSSIBLE):
        yield f"ledger: user {owner}: entry {number} (id {entry_id}) is none that the server would write"


def fold_differences(connection: Connection) -> Iterator[str]:
    """Standings that are not the sum of their entries."""
    for board, user_id, ledger, standing in connection.execute(_FOLD):
        yield f"standings: {board}: user {user_id}: the ledger says {ledger}, the standing says {standing}"
    for board, user_id, status, hidden, held in connection.execute(_WRONGLY_SHOWN):
        how = f"{status} and held" if held else status
        yield f"standings: {board}: user {user_id} is {how}, but {'hidden' if hidden else 'shown'}"


def redis_differences(resources: Resources, board: str, progress: Progress) -> Iterator[str]:
    """Players whose place in Redis is not the one in PostgreSQL.

    Completions go on meanwhile, so what differs is looked at once more, after the outbox had time to follow.
    """
    keys, suspects, total = BoardKeys(board), [], 0
    with snapshot(resources.engine) as connection:
        players = connection.execute(
            text("SELECT count(*) FROM standings WHERE board = :board"), {"board": board}
        ).scalar_one()
        for chunk in all_of(connection, board, CHUNK):
            total += len(chunk)
            suspects += [
                row.user_id for row, same in zip(chunk, _same(resources, keys, chunk), strict=True) if not same
            ]
            progress("redis", total, players)
    for start in range(0, len(suspects), CHUNK):
        some = suspects[start : start + CHUNK]
        yield from _settled(lambda some=some: _confirm(resources, keys, some))  # type: ignore[misc]
    yield from _settled(lambda: _strangers(resources, keys))


def _settled(differences: Callable[[], list[str]]) -> list[str]:
    """What still differs once the completions that were on their way have had time to arrive."""
    give_up = time.monotonic() + SETTLE_SECONDS
    while (found := differences()) and time.monotonic() < give_up:
        time.sleep(0.2)
    return found


def _confirm(resources: Resources, keys: BoardKeys, suspects: Sequence[int]) -> list[str]:
    with autocommit(resources.engine) as connection:
        rows = of_players(connection, keys.board, suspects)
    return [
        f"redis: {keys.board}: user {row.user_id}: PostgreSQL says score {row.score}, version {row.version}"
        for row, same in zip(rows, _same(resources, keys, rows), strict=True)
        if not same
    ]


def _same(resources: Resources, keys: BoardKeys, rows: Sequence[Standing]) -> list[bool]:
    """For each standing, whether Redis has just this version in just this place."""
    arguments = script_arguments(rows)
    with translate_outage():
        pipeline = resources.redis.pipeline(transaction=False)
        pipeline.hmget(keys.players, [str(row.user_id) for row in rows])
        pipeline.zmscore(keys.standings, [str(arguments[i + 3]) or "-" for i in range(0, len(arguments), 5)])
        known, scores = pipeline.execute()
    return [
        known[i] == f"{row.version}|{arguments[i * 5 + 3]}|{arguments[i * 5 + 4]}".encode()
        and scores[i] == (row.score if row.ranked else None)
        for i, row in enumerate(rows)
    ]


def _strangers(resources: Resources, keys: BoardKeys) -> list[str]:
    """Whether Redis ranks more or fewer players than PostgreSQL: members that belong to nobody."""
    query = text("SELECT count(*) FROM standings WHERE board = :board AND score > 0 AND NOT hidden")
    with autocommit(resources.engine) as connection:
        ranked = connection.execute(query, {"board": keys.board}).scalar_one()
    with translate_outage():
        extra = resources.redis.zcard(keys.standings) - ranked
    return [f"redis: {keys.board}: {extra:+d} players on the board compared with PostgreSQL"] if extra else []
