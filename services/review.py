"""Review: cases with their evidence, and what an analyst decides about them."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, text

from models.database import DatabaseUnavailableError, autocommit, transaction
from services import sessions
from services.errors import Forbidden, NotFound, ServiceUnavailable
from services.leaderboard.board import place
from services.leaderboard.standings import of_players
from services.redis_client import RedisUnavailableError
from services.resources import Resources
from services.sessions import Player

Verdict = Literal["clear", "confirm"]
PAGE = 50
CASE_STATUS: dict[Verdict, str] = {"clear": "cleared", "confirm": "confirmed"}
_SET_ACCOUNT_STATUS = text("""
    UPDATE users SET status = CASE
        WHEN EXISTS (SELECT FROM review_cases WHERE user_id = :id AND status = 'confirmed') THEN 'suspended'
        WHEN EXISTS (SELECT FROM review_cases WHERE user_id = :id AND status = 'open') THEN 'flagged'
        ELSE 'active' END
    WHERE id = :id RETURNING status
""")
"""All of a player's cases together say what becomes of the account."""

_CASES = """
    SELECT c.id, c.user_id, u.username, c.status, c.opened_at, u.status AS account_status,
           (SELECT count(*) FROM evidence e WHERE e.case_id = c.id) AS reasons,
           (SELECT array_agg(DISTINCT e.rule ORDER BY e.rule) FROM evidence e WHERE e.case_id = c.id) AS rules
    FROM review_cases c JOIN users u ON u.id = c.user_id
"""
_LIST = text(_CASES + "WHERE c.status = :status AND c.id < :before ORDER BY c.id DESC LIMIT :limit")
_ONE = text(_CASES + "WHERE c.id = :id")
_EVIDENCE = text(
    "SELECT rule, reason, value, threshold, entries, details, created_at FROM evidence WHERE case_id = :id ORDER BY id"
)
_DECISIONS = text(
    "SELECT d.decision, d.note, d.created_at, u.username AS decided_by FROM decisions d "
    "JOIN users u ON u.id = d.decided_by WHERE d.case_id = :id ORDER BY d.id"
)
_OPEN_ENDS = text("""
    WITH RECURSIVE chain AS (
        SELECT named.id AS root, l.id, l.board, l.action_type, l.points FROM evidence e
        CROSS JOIN unnest(e.entries) AS named(id) JOIN ledger_entries l ON l.id = named.id AND l.user_id = e.user_id
        WHERE e.case_id = :id
        UNION
        SELECT chain.root, r.id, r.board, r.action_type, r.points FROM chain
        JOIN ledger_entries r ON r.reverses = chain.id
    )
    SELECT DISTINCT id, board, action_type, points FROM chain
    WHERE sign(points) = :sign AND NOT EXISTS (SELECT FROM ledger_entries r WHERE r.reverses = chain.id)
      AND (:sign > 0 OR NOT EXISTS (
          SELECT FROM evidence other JOIN review_cases c ON c.id = other.case_id
          WHERE c.status = 'confirmed' AND c.id <> :id AND chain.root = ANY (other.entries)))
    ORDER BY id
""")
"""The ends of the chains entry, reversal, reversal of the reversal ... of what is named: +1 counts, -1 is void.

What another confirmed case names stays void."""
_REVERSE = text("""
    SELECT entry_id
    FROM append_entry(:user_id, :board, :action_type, 'reversal', :points, NULL, :reverses, NULL, NULL, NULL)
""")


@dataclass(frozen=True)
class Case:
    """A case as it is listed."""

    id: int
    user_id: int
    username: str
    status: str
    opened_at: datetime
    account_status: str
    reasons: int
    rules: Sequence[str] | None


@dataclass(frozen=True)
class Reason:
    """One piece of evidence."""

    rule: str
    reason: str
    value: float | None
    threshold: float | None
    entries: Sequence[int]
    details: dict[str, Any]
    created_at: datetime


@dataclass(frozen=True)
class DecisionMade:
    """One line of a case's audit."""

    decision: str
    note: str
    created_at: datetime
    decided_by: str


@dataclass(frozen=True)
class CaseFile:
    """A case with everything known of it."""

    case: Case
    evidence: list[Reason]
    decisions: list[DecisionMade]


@dataclass(frozen=True)
class Decided:
    """What a decision changed. `boards` are those whose top 10 may have moved."""

    case_id: int
    status: str
    reversed_entries: int
    boards: set[str]


def list_cases(
    resources: Resources, *, status: str, before: int | None, limit: int = PAGE
) -> tuple[list[Case], int | None]:
    """A page of cases, newest first, and the cursor of the next page. Raises ServiceUnavailable."""
    parameters = {"status": status, "before": before or 2**62, "limit": limit + 1}
    try:
        with autocommit(resources.engine) as connection:
            cases = [Case(*row) for row in connection.execute(_LIST, parameters)]
    except DatabaseUnavailableError as error:
        raise ServiceUnavailable from error
    return cases[:limit], cases[limit - 1].id if len(cases) > limit else None


