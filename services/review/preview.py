"""What a decision would mean: how many completions, how many points, and who would move where. Nothing is written."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from models.database import DatabaseUnavailableError, snapshot
from services.errors import NotFound, ServiceUnavailable
from services.leaderboard import standings
from services.leaderboard.board import TOP, Standing
from services.resources import Resources
from services.review import takings
from services.review.decisions import Verdict, check_may_decide
from services.review.takings import Scope
from services.sessions import Player

_CASE = text("""
    SELECT c.user_id, u.role, EXISTS (
        SELECT FROM review_cases other WHERE other.user_id = c.user_id AND other.id <> c.id
            AND (other.status = 'confirmed' OR other.status = 'open' AND other.held)) AS off_by_another
    FROM review_cases c JOIN users u ON u.id = c.user_id WHERE c.id = :id
""")


@dataclass(frozen=True)
class Move:
    """One player's score and rank before and after. A rank is None for who is not on the board."""

    user_id: int
    username: str
    score_before: int
    score_after: int
    rank_before: int | None
    rank_after: int | None


@dataclass(frozen=True)
class Preview:
    """What a decision would reverse, the change of the score by that, and everybody who would move in the first ten."""

    entries: int
    points: int
    moves: list[Move]


def preview(
    resources: Resources, analyst: Player, board: str, case_id: int, verdict: Verdict, scope: Scope = "evidence"
) -> Preview:
    """What `decide` would do if it were called now. Raises NotFound, Forbidden or ServiceUnavailable.

    A score that changes is reached anew, so among equal scores ranks may differ in the end.
    """
    try:
        with snapshot(resources.engine) as connection:
            case = connection.execute(_CASE, {"id": case_id}).one_or_none()
            if case is None:
                raise NotFound("There is no such case.")
            check_may_decide(analyst, case.user_id, case.role)
            entries = takings.named(connection, case.user_id, case_id, scope) if verdict == "confirm" else []
            wrong = takings.differences(connection, case.user_id, case_id, entries)
            off = verdict == "confirm" or case.off_by_another
            change = -sum(item.points for item in wrong if item.board == board)
            moves = _moves(connection, board, case.user_id, change, off=off)
    except DatabaseUnavailableError as error:
        raise ServiceUnavailable from error
    return Preview(len(wrong), -sum(item.points for item in wrong), moves)


def _moves(connection: Connection, board: str, user_id: int, change: int, *, off: bool) -> list[Move]:
    """The player first, then all others among the first ten of either board whose rank changes."""
    found = standings.of_players(connection, board, [user_id])
    if not found:
        return []
    before = found[0]
    after = before._replace(score=before.score + change, hidden=off)
    others = [row for row in standings.top(connection, board, TOP + 1) if row.user_id != user_id]
    ranks = [_rank(connection, board, standing) for standing in (before, after)]
    own = Move(user_id, before.username, before.score, after.score, *ranks)
    moves = [
        Move(
            row.user_id,
            row.username,
            row.score,
            row.score,
            place + _is_ahead(before, row),
            place + _is_ahead(after, row),
        )
        for place, row in enumerate(others, start=1)
    ]
    return [own, *(move for move in moves if move.rank_before != move.rank_after)]


def _rank(connection: Connection, board: str, standing: Standing) -> int | None:
    """The rank on the board without the player's present standing, None for who is off it."""
    if not standing.ranked:
        return None
    return standings.rank(
        connection, board, user_id=standing.user_id, score=standing.score, reached_at=standing.reached_at
    )


def _is_ahead(standing: Standing, other: Standing) -> int:
    return int(standing.ranked and _order(standing) < _order(other))


def _order(standing: Standing) -> tuple[int, datetime, int]:
    return -standing.score, standing.reached_at, standing.user_id
