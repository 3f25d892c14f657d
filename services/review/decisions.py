"""Deciding a case.

All that a decision does to PostgreSQL is one transaction under the lock on the player's chain. Completions, voids and
other decisions about the player wait for it.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import Connection, text

from models.database import DatabaseUnavailableError, autocommit, transaction
from services import reversals, sessions
from services.errors import AccountSuspended, CaseChanged, Forbidden, InvalidToken, NotFound, ServiceUnavailable
from services.leaderboard.board import place
from services.leaderboard.standings import of_players
from services.redis_client import RedisUnavailableError
from services.resources import Resources
from services.review import takings
from services.review.takings import Scope
from services.sessions import Player

Verdict = Literal["clear", "confirm"]
CASE_STATUS: dict[Verdict, str] = {"clear": "cleared", "confirm": "confirmed"}

_FIND = text("SELECT user_id FROM review_cases WHERE id = :id")
_DECIDER = text("""
    SELECT u.role, u.status FROM sessions s JOIN users u ON u.id = s.user_id
    WHERE s.id = :session_id AND u.id = :user_id AND s.revoked_at IS NULL AND s.expires_at > now()
""")
# Whoever adds evidence takes this lock first, so none comes between the version and the decision.
_LOCK_CASE = text("SELECT FROM review_cases WHERE id = :id FOR UPDATE")
_READ = text("""
    SELECT c.user_id, u.role, (SELECT count(*) FROM decisions d WHERE d.case_id = c.id)
           + (SELECT count(*) FROM evidence e WHERE e.case_id = c.id AND e.details ? 'eValue') AS version
    FROM review_cases c JOIN users u ON u.id = c.user_id WHERE c.id = :id
""")
_RECORD = text("""
    INSERT INTO decisions (case_id, decided_by, decision, note, scope, entries)
    VALUES (:case_id, :by, :decision, :note, CAST(:scope AS jsonb), :entries)
""")
_CLOSE = text("UPDATE review_cases SET status = :status, held = false, updated_at = clock_timestamp() WHERE id = :id")
_SET_ACCOUNT_STATUS = text("""
    UPDATE users SET status = CASE
        WHEN EXISTS (SELECT FROM review_cases WHERE user_id = :id AND status = 'confirmed') THEN 'suspended'
        WHEN EXISTS (SELECT FROM review_cases c JOIN evidence e ON e.case_id = c.id
                     WHERE c.user_id = :id AND c.status = 'open' AND NOT e.details ? 'eValue') THEN 'flagged'
        ELSE 'active' END
    WHERE id = :id
""")
"""All of a player's cases together say what becomes of the account.

`flagged` is what a refusal at the door has told the player; what the analysis found, which has an e-value, is not told.
"""
_SET_HIDDEN = text("SELECT set_hidden(id, status = 'suspended' OR is_held(id)) FROM users WHERE id = :id")
_ACCOUNT = text("SELECT status, role, username FROM users WHERE id = :id")
_SESSIONS = text(
    "SELECT id, expires_at FROM sessions WHERE user_id = :id AND revoked_at IS NULL AND expires_at > now()"
)
_BOARDS = text("SELECT board FROM standings WHERE user_id = :id")


@dataclass(frozen=True)
class Decided:
    """What a decision changed. `boards` are those whose top 10 may have moved."""

    case_id: int
    status: str
    reversed_entries: int
    boards: set[str]


def decide(
    resources: Resources,
    analyst: Player,
    case_id: int,
    verdict: Verdict,
    note: str,
    scope: Scope = "evidence",
    expected: int | None = None,
) -> Decided:
    """Decide a case. Confirm suspends the player and takes the completions in scope; clear gives back what it took.

    A case can be decided again, another way or in another scope: that is the undo. `expected` is the version of the
    case that the analyst saw; without it the last decision counts. Raises NotFound, Forbidden for whom the analyst may
    not decide about, CaseChanged, or ServiceUnavailable.
    """
    try:
        with transaction(resources.engine) as connection:
            user_id = _lock(connection, analyst, case_id, expected)
            entries = takings.named(connection, user_id, case_id, scope) if verdict == "confirm" else []
            _record(connection, analyst, case_id, verdict, note, scope, entries)
            wrong = takings.differences(connection, user_id, case_id, entries)
            data = {"case": case_id, "by": analyst.username, "note": note}
            changed = reversals.reverse(connection, user_id, [item.entry for item in wrong], data)
            connection.execute(_SET_ACCOUNT_STATUS, {"id": user_id})
            connection.execute(_SET_HIDDEN, {"id": user_id})
        boards = _tell(resources, user_id)
    except DatabaseUnavailableError as error:
        raise ServiceUnavailable("The decision may or may not have been made; look at the case again.") from error
    return Decided(case_id, CASE_STATUS[verdict], changed, boards)


def _lock(connection: Connection, analyst: Player, case_id: int, expected: int | None) -> int:
    """The case's player, whose chain is locked: completions and decisions on their way end first, or wait."""
    user_id = connection.execute(_FIND, {"id": case_id}).scalar_one_or_none()
    if user_id is None:
        raise NotFound("There is no such case.")
    reversals.lock(connection, user_id)
    _check_decider(connection, analyst)
    connection.execute(_LOCK_CASE, {"id": case_id})
    case = connection.execute(_READ, {"id": case_id}).one()
    check_may_decide(analyst, case.user_id, case.role)
    if expected is not None and expected != case.version:
        raise CaseChanged
    return int(user_id)


