"""Who else may be behind an account: accounts seen from the same address or with the same rare browser."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, text

MOST = 64
"""What more accounts share says nothing: a school, a provider, a common browser."""

_LINKS = text("""
    WITH marks AS (
        SELECT 'address' AS kind, address AS mark FROM sessions WHERE user_id = :user_id AND address <> ''
        UNION SELECT 'agent', user_agent FROM sessions WHERE user_id = :user_id AND user_agent <> ''
    ), seen AS (
        SELECT DISTINCT m.kind, m.mark, s.user_id FROM marks m JOIN sessions s
            ON CASE m.kind WHEN 'address' THEN s.address ELSE s.user_agent END = m.mark
        WHERE s.user_id <> :user_id
    ), telling AS (
        SELECT kind, user_id FROM (SELECT *, count(*) OVER (PARTITION BY kind, mark) AS sharing FROM seen) AS all_seen
        WHERE sharing < :most
    )
    SELECT u.id, u.username, u.status, array_agg(DISTINCT t.kind ORDER BY t.kind),
           (SELECT max(c.id) FROM review_cases c WHERE c.user_id = u.id)
    FROM telling t JOIN users u ON u.id = t.user_id GROUP BY u.id
    ORDER BY count(DISTINCT t.kind) DESC, u.id LIMIT :most
""")


@dataclass(frozen=True)
class Link:
    """An account that shares something with the player, and its latest case if it ever had one."""

    user_id: int
    username: str
    account_status: str
    shares: Sequence[str]
    """`address`, `agent`, or both."""
    case_id: int | None


def links(connection: Connection, user_id: int) -> list[Link]:
    """The accounts linked to a player, those that share most first. Never says which address or browser it is."""
    return [Link(*row) for row in connection.execute(_LINKS, {"user_id": user_id, "most": MOST})]
