"""Who is to be analysed, and when. The queue of Celery is a doorbell; who is due stands in PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, TextClause, text

from models.database import autocommit, transaction
from services.redis_client import RedisUnavailableError, translate_outage
from services.resources import Resources

MOST_FAILURES = 5
RING_BATCH = 1_000
"""Players who are asked for at the same time, and so many messages may lie in the queue before no more are added."""
QUEUE = "anticheat"
LEASE_SECONDS = 600
"""After this long an analysis that neither ended nor failed is asked for again, and the message before has expired."""
NIGHTLY_LOCK = 0xFA12B0A3E
ANALYSES = "anticheat:{analyses}"
"""A hash in Redis: analyses by what they came to."""

_DUE = text("""
    INSERT INTO anticheat_states AS s (user_id, due_at)
    SELECT id, now() + make_interval(secs => :window) FROM unnest(CAST(:players AS bigint[])) AS asked (id)
    ON CONFLICT (user_id) DO UPDATE SET due_at = excluded.due_at, rung_at = NULL
        WHERE s.due_at IS NULL AND s.parked_at IS NULL
""")
_RING = text("""
    UPDATE anticheat_states SET rung_at = now() WHERE user_id IN (
        SELECT user_id FROM anticheat_states
        WHERE (due_at <= now() OR due_at > now() + interval '2 hours')
          AND (rung_at IS NULL
               OR rung_at NOT BETWEEN now() - make_interval(secs => :lease) AND now() + interval '1 min')
        ORDER BY due_at LIMIT greatest(0, :batch - (
            SELECT count(*) FROM anticheat_states
            WHERE (due_at <= now() OR due_at > now() + interval '2 hours')
              AND rung_at BETWEEN now() - make_interval(secs => :lease) AND now() + interval '1 min'
        )) FOR UPDATE SKIP LOCKED
    ) RETURNING user_id
""")
"""Nobody is ever due later than in a window, an hour at most; what is was written by a clock that has gone back."""
_BEGIN = text("""
    INSERT INTO anticheat_states AS s (user_id, failures, due_at, rung_at)
    VALUES (:user_id, 1, now() + make_interval(secs => :lease), now())
    ON CONFLICT (user_id) DO UPDATE SET failures = s.failures + 1, due_at = excluded.due_at, rung_at = excluded.rung_at
        WHERE s.parked_at IS NULL
    RETURNING failures
""")
_FAILED = text("""
    UPDATE anticheat_states SET last_error = :error, rung_at = NULL,
        due_at = CASE WHEN failures < :most THEN now() + make_interval(secs => 60 * 2 ^ failures) END,
        parked_at = CASE WHEN failures >= :most THEN now() END
    WHERE user_id = :user_id RETURNING failures
""")
_FINISH = text("""
    UPDATE anticheat_states SET window_id = :window_id, state = :state, seq = :seq, analysed_at = now(), failures = 0,
        last_error = NULL, parked_at = NULL, rung_at = NULL,
        due_at = CASE WHEN (SELECT seq FROM ledger_heads WHERE user_id = :user_id) > :head
                 THEN now() + make_interval(secs => :window) END
    WHERE user_id = :user_id
""")
_NIGHTLY = text("""
    INSERT INTO anticheat_states AS s (user_id, due_at)
    SELECT h.user_id, now() FROM ledger_heads h LEFT JOIN anticheat_states s USING (user_id)
    WHERE h.seq > coalesce(s.seq, 0) AND s.due_at IS NULL AND EXISTS (
        SELECT FROM ledger_entries e
        WHERE e.user_id = h.user_id AND e.kind = 'timed' AND e.seq > coalesce(s.seq, 0)
    ) OR s.parked_at IS NOT NULL
    ON CONFLICT (user_id) DO UPDATE SET due_at = excluded.due_at, rung_at = NULL, parked_at = NULL, failures = 0
""")
_WAITING = text("""
    SELECT count(*) FILTER (WHERE due_at <= now()),
           coalesce(extract(epoch FROM now() - min(due_at) FILTER (WHERE due_at <= now())), 0),
           (SELECT count(*) FROM anticheat_states WHERE parked_at IS NOT NULL)
    FROM anticheat_states WHERE due_at IS NOT NULL
