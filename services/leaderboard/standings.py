"""The board as PostgreSQL has it: what everything in Redis is compared with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from sqlalchemy import Connection, text

from services.leaderboard.board import Standing

_TOP = text("""
    SELECT s.user_id, u.username, s.score, s.reached_at, s.version, s.hidden
    FROM standings s JOIN users u ON u.id = s.user_id
    WHERE s.board = :board AND s.score > 0 AND NOT s.hidden
    ORDER BY s.score DESC, s.reached_at, s.user_id LIMIT :limit
""")
_RANK = text("""
    SELECT 1 + count(*) FROM standings
    WHERE board = :board AND score > 0 AND NOT hidden AND user_id <> :user_id
      AND (score > :score OR score = :score AND (reached_at, user_id) < (:reached_at, :user_id))
""")
_SOME = text("""
    SELECT s.user_id, u.username, s.score, s.reached_at, s.version, s.hidden
    FROM standings s JOIN users u ON u.id = s.user_id WHERE s.board = :board AND s.user_id = ANY(:user_ids)
""")
_ALL = text("""
    SELECT s.user_id, u.username, s.score, s.reached_at, s.version, s.hidden
    FROM standings s JOIN users u ON u.id = s.user_id WHERE s.board = :board ORDER BY s.user_id
""")


def top(connection: Connection, board: str, limit: int) -> list[Standing]:
    """The first players, in the order of the board."""
    rows = connection.execute(_TOP, {"board": board, "limit": limit})
    return [Standing(*row) for row in rows]


def rank(connection: Connection, board: str, *, user_id: int, score: int, reached_at: datetime) -> int:
    """The rank of a standing: counted, so slower the lower it is. For when Redis cannot tell.

    Of a player who is held, or whose score would change, it is the rank that they would have.
    """
    parameters = {"board": board, "user_id": user_id, "score": score, "reached_at": reached_at}
    return int(connection.execute(_RANK, parameters).scalar_one())


def of_players(connection: Connection, board: str, user_ids: Sequence[int]) -> list[Standing]:
    """The standings of some players, in no order."""
    rows = connection.execute(_SOME, {"board": board, "user_ids": list(user_ids)})
    return [Standing(*row) for row in rows]


def all_of(connection: Connection, board: str, size: int) -> Iterator[Sequence[Standing]]:
    """Every standing of a board in the order of user ids, streamed in lists of at most `size`."""
    rows = connection.execution_options(yield_per=size).execute(_ALL, {"board": board})
    for some in rows.partitions(size):
        yield [Standing(*row) for row in some]
