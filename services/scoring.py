"""Scoring: from a completed action to points in the ledger and a place on the board.

The order of checks is part of the contract: token, proof, then the transaction. PostgreSQL decides in one statement,
one round trip; only then does Redis learn of it.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from config.catalogue import OnceAction
from models.database import DatabaseUnavailableError, autocommit, execute_once
from services import action_tokens, proofs
from services.action_tokens import OpenedToken
from services.errors import (
    ALL_ERRORS,
    ActionAlreadyCompleted,
    ActionDataInvalid,
    ActionKindMismatch,
    ActionNotFound,
    ActionTokenExpired,
    FairboardError,
    RateLimitExceeded,
    ServiceUnavailable,
)
from services.leaderboard import standings
from services.leaderboard.board import Placement, Standing, place
from services.rate_limits import PLAYER_LIMITS
from services.redis_client import RedisUnavailableError
from services.resources import Resources
from services.sessions import Player

log = logging.getLogger(__name__)

_LARGEST_CLAIM = 2**53 - 1
"""What PostgreSQL is told of a claim beyond it. That is suspicious whatever it is, and a bigint has an end."""
_COMPLETE_TIMED = (
    "SELECT outcome, score, reached_at, version, is_hidden(%s, %s) "
    "FROM complete_timed(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
)
_HAS_COMPLETED = (
    "SELECT EXISTS (SELECT FROM ledger_entries WHERE user_id = %s AND action_type = %s AND kind = 'once') AS done"
)
_COMPLETE_ONCE = (
    "SELECT outcome, score, reached_at, version, is_hidden(%s, %s) FROM complete_once(%s, %s, %s, %s, %s, %s)"
)


@dataclass(frozen=True, slots=True)
class Completion:
    """What a completion earned. `ring`: the top 10 moved and a recomputation is to be asked for."""

    new_score: int
    score_incr: int
    rank: int
    ring: bool


class _Outcome(NamedTuple):
    outcome: str
    score: int
    reached_at: datetime
    version: int
    hidden: bool
    """Held: the points count, and the board does not show it."""


class _Suspicion(NamedTuple):
    rule: str | None
    reason: str | None
    threshold: float | None


def complete_timed(
    resources: Resources,
    player: Player,
    *,
    action_token: str,
    completion_time: int,
    checksum: str,
    data: dict[str, Any],
) -> Completion:
    """Spend an action token. Raises the errors of tokens, of suspicion and of accounts, or ServiceUnavailable."""
    opened = action_tokens.open_token(resources, action_token, player.user_id)
    genuine = proofs.matches(proofs.checksum(action_token, completion_time, data), checksum)
    action, suspicion = opened.action, _suspicion(opened, completion_time, genuine=genuine)
    outcome = _execute(
        resources,
        _COMPLETE_TIMED,
        (
            player.user_id,
            action.board,
            opened.hash,
            player.user_id,
            str(player.session_id),
            action.board,
            action.action_type,
            action.points,
            max(-_LARGEST_CLAIM, min(completion_time, _LARGEST_CLAIM)),
            *suspicion,
            resources.points_ceiling,
        ),
    )
    if outcome.outcome == "ACTION_TOKEN_INVALID" and opened.expired:
        raise ActionTokenExpired  # It was ours and has been forgotten since.
    if outcome.outcome == "SUSPICIOUS_ACTIVITY":
        log.warning("suspicious completion: user=%s rule=%s", player.user_id, suspicion.rule or "clock or ceiling")
    return _finish(resources, player, action.board, action.points, outcome)


def complete_once(resources: Resources, player: Player, *, action_type: str, data: dict[str, Any]) -> Completion:
    """Complete a `once` action. Raises the errors of actions, AccountSuspended or ServiceUnavailable."""
    action = resources.catalogue.get(action_type)
    if action is None:
        raise ActionNotFound
    if not isinstance(action, OnceAction):
        raise ActionKindMismatch("This action is timed: request a token with POST /api/actions/request.")
    wrong = action.refusals(data)
    if wrong:
        _refuse_what_is_done(resources, player, action_type)
        raise ActionDataInvalid(errors={f"data.{field}": reason for field, reason in wrong.items()})
    parameters = (
        player.user_id,
        action.board,
        player.user_id,
        str(player.session_id),
        action.board,
        action.action_type,
        action.points,
        json.dumps(data),
    )
    return _finish(resources, player, action.board, action.points, _execute(resources, _COMPLETE_ONCE, parameters))


def _refuse_what_is_done(resources: Resources, player: Player, action_type: str) -> None:
    """Raises ActionAlreadyCompleted, which goes before what is wrong with the data; or ServiceUnavailable.

    With the right data the transaction itself finds out.
    """
    try:
        (done,) = execute_once(resources.engine, _HAS_COMPLETED, (player.user_id, action_type))
    except DatabaseUnavailableError as error:
        raise ServiceUnavailable from error
    if done:
        raise ActionAlreadyCompleted


def _suspicion(opened: OpenedToken, completion_time: int, *, genuine: bool) -> _Suspicion:
    """What cannot be true about a claim, as far as it can be told without PostgreSQL's clock."""
    action = opened.action
    if not genuine:
        return _Suspicion("forged_checksum", "The checksum does not match the claim.", None)
    if completion_time < action.min_ms:
        return _Suspicion("too_fast", f"Nobody does this in under {action.min_ms} ms.", action.min_ms)
    if completion_time > action.max_ms:
        return _Suspicion("too_slow", f"This action takes at most {action.max_ms} ms.", action.max_ms)
    return _Suspicion(None, None, None)


def _execute(resources: Resources, statement: str, parameters: tuple[Any, ...]) -> _Outcome:
    try:
        return _Outcome(*execute_once(resources.engine, statement, parameters))
    except DatabaseUnavailableError as error:
        raise ServiceUnavailable from error


def _finish(resources: Resources, player: Player, board: str, points: int, outcome: _Outcome) -> Completion:
    if outcome.outcome != "OK":
        raise _error(outcome.outcome)
    standing = Standing(player.user_id, player.username, *outcome[1:])
    placement = _place(resources, board, standing)
    rank = placement.rank or _rank_in_postgresql(resources, board, standing)
    return Completion(outcome.score, points, rank, placement.ring)


def _error(code: str) -> FairboardError:
    if code == RateLimitExceeded.code:  # By the ledger, Redis having forgotten; it knows no more than the window.
        return RateLimitExceeded(retry_after=PLAYER_LIMITS[0][1])
    return ALL_ERRORS[code]()


def _place(resources: Resources, board: str, standing: Standing) -> Placement:
    """Tell Redis. The points are safe already: what fails here is drained from the outbox."""
    try:
        return place(resources, board, [standing])
    except RedisUnavailableError as error:
        log.warning("the board's Redis is away, the outbox will follow up: %s", error)
        return Placement(rank=None, moved=False, ring=False)


def _rank_in_postgresql(resources: Resources, board: str, standing: Standing) -> int:
    try:
        with autocommit(resources.engine) as connection:
            return standings.rank(
                connection, board, user_id=standing.user_id, score=standing.score, reached_at=standing.reached_at
            )
    except DatabaseUnavailableError as error:
        raise ServiceUnavailable("The points are counted, but the rank is not known right now.") from error