""")
_CASES = text(
    "SELECT severity, count(*), count(*) FILTER (WHERE held) FROM review_cases WHERE status = 'open' GROUP BY 1"
)


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits for the analysis and for analysts."""

    due: int
    oldest_seconds: float
    parked: int
    analyses: Mapping[str, int]
    open_cases: Mapping[str, int]
    held: int


def mark_due(connection: Connection, window_seconds: int, players: Iterable[int]) -> None:
    """These players have done something: they are due when the window since the first of it is over.

    It belongs in the transaction that takes away what told of it, or a failure in between forgets them.
    """
    ordered = sorted(players)
    if ordered:
        connection.execute(_DUE, {"players": ordered, "window": window_seconds})


def take_due(resources: Resources) -> list[int]:
    """Players to ask an analysis for now, those who wait longest first. Each is given once within the lease.

    Nobody is given while many are asked for already, or the queue is full of messages that nobody takes: those that
    have expired lie there too until a worker comes.
    """
    if _queued(resources) >= RING_BATCH:
        return []
    with autocommit(resources.engine) as connection:
        return list(connection.execute(_RING, {"lease": LEASE_SECONDS, "batch": RING_BATCH}).scalars())


def _queued(resources: Resources) -> int:
    """Messages in the analysis's queue."""
    with translate_outage():
        found: Any = resources.broker.llen(QUEUE)
    return int(found)


def ring_everybody(resources: Resources) -> int | None:
    """The nightly pass: whoever has a window that was not taken in is due, and whoever is parked gets another chance.

    Returns how many, or None if somebody else is at it.
    """
    with transaction(resources.engine) as connection:
        if not connection.execute(text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": NIGHTLY_LOCK}).scalar_one():
            return None
        return connection.execute(_NIGHTLY).rowcount


def begin(resources: Resources, user_id: int) -> bool:
    """Count an attempt before it is made, because one that kills its process cannot. Whether there may be one."""
    with autocommit(resources.engine) as connection:
        failures = connection.execute(_BEGIN, {"user_id": user_id, "lease": LEASE_SECONDS}).scalar_one_or_none()
    if failures is not None and failures > MOST_FAILURES:
        failed(resources, user_id, "ended without a word, again and again")
    return failures is not None and failures <= MOST_FAILURES


def failed(resources: Resources, user_id: int, error: str) -> int:
    """Try again later, or park the player. Returns how many attempts have failed."""
    parameters = {"user_id": user_id, "error": error[:500], "most": MOST_FAILURES}
    with autocommit(resources.engine) as connection:
        return int(connection.execute(_FAILED, parameters).scalar_one())


def finish(connection: Connection, window_seconds: int, **taken: Any) -> None:
    """Keep a state: `user_id`, `window_id`, `state`, `seq`, and `head`, the last entry that was looked at."""
    connection.execute(_FINISH, {"window": window_seconds, **taken})


def count(resources: Resources, outcome: str) -> None:
    """Count an analysis by what it came to. Without Redis it is not counted."""
    with suppress(RedisUnavailableError), translate_outage():
        resources.redis.hincrby(ANALYSES, outcome, 1)


def backlog(resources: Resources) -> Backlog:
    """What `/metrics` tells. Raises DatabaseUnavailableError."""
    with autocommit(resources.engine) as connection:
        due, oldest, parked = connection.execute(_WAITING).one()
        cases = _rows(connection, _CASES)
    analyses: dict[str, int] = {}
    with suppress(RedisUnavailableError), translate_outage():
        found: Any = resources.redis.hgetall(ANALYSES)
        analyses = {name.decode(): int(number) for name, number in found.items()}
    open_cases = {severity: number for severity, number, _ in cases}
    return Backlog(due, float(oldest), parked, analyses, open_cases, sum(held for *_, held in cases))


def _rows(connection: Connection, statement: TextClause) -> list[Any]:
    return list(connection.execute(statement))
