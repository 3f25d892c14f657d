"""Tasks that beat schedules. Each is harmless when it runs twice, at once or late."""

from __future__ import annotations

from typing import Any

from config.catalogue import BOARD
from config.settings import get_settings
from services import reconcile as services
from services.leaderboard.board import publish
from workers.anticheat import analyse_player
from workers.app import app
from workers.base import FairboardTask, resources
from workers.leaderboard import recompute


@app.task(name="maintenance.reconcile", base=FairboardTask, max_retries=0)
def reconcile() -> dict[str, Any]:
    """Make Redis equal to PostgreSQL again, then publish what that changed."""
    rebuilt = services.sweep(resources(), BOARD)
    drained = services.drain_outbox(resources())
    due = services.due_for_analysis(resources(), drained.players)
    for user_id in due:
        # At the end of the window, so that one analysis sees all that happened in it.
        analyse_player.apply_async((user_id,), countdown=get_settings().analysis_window + 1)
    publication = publish(resources(), BOARD)
    if publication.retry_ms is not None:
        recompute.apply_async(countdown=publication.retry_ms / 1000)
    return {"rebuilt": rebuilt, "drained": drained.rows, "analyses": len(due), "board": publication.outcome}


@app.task(name="maintenance.purge_tokens", base=FairboardTask)
def purge_tokens() -> dict[str, Any]:
    """Remove action tokens and sessions a day after they expired."""
    purged = services.purge(resources())
    return {"tokens": purged.tokens, "sessions": purged.sessions}
