"""Who else may be behind an account: accounts seen from the same address or with the same rare browser."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, text

MOST = 64
"""What more players share says nothing: a school, a provider, a common browser. Of a player's own the newest count."""
LEAST_ENTRIES = 12
"""Ledger entries of an account that plays. Others can be had for nothing: they hide nobody, and are shown among few."""
LOOKED_AT = 20_000
"""Sessions of one address or browser, which an index finds. Where there are more, so many are looked at."""

_LINKS = text("""
    WITH own AS (SELECT address, user_agent, created_at FROM sessions WHERE user_id = :user_id),
    addresses AS (
        SELECT address AS mark FROM own WHERE address <> '' GROUP BY 1 ORDER BY max(created_at) DESC LIMIT :most
    ), agents AS (
        SELECT user_agent AS mark FROM own WHERE user_agent <> '' GROUP BY 1 ORDER BY max(created_at) DESC LIMIT :most
    ),
    seen AS (
        SELECT DISTINCT 'address' AS kind, mark, user_id, number < :looked_at AS whole
        FROM addresses CROSS JOIN LATERAL (
            SELECT user_id, count(*) OVER () AS number FROM (
                SELECT user_id FROM sessions
                WHERE address = mark AND address <> '' AND user_id <> :user_id LIMIT :looked_at) AS found
        ) AS others
        UNION SELECT 'agent', mark, user_id, number < :looked_at FROM agents CROSS JOIN LATERAL (
            SELECT user_id, count(*) OVER () AS number FROM (
                SELECT user_id FROM sessions
                WHERE user_agent = mark AND user_agent <> '' AND user_id <> :user_id LIMIT :looked_at) AS found
        ) AS others
    ), known AS (
        SELECT kind, mark, user_id, whole, coalesce(h.seq, 0) >= :least AS plays
        FROM seen LEFT JOIN ledger_heads h USING (user_id)
    ), telling AS (
        SELECT kind, user_id, plays FROM (
            SELECT *, count(*) OVER sharing AS accounts, count(*) FILTER (WHERE plays) OVER sharing AS players
            FROM known WINDOW sharing AS (PARTITION BY kind, mark)) AS counted
        WHERE players < :most AND (plays OR whole AND accounts < :most)
    )
    SELECT u.id, u.username, u.status, array_agg(DISTINCT t.kind ORDER BY t.kind),
           (SELECT max(c.id) FROM review_cases c WHERE c.user_id = u.id)
    FROM telling t JOIN users u ON u.id = t.user_id GROUP BY u.id
    ORDER BY bool_or(t.plays) DESC, count(DISTINCT t.kind) DESC, u.id LIMIT :most
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
    """The accounts linked to a player, those that play first. Never says which address or browser it is."""
    parameters = {"user_id": user_id, "most": MOST, "least": LEAST_ENTRIES, "looked_at": LOOKED_AT}
    return [Link(*row) for row in connection.execute(_LINKS, parameters)]