def _check_decider(connection: Connection, analyst: Player) -> None:
    """Ask PostgreSQL whether the analyst still is one: the cache may believe it for minutes after its end.

    Raises InvalidToken, AccountSuspended or Forbidden.
    """
    row = connection.execute(_DECIDER, {"session_id": analyst.session_id, "user_id": analyst.user_id}).one_or_none()
    if row is None:
        raise InvalidToken
    if row.status == "suspended":
        raise AccountSuspended
    if row.role != analyst.role:
        raise Forbidden("Your role has changed; log in again.")


def check_may_decide(analyst: Player, user_id: int, role: str) -> None:
    """Raises Forbidden: nobody judges themselves, and only admins judge colleagues."""
    if user_id == analyst.user_id:
        raise Forbidden("Somebody else has to decide about you.")
    if role != "player" and analyst.role != "admin":
        raise Forbidden("Only an admin decides about an analyst or an admin.")


def _record(
    connection: Connection,
    analyst: Player,
    case_id: int,
    verdict: Verdict,
    note: str,
    scope: Scope,
    entries: Sequence[int],
) -> None:
    """Write the audit, and what the decision makes of the case."""
    asked = {"reverse": takings.scope_as_json(scope)} if verdict == "confirm" else {}
    audit = {"case_id": case_id, "by": analyst.user_id, "decision": verdict, "note": note, "entries": list(entries)}
    connection.execute(_RECORD, audit | {"scope": json.dumps(asked)})
    connection.execute(_CLOSE, {"status": CASE_STATUS[verdict], "id": case_id})


def _tell(resources: Resources, user_id: int) -> set[str]:
    """Tell Redis what PostgreSQL has decided. If it is away, the outbox and the session check follow up."""
    try:
        _tell_sessions(resources, user_id)
        with autocommit(resources.engine) as connection:
            boards = connection.execute(_BOARDS, {"id": user_id}).scalars().all()
            standings = {board: of_players(connection, board, [user_id]) for board in boards}
        return {board for board, rows in standings.items() if place(resources, board, rows).ring}
    except RedisUnavailableError:
        return set()


def _tell_sessions(resources: Resources, user_id: int) -> None:
    """Overwrite what the cache says of the player.

    Another decision may be told at the same moment. Whoever writes last looks once more, and so leaves the truth.
    """
    told = None
    while (now := _account(resources, user_id)) != told:
        value, open_sessions = told = now
        sessions.refresh_cache(resources, user_id, open_sessions, value)


def _account(resources: Resources, user_id: int) -> tuple[str, dict[uuid.UUID, datetime]]:
    """What the cache is to say, of which sessions, and when these end."""
    with autocommit(resources.engine) as connection:
        value = sessions.cache_value(*connection.execute(_ACCOUNT, {"id": user_id}).one())
        return value, {row.id: row.expires_at for row in connection.execute(_SESSIONS, {"id": user_id})}
