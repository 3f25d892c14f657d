"""The board's tasks."""

from __future__ import annotations

from typing import Any

from config.catalogue import BOARD
from services.leaderboard.board import publish
from workers.app import app
from workers.base import FairboardTask, resources


@app.task(name="leaderboard.recompute", base=FairboardTask, bind=True)
def recompute(self: FairboardTask, board: str = BOARD) -> dict[str, Any]:
    """Recompute the top 10 and publish it if it changed. A change of scores alone may have to wait its turn."""
    publication = publish(resources(), board)
    if publication.retry_ms is not None:
        self.apply_async(args=(board,), countdown=publication.retry_ms / 1000)
    if publication.outcome == "not loaded":
        self.app.send_task("maintenance.reconcile")
    return {"board": board, "outcome": publication.outcome, "version": publication.version}
