"""Refused calls, for the analysis: kept in Redis by whoever refuses, taken to PostgreSQL by a worker.

Bounded against floods: so many of one player an hour, so many in all while no worker comes. Those that tell of a cheat
are counted apart, so that no flood of others keeps them out.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any, NamedTuple

from sqlalchemy import text

from models.database import DatabaseUnavailableError, transaction
from services.anticheat import schedule
from services.purging import remove_in_batches
from services.redis_client import RedisUnavailableError, translate_outage
from services.resources import Resources

LIST = "anticheat:{refusals}"
MOST_WAITING = 20_000
MOST_OF_ONE = 300
"""Of one player within an hour: of those that tell, and of the others."""
TELLING = frozenset({"SUSPICIOUS_ACTIVITY", "ACTION_TOKEN_INVALID"})
"""Codes that an honest client does not earn. One that lost an answer retries: TOKEN_ALREADY_USED is none of them."""
KEPT_DAYS = 30
BATCH = 1_000

_INSERT = text("""
    INSERT INTO refusals (user_id, code, at)
    SELECT u.id, r.code, to_timestamp(r.at) FROM unnest(CAST(:users AS bigint[]), CAST(:codes AS text[]),
                                                        CAST(:times AS float8[]))
        WITH ORDINALITY AS r (user_id, code, at, place)
    JOIN users u ON u.id = r.user_id ORDER BY place
    RETURNING user_id
""")
_PURGE = text("""
    DELETE FROM refusals WHERE id IN (
        SELECT id FROM refusals WHERE recorded_at < now() - make_interval(days => :days) LIMIT :batch
        FOR UPDATE SKIP LOCKED
    )
""")


class _Refusal(NamedTuple):
    user_id: int
    code: str
    at: float


def note(resources: Resources, user_id: int, code: str) -> None:
    """Keep a refusal. One round trip, on the path of errors only; while Redis is away nothing is kept."""
    with suppress(RedisUnavailableError):
        keys = (LIST, f"{LIST}:{'telling' if code in TELLING else 'of'}:{user_id}")
        resources.note_refusal_script(keys, (user_id, code, MOST_WAITING, MOST_OF_ONE))


def drain(resources: Resources) -> int:
    """Take all that wait to PostgreSQL; their players will be due. Returns how many were taken.

    Raises RedisUnavailableError, DatabaseUnavailableError.
    """
    taken = 0
    while True:
        with translate_outage():
            found: Any = resources.redis.lpop(LIST, BATCH)
        lines: list[bytes] = found or []
        if lines:
            _insert(resources, lines)
        taken += len(lines)
        if len(lines) < BATCH:
            return taken


def purge(resources: Resources) -> int:
    """Remove what is older than it is needed, as much as there is time for. Returns how many."""
    return remove_in_batches(resources, _PURGE, BATCH, days=KEPT_DAYS)


def _insert(resources: Resources, lines: list[bytes]) -> None:
    rows = [_parsed(line) for line in lines]
    columns = {
        "users": [row.user_id for row in rows],
        "codes": [row.code for row in rows],
        "times": [row.at for row in rows],
    }
    try:
        with transaction(resources.engine) as connection:
            players = set(connection.execute(_INSERT, columns).scalars())
            schedule.mark_due(connection, resources.settings.analysis_window, players)
    except DatabaseUnavailableError:
        with suppress(RedisUnavailableError), translate_outage():
            resources.redis.lpush(LIST, *reversed(lines))
        raise


def _parsed(line: bytes) -> _Refusal:
    user_id, code, micros = line.decode().split(" ")
    return _Refusal(int(user_id), code, int(micros) / 1_000_000)
