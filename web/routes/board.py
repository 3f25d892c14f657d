"""Reading the board."""

from __future__ import annotations

from flask import Blueprint, Response

from config.catalogue import BOARD
from services import sessions
from services.errors import InvalidRequest
from services.leaderboard.board import TOP
from services.leaderboard.keys import BoardKeys
from services.leaderboard.reading import read_board
from web.auth import credentials
from web.context import json_response, resources
from web.metrics import BOARD_READS
from web.openapi import Parameter, describe
from web.parsing import read_query
from web.schemas import LeaderboardAnswer

blueprint = Blueprint("board", __name__, url_prefix="/api")
MAX_LIMIT = 100


@blueprint.get("/leaderboard")
@describe(
    "The board",
    answer=LeaderboardAnswer,
    errors=("VALIDATION_ERROR",),
    parameters=(Parameter("limit", {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": TOP}),),
)
def leaderboard() -> Response:
    """The first players. The header X-Cache says whether Redis had the answer ready (`hit`) or not (`miss`)."""
    cached = None if resources().settings.public_board else _authenticate()
    limit = int(read_query(limit=("[0-9]{1,3}", str(TOP)))["limit"] or TOP)
    if not 1 <= limit <= MAX_LIMIT:
        raise InvalidRequest(errors={"limit": f"must be from 1 to {MAX_LIMIT}"})
    board = read_board(resources(), BOARD, limit, cached)
    cache = "hit" if board.cached else "miss"
    BOARD_READS.labels(cache).inc()
    response = json_response(board.body)
    response.headers["X-Cache"] = cache
    return response


def _authenticate() -> bytes | None:
    """Check who asks, and fetch the cached board on the same round trip."""
    found = credentials()
    _, (cached,) = sessions.authenticate_and_get(resources(), found.user_id, found.session_id, BoardKeys(BOARD).top10)
    return cached
