"""Who else may be behind an account: accounts seen from the same address or with the same rare browser."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, text

MOST = 64
"""What more accounts share says nothing: a school, a provider, a common browser. Of a player's own the newest count."""
LOOKED_AT = 2_000
"""Sessions of one address or browser, which an index finds. What has more says nothing either."""

_LINKS = text("""
    WITH own AS (SELECT address, user_agent, created_at FROM sessions WHERE user_id = :user_id),
    addresses AS (
        SELECT address AS mark FROM own WHERE address <> '' GROUP BY 1 ORDER BY max(created_at) DESC LIMIT :most
    ), agents AS (
        SELECT user_agent AS mark FROM own WHERE user_agent <> '' GROUP BY 1 ORDER BY max(created_at) DESC LIMIT :most
    ),
    seen AS (
        SELECT DISTINCT 'address' AS kind, mark, user_id FROM addresses CROSS JOIN LATERAL (
            SELECT user_id, count(*) OVER () AS number FROM (
                SELECT user_id FROM sessions WHERE address = mark AND user_id <> :user_id LIMIT :looked_at) AS found
        ) AS others WHERE number < :looked_at
        UNION SELECT 'agent', mark, user_id FROM agents CROSS JOIN LATERAL (
            SELECT user_id, count(*) OVER () AS number FROM (
                SELECT user_id FROM sessions WHERE user_agent = mark AND user_id <> :user_id LIMIT :looked_at) AS found
        ) AS others WHERE number < :looked_at
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
    parameters = {"user_id": user_id, "most": MOST, "looked_at": LOOKED_AT}
    return [Link(*row) for row in connection.execute(_LINKS, parameters)]
