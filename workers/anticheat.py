"""The analysis's tasks. Their results are what analysts see in Flower."""

from __future__ import annotations

from typing import Any

from services.anticheat.analysis import analyse_player as analyse
from workers.app import app
from workers.base import FairboardTask, resources


@app.task(name="anticheat.analyse_player", base=FairboardTask, ignore_result=False)
def analyse_player(user_id: int) -> dict[str, Any]:
    """Look for patterns in how one player plays; what is found joins the player's case."""
    verdict = analyse(resources(), user_id)
    return {
        "user": verdict.username,
        "verdict": "flag" if verdict.flagged else "clean",
        "events": verdict.events,
        "reasons": [finding.reason for finding in verdict.findings],
    }
