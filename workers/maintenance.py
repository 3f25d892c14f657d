"""Tasks that beat schedules. Each is harmless when it runs twice, at once or late."""

from __future__ import annotations

from typing import Any

from config.catalogue import BOARD
from services import reconcile as services, refusals
from services.anticheat import schedule
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
    refused = refusals.drain(resources())
    due = schedule.take_due(resources())
    for user_id in due:
        analyse_player.apply_async(kwargs={"user": user_id}, expires=schedule.LEASE_SECONDS)
    publication = publish(resources(), BOARD)
    if publication.retry_ms is not None:
        recompute.apply_async(countdown=publication.retry_ms / 1000)
    return {
        "rebuilt": rebuilt,
        "drained": drained,
        "refusals": refused,
        "analyses": len(due),
        "board": publication.outcome,
    }


@app.task(name="maintenance.purge_tokens", base=FairboardTask)
def purge_tokens() -> dict[str, Any]:
    """Remove action tokens and sessions a day after they expired, and refusals after a month."""
    purged = services.purge(resources())
    return {"tokens": purged.tokens, "sessions": purged.sessions, "refusals": refusals.purge(resources())}
