"""What a decision takes: which completions, and the reversals that make the ledger say so.

The ledger is brought to what all of a player's confirmed cases together name, so deciding twice changes nothing, and
what two cases name comes back with the second of them. A reversal of the review carries `{"case": ...}` in its hashed
data. Only such reversals are ever undone here: what a `fairboard void` took stays taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from sqlalchemy import Connection, text

_NAMED = text("""
    SELECT l.id FROM ledger_entries l
    WHERE l.user_id = :user_id AND l.kind <> 'reversal' AND CASE CAST(:kind AS text)
        WHEN 'all' THEN true
        WHEN 'evidence' THEN l.id IN (SELECT unnest(e.entries) FROM evidence e WHERE e.case_id = :case_id)
        ELSE (CAST(:since AS timestamptz) IS NULL OR l.created_at >= :since)
             AND (CAST(:until AS timestamptz) IS NULL OR l.created_at < :until) END
    ORDER BY l.id
""")
_DIFFERENCES = text("""
    WITH RECURSIVE latest AS (
        SELECT DISTINCT ON (d.case_id) d.case_id, d.scope, d.entries
        FROM decisions d JOIN review_cases c ON c.id = d.case_id
        WHERE c.user_id = :user_id AND c.status = 'confirmed' AND c.id <> :case_id ORDER BY d.case_id, d.id DESC
    ), taken AS (
        SELECT unnest(CAST(:entries AS bigint[])) AS id
        UNION SELECT unnest(entries) FROM latest WHERE scope <> '{}'
        UNION SELECT unnest(e.entries) FROM evidence e JOIN latest l ON l.case_id = e.case_id WHERE l.scope = '{}'
    ), chain AS (
        SELECT l.id AS root, l.id, l.board, l.points, l.data FROM ledger_entries l
        WHERE l.user_id = :user_id AND l.kind <> 'reversal'
        UNION ALL
        SELECT chain.root, r.id, r.board, r.points, r.data FROM chain JOIN ledger_entries r ON r.reverses = chain.id
    )
    SELECT id, board, points FROM chain
    WHERE NOT EXISTS (SELECT FROM ledger_entries r WHERE r.reverses = chain.id)
      AND CASE WHEN root IN (SELECT id FROM taken) THEN points > 0
               ELSE points < 0 AND (data IS NULL OR data ? 'case') END
    ORDER BY id
""")
"""The ends of the chains entry, reversal, reversal of the reversal ... that are not as the confirmed cases want them.

Decisions made before there were scopes have none, and meant the evidence; their reversals have no data.
"""


@dataclass(frozen=True)
class Span:
    """Completions from a moment on and before another; None: without that end."""

    since: datetime | None = None
    until: datetime | None = None


Scope = Literal["evidence", "all"] | Span
"""Which completions are taken: those that the evidence names, all, or those of a time."""


@dataclass(frozen=True)
class Difference:
    """An entry that is to be reversed, because it counts and shall not (points > 0), or the other way round."""

    entry: int
    board: str
    points: int


def scope_as_json(scope: Scope) -> str | dict[str, str]:
    """A scope as clients write it."""
    if not isinstance(scope, Span):
        return scope
    ends = {"since": scope.since, "until": scope.until}
    return {name: at.astimezone(UTC).isoformat().replace("+00:00", "Z") for name, at in ends.items() if at}


def named(connection: Connection, user_id: int, case_id: int, scope: Scope) -> list[int]:
    """The player's completions within a scope."""
    span = scope if isinstance(scope, Span) else Span()
    kind = "span" if isinstance(scope, Span) else scope
    parameters = {"user_id": user_id, "case_id": case_id, "kind": kind, "since": span.since, "until": span.until}
    return list(connection.execute(_NAMED, parameters).scalars())


def differences(connection: Connection, user_id: int, case_id: int, entries: Sequence[int]) -> list[Difference]:
    """What has to be reversed if this case takes these entries, and the player's other cases what they do take."""
    parameters = {"user_id": user_id, "case_id": case_id, "entries": list(entries)}
    return [Difference(*row) for row in connection.execute(_DIFFERENCES, parameters)]
