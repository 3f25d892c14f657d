"""Voiding: taking back many completions at once, chosen by player, time, action or rule.

A void is nothing but reversals in the ledger. Each carries, in its hashed `data`, the name of the run, who ordered it
and why, so the ledger is also the audit. What is reversed already is left out, so a run that was interrupted goes on
when it is started again, and one that was a mistake is undone by reversing its reversals.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import TextClause, text

from models.database import DatabaseUnavailableError, autocommit, transaction
from services import reversals
from services.errors import InvalidRequest, ServiceUnavailable
from services.leaderboard.board import place, publish
from services.leaderboard.standings import of_players
from services.redis_client import RedisUnavailableError
from services.resources import Resources

BATCH = 100
"""Players after whom the board is published: everybody sees the run go on."""
Progress = Callable[[int, int], None]
"""Called with the players done and their number."""

_CHOSEN = """
    l.board = :board AND l.kind <> 'reversal'
    AND (CAST(:players AS text[]) IS NULL OR l.user_id IN (SELECT id FROM users WHERE username_key = ANY(:players)))
    AND (CAST(:since AS timestamptz) IS NULL OR l.created_at >= :since)
    AND (CAST(:until AS timestamptz) IS NULL OR l.created_at < :until)
    AND (CAST(:actions AS text[]) IS NULL OR l.action_type = ANY(:actions))
    AND (CAST(:rules AS text[]) IS NULL
         OR l.id IN (SELECT unnest(e.entries) FROM evidence e WHERE e.rule = ANY(:rules) AND e.user_id = l.user_id))
"""
_REVERSED = """
    l.board = :board AND l.kind = 'reversal' AND l.data ->> 'void' = :run
"""
_OPEN = """
    WITH RECURSIVE chain AS (
        SELECT l.id, l.user_id, l.points FROM ledger_entries l
        WHERE {chosen} AND (CAST(:user_id AS bigint) IS NULL OR l.user_id = :user_id)
        UNION
        SELECT r.id, r.user_id, r.points FROM chain JOIN ledger_entries r ON r.reverses = chain.id
    ), ends AS (
        SELECT * FROM chain
        WHERE sign(points) = :sign AND NOT EXISTS (SELECT FROM ledger_entries r WHERE r.reverses = chain.id)
    )
"""
"""The ends of the chains entry, reversal, reversal of that ... which still count (+1), or are still void (-1)."""
_OF_THE_REVIEW = """
    SELECT count(*) FROM ends JOIN ledger_entries r USING (id) WHERE r.data IS NULL OR r.data ? 'case'
"""
"""As in services/review/takings.py."""
_MOVES = """
    , lost AS (SELECT user_id, count(*) AS entries, sum(points)::bigint AS points FROM ends GROUP BY user_id),
    folded AS (
        SELECT s.user_id, s.score AS before, s.score - coalesce(lost.points, 0) AS after, s.reached_at, lost.entries,
               s.score > 0 AND NOT s.hidden AS ranked,
               s.score - coalesce(lost.points, 0) > 0 AND NOT s.hidden AS ranked_after
        FROM standings s LEFT JOIN lost USING (user_id) WHERE s.board = :board
    ), ranked AS (
        SELECT *, row_number() OVER (PARTITION BY ranked ORDER BY before DESC, reached_at, user_id) AS place,
               row_number() OVER (PARTITION BY ranked_after ORDER BY after DESC, reached_at, user_id) AS place_after
        FROM folded
    ), moves AS (
        SELECT *, CASE WHEN ranked THEN place END AS rank_before,
               CASE WHEN ranked_after THEN place_after END AS rank_after
        FROM ranked
    )
    SELECT moves.user_id, u.username, coalesce(entries, 0), before, after, rank_before, rank_after
    FROM moves JOIN users u ON u.id = moves.user_id
    WHERE entries IS NOT NULL OR rank_before <= :top OR rank_after <= :top
    ORDER BY rank_before NULLS LAST, moves.user_id
"""
TOP = 10


@dataclass(frozen=True)
class Choice:
    """Which completions a run is about: all that match every part that is given. `rules` are those of evidence."""

    players: tuple[str, ...] | None = None
    """Names as they are compared: `services.accounts.username_key`."""
    since: datetime | None = None
    until: datetime | None = None
    actions: tuple[str, ...] | None = None
    rules: tuple[str, ...] | None = None
    undo: str | None = None
    """Instead of the rest: the reversals of this run."""


@dataclass(frozen=True)
class Order:
    """Who wants it, why, and the run's name, which a later undo asks for."""

    run: str
    by: str
    note: str