def get_case(resources: Resources, case_id: int) -> CaseFile:
    """A case with its evidence and audit. Raises NotFound or ServiceUnavailable."""
    try:
        with autocommit(resources.engine) as connection:
            row = connection.execute(_ONE, {"id": case_id}).one_or_none()
            if row is None:
                raise NotFound("There is no such case.")
            evidence = [Reason(*r) for r in connection.execute(_EVIDENCE, {"id": case_id})]
            decisions = [DecisionMade(*d) for d in connection.execute(_DECISIONS, {"id": case_id})]
    except DatabaseUnavailableError as error:
        raise ServiceUnavailable from error
    return CaseFile(Case(*row), evidence, decisions)


def decide(resources: Resources, analyst: Player, case_id: int, verdict: Verdict, note: str) -> Decided:
    """Decide a case. Confirm suspends the player and reverses the entries named by the evidence; clear undoes both.

    A case can be decided again, the other way: that is the undo. Raises NotFound, Forbidden for one's own case, or
    ServiceUnavailable.
    """
    try:
        with transaction(resources.engine) as connection:
            user_id, username, role = _lock_case(connection, case_id)
            if user_id == analyst.user_id:
                raise Forbidden("Somebody else has to decide about you.")
            account = _record(connection, case_id, user_id, analyst, verdict, note)
            changed = _reverse(connection, case_id, user_id, verdict)
            hidden = {"id": user_id, "hidden": account == "suspended"}
            connection.execute(text("SELECT set_hidden(:id, :hidden)"), hidden)
        boards = _apply(resources, user_id, sessions.cache_value(account, role, username))
    except DatabaseUnavailableError as error:
        raise ServiceUnavailable("The decision may or may not have been made; look at the case again.") from error
    return Decided(case_id, CASE_STATUS[verdict], changed, boards)


def _lock_case(connection: Connection, case_id: int) -> tuple[int, str, str]:
    """The case's player. Locks the player's head, so that completions on their way end first or wait."""
    query = text(
        "SELECT c.user_id, u.username, u.role FROM review_cases c JOIN users u ON u.id = c.user_id WHERE c.id = :id"
    )
    row = connection.execute(query, {"id": case_id}).one_or_none()
    if row is None:
        raise NotFound("There is no such case.")
    connection.execute(text("SELECT FROM ledger_heads WHERE user_id = :id FOR UPDATE"), {"id": row.user_id})
    return row.user_id, row.username, row.role


def _record(connection: Connection, case_id: int, user_id: int, analyst: Player, verdict: Verdict, note: str) -> str:
    """Write the audit, and what the decision makes of the case. Returns what becomes of the account."""
    connection.execute(
        text("INSERT INTO decisions (case_id, decided_by, decision, note) VALUES (:case_id, :by, :decision, :note)"),
        {"case_id": case_id, "by": analyst.user_id, "decision": verdict, "note": note},
    )
    connection.execute(
        text("UPDATE review_cases SET status = :status WHERE id = :id"), {"status": CASE_STATUS[verdict], "id": case_id}
    )
    return str(connection.execute(_SET_ACCOUNT_STATUS, {"id": user_id}).scalar_one())


def _reverse(connection: Connection, case_id: int, user_id: int, verdict: Verdict) -> int:
    """Take back what the evidence names, or give it back. Each entry is reversed at most once, by constraint."""
    rows = connection.execute(_OPEN_ENDS, {"id": case_id, "sign": 1 if verdict == "confirm" else -1}).all()
    for entry_id, board, action_type, points in rows:
        connection.execute(
            _REVERSE,
            {
                "user_id": user_id,
                "board": board,
                "action_type": action_type,
                "points": -points,
                "reverses": entry_id,
            },
        )
    return len(rows)


def _apply(resources: Resources, user_id: int, value: str) -> set[str]:
    """Tell Redis what PostgreSQL has decided already. If it is away, the outbox and the session check follow up."""
    with autocommit(resources.engine) as connection:
        boards = (
            connection.execute(text("SELECT board FROM standings WHERE user_id = :id"), {"id": user_id}).scalars().all()
        )
        open_sessions: list[uuid.UUID] = list(
            connection.execute(
                text("SELECT id FROM sessions WHERE user_id = :id AND revoked_at IS NULL AND expires_at > now()"),
                {"id": user_id},
            ).scalars()
        )
        standings = {board: of_players(connection, board, [user_id]) for board in boards}
    try:
        sessions.refresh_cache(resources, user_id, open_sessions, value)
        return {board for board, rows in standings.items() if place(resources, board, rows).ring}
    except RedisUnavailableError:
        return set()
