"""The payload: a full board of ten rows, as Fairboard publishes it."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from services.leaderboard.board import TOP, compact_json, rfc3339

TITLES = ("Captain", "Doctor", "Admiral", "Professor", "Sergeant")


def board(version: int) -> str:
    """Its JSON, about a kibibyte; the version comes last."""
    rows = [
        {
            "rank": rank,
            "userId": 1_000_000 + rank * 7_919,
            "username": f"{TITLES[rank % len(TITLES)]} of the Łódź {rank:04d}",
            "score": 9_876_543 - rank * 1_234,
        }
        for rank in range(1, TOP + 1)
    ]
    return compact_json({"leaderboard": rows, "updatedAt": rfc3339(datetime.now(UTC)), "version": version})


def empty_board() -> str:
    """What a room shows before anything was published."""
    return json.dumps({"leaderboard": [], "updatedAt": rfc3339(datetime.now(UTC)), "version": 0})
