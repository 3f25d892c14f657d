"""Actions: the catalogue, tokens, and completions in both ways."""

from __future__ import annotations

from flask import Blueprint, Response

from config.catalogue import OnceAction, TimedAction
from services import action_tokens, rate_limits, scoring
from services.leaderboard.board import rfc3339
from services.scoring import Completion
from web.auth import credentials, current_player, read_body_of
from web.context import answer, doorbell, quick_answer, resources
from web.doorbell import RECOMPUTE
from web.metrics import COMPLETIONS, POINTS
from web.openapi import describe
from web.schemas import (
    ActionItem,
    ActionsAnswer,
    ActionTokenAnswer,
    CompleteOnceBody,
    CompleteTimedBody,
    CompletionAnswer,
    RequestActionBody,
)

blueprint = Blueprint("actions", __name__, url_prefix="/api")


@blueprint.get("/actions")
@describe("The catalogue of actions", answer=ActionsAnswer)
def actions() -> Response:
    """What can be done and what it is worth. Points are decided by the server alone."""
    current_player()
    return answer(ActionsAnswer(actions=[_item(action) for action in resources().catalogue.values()]))


@blueprint.post("/actions/request")
@describe(
    "Ask for an action token",
    body=RequestActionBody,
    answer=ActionTokenAnswer,
    errors=(
        "VALIDATION_ERROR",
        "ACTION_NOT_FOUND",
        "ACTION_KIND_MISMATCH",
        "ACCOUNT_SUSPENDED",
        "RATE_LIMIT_EXCEEDED",
    ),
)
def request_action() -> Response:
    """Before a timed action begins. The token works once, for this player and action, for five minutes."""
    found = credentials()
    body = read_body_of(found, RequestActionBody)
    player = rate_limits.admit(resources(), found.user_id, found.session_id, "request")
    action = action_tokens.timed_action(resources(), body.actionType)
    issued = action_tokens.issue(resources(), player.user_id, action)
    return quick_answer({"actionToken": issued.token, "expiresAt": rfc3339(issued.expires_at)})


@blueprint.post("/actions/complete")
@describe(
    "Complete a timed action",
    body=CompleteTimedBody,
    answer=CompletionAnswer,
    errors=(
        "VALIDATION_ERROR",
        "ACTION_TOKEN_INVALID",
        "ACTION_TOKEN_EXPIRED",
        "TOKEN_ALREADY_USED",
        "SUSPICIOUS_ACTIVITY",
        "ACCOUNT_SUSPENDED",
        "RATE_LIMIT_EXCEEDED",
    ),
)
def complete_timed() -> Response:
    """Spend an action token. A rejected completion leaves the token unspent, unless it was suspicious."""
    found = credentials()
    body = read_body_of(found, CompleteTimedBody)
    player = rate_limits.admit(resources(), found.user_id, found.session_id, "complete")
    completion = scoring.complete_timed(
        resources(),
        player,
        action_token=body.actionToken,
        completion_time=body.proof.completionTime,
        checksum=body.proof.checksum,
        data=body.data,
    )
    return _completed(completion, "timed")


@blueprint.post("/action/complete")
@describe(
    "Complete a once action",
    body=CompleteOnceBody,
    answer=CompletionAnswer,
    errors=(
        "VALIDATION_ERROR",
        "ACTION_NOT_FOUND",
        "ACTION_KIND_MISMATCH",
        "ACTION_DATA_INVALID",
        "ACTION_ALREADY_COMPLETED",
        "ACCOUNT_SUSPENDED",
        "RATE_LIMIT_EXCEEDED",
    ),
)
def complete_once() -> Response:
    """Complete an action that counts once per player for ever; actionId is the action type."""
    found = credentials()
    body = read_body_of(found, CompleteOnceBody)
    player = rate_limits.admit(resources(), found.user_id, found.session_id, "complete")
    completion = scoring.complete_once(resources(), player, action_type=body.actionId, data=body.data)
    return _completed(completion, "once")


def _completed(completion: Completion, kind: str) -> Response:
    COMPLETIONS.labels(kind).inc()
    POINTS.labels(kind).inc(completion.score_incr)
    if completion.ring:
        doorbell().ring(RECOMPUTE)
    return quick_answer({"newScore": completion.new_score, "scoreIncr": completion.score_incr, "rank": completion.rank})


def _item(action: TimedAction | OnceAction) -> ActionItem:
    return ActionItem(
        actionType=action.action_type,
        title=action.title,
        kind=action.kind,
        points=action.points,
        minMs=action.min_ms if isinstance(action, TimedAction) else None,
        maxMs=action.max_ms if isinstance(action, TimedAction) else None,
    )
