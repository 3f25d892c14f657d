"""What mends the rest: the outbox for what a crash left between commit and Redis, the sweep for what Redis lost,

and the purge of what nobody needs any more. All of it is harmless when it runs twice, at once or late.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from sqlalchemy import text

from models.database import autocommit, transaction
from services.anticheat import schedule
from services.leaderboard.board import place
from services.leaderboard.rebuild import is_current, is_put_off, rebuild
from services.leaderboard.standings import of_players
from services.purging import remove_in_batches
from services.resources import Resources

log = logging.getLogger(__name__)

DRAIN_BATCH = 500
PURGE_BATCH = 1_000
SWEEP_LOCK = 0xFA12B0A2E

_TAKE = text("""
    DELETE FROM outbox WHERE id IN (
        SELECT id FROM outbox ORDER BY id LIMIT :batch FOR UPDATE SKIP LOCKED
    ) RETURNING board, user_id
""")
_PURGE_TOKENS = text("""
    DELETE FROM action_tokens WHERE hash IN (
        SELECT hash FROM action_tokens WHERE expires_at < now() - interval '1 day' LIMIT :batch FOR UPDATE SKIP LOCKED
    )
""")
_PURGE_SESSIONS = text("""
    DELETE FROM sessions WHERE id IN (
        SELECT id FROM sessions WHERE expires_at < now() - interval '1 day' LIMIT :batch FOR UPDATE SKIP LOCKED
    )
""")


@dataclass(frozen=True)
class Purged:
    """Rows removed."""

    tokens: int
    sessions: int


def drain_outbox(resources: Resources) -> int:
    """Place everyone who is in the outbox, and let them be analysed. Returns the rows that were drained.

    The rows go in the transaction that places them, so a failure leaves them for the next time. They are taken by
    "there is one", never by a cursor on ids, because ids commit out of order.
    """
    drained = 0
    while True:
        with transaction(resources.engine) as connection:
            rows = connection.execute(_TAKE, {"batch": DRAIN_BATCH}).all()
            for board in {board for board, _ in rows}:
                users = sorted({user_id for name, user_id in rows if name == board})
                place(resources, board, of_players(connection, board, users))
            schedule.mark_due(connection, resources.settings.analysis_window, {user_id for _, user_id in rows})
        drained += len(rows)
        if len(rows) < DRAIN_BATCH:
            return drained


def sweep(resources: Resources, board: str) -> int | None:
    """Rebuild the board if Redis has lost it, unless the last rebuild did not fit into it a moment ago.

    Returns the players loaded, or None if nothing was done.
    """
    if is_current(resources, board) or is_put_off(resources, board):
        return None
    with transaction(resources.engine) as connection:
        if not connection.execute(text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": SWEEP_LOCK}).scalar_one():
            log.warning("the board %s is not complete, and another worker is at rebuilding it", board)
            return None
        return rebuild(resources, board)


def purge(resources: Resources) -> Purged:
    """Remove tokens and sessions a day after they expired, as many as there is time for."""
    return Purged(
        remove_in_batches(resources, _PURGE_TOKENS, PURGE_BATCH),
        remove_in_batches(resources, _PURGE_SESSIONS, PURGE_BATCH),
    )


def outbox_backlog(resources: Resources) -> tuple[int, float]:
    """Rows in the outbox, and the age of the oldest in seconds."""
    query = text("SELECT count(*), coalesce(extract(epoch FROM now() - min(created_at)), 0) FROM outbox")
    with autocommit(resources.engine) as connection:
        rows, age = connection.execute(query).one()
    return int(rows), float(age)