@dataclass(frozen=True)
class Move:
    """What a run means for one player: entries concerned, score and rank before and after. Ranks None: not ranked."""

    user_id: int
    username: str
    entries: int
    score_before: int
    score_after: int
    rank_before: int | None
    rank_after: int | None


def preview(resources: Resources, board: str, choice: Choice) -> list[Move]:
    """Everybody concerned, and everybody who is or would be among the first ten; nothing is written.

    `reached_at` of a score that falls changes as well, so ranks among equal scores may differ in the end. Raises
    InvalidRequest for a choice of everything, ServiceUnavailable.
    """
    statement = _open(choice, _MOVES)
    try:
        with autocommit(resources.engine) as connection:
            rows = connection.execute(statement, _parameters(board, choice) | {"top": TOP})
            return [Move(*row) for row in rows]
    except DatabaseUnavailableError as error:
        raise ServiceUnavailable from error


def taken_by_review(resources: Resources, board: str, choice: Choice) -> int:
    """How many of the completions chosen are taken by a confirmed case. A void leaves them out, as they count no more;

    and a later decision about the case may give them back. Raises InvalidRequest, ServiceUnavailable.
    """
    statement = _open(choice, _OF_THE_REVIEW)
    try:
        with autocommit(resources.engine) as connection:
            return int(connection.execute(statement, _parameters(board, choice) | {"sign": -1}).scalar_one())
    except DatabaseUnavailableError as error:
        raise ServiceUnavailable from error


def run(
    resources: Resources, board: str, choice: Choice, order: Order, progress: Progress = lambda done, total: None
) -> int:
    """Reverse what was chosen, player by player. Returns the entries reversed by this call.

    May be interrupted at any time and started again. Raises InvalidRequest, or ServiceUnavailable: what was done stays.
    """
    try:
        return sum(_batches(resources, board, choice, order, progress))
    except DatabaseUnavailableError as error:
        raise ServiceUnavailable("Not all was done; start it again to go on.") from error


def _batches(resources: Resources, board: str, choice: Choice, order: Order, progress: Progress) -> Iterator[int]:
    """The entries reversed in each batch of players, which are then shown."""
    user_ids = _concerned(resources, board, choice)
    for start in range(0, len(user_ids), BATCH):
        batch = user_ids[start : start + BATCH]
        yield sum(_reverse_one(resources, board, choice, order, user_id) for user_id in batch)
        _show(resources, board, batch)
        progress(start + len(batch), len(user_ids))


def _concerned(resources: Resources, board: str, choice: Choice) -> list[int]:
    statement = _open(choice, "SELECT DISTINCT user_id FROM ends ORDER BY user_id")
    with autocommit(resources.engine) as connection:
        return list(connection.execute(statement, _parameters(board, choice)).scalars())


def _reverse_one(resources: Resources, board: str, choice: Choice, order: Order, user_id: int) -> int:
    """One player's part, in one transaction under the lock on their chain, so that it is chosen as it then is."""
    statement = _open(choice, "SELECT id FROM ends ORDER BY id")
    kind = {"undoes": choice.undo} if choice.undo else {"void": order.run}
    with transaction(resources.engine) as connection:
        reversals.lock(connection, user_id)
        entries = list(connection.execute(statement, _parameters(board, choice, user_id)).scalars())
        return reversals.reverse(connection, user_id, entries, kind | {"by": order.by, "note": order.note})


def _show(resources: Resources, board: str, user_ids: Sequence[int]) -> None:
    """Tell Redis. If it is away, the outbox follows up."""
    with autocommit(resources.engine) as connection:
        rows = of_players(connection, board, user_ids)
    try:
        place(resources, board, rows)
        publish(resources, board)
    except RedisUnavailableError:
        return


def _open(choice: Choice, rest: str) -> TextClause:
    if choice == Choice():
        raise InvalidRequest("Name players, a time, actions or rules: a void of everything is never meant.")
    return text(_OPEN.format(chosen=_REVERSED if choice.undo else _CHOSEN) + rest)


def _parameters(board: str, choice: Choice, user_id: int | None = None) -> dict[str, object]:
    lists: Iterator[tuple[str, list[str] | None]] = (
        (name, list(values) if values else None)
        for name, values in (("players", choice.players), ("actions", choice.actions), ("rules", choice.rules))
    )
    times = {"since": choice.since, "until": choice.until}
    return {
        "board": board,
        "user_id": user_id,
        "sign": -1 if choice.undo else 1,
        "run": choice.undo,
        **times,
        **dict(lists),
    }
