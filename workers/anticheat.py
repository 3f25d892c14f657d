"""The analysis's tasks. Their results are what analysts see in Flower."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from celery.signals import worker_init, worker_ready
from kombu.exceptions import OperationalError

from services.anticheat import schedule
from workers.app import app
from workers.base import FairboardTask, resources

REASONS = 8
"""Told of one analysis: the whole case is on the review page."""


@worker_init.connect
def _load_detectors(sender: Any, **_: Any) -> None:
    """NumPy and SciPy take half a second and many megabytes: once per worker that needs them, before it forks."""
    if "anticheat" in sender.app.amqp.queues.consume_from:
        from services.anticheat import analysis, together  # noqa: F401, PLC0415


@worker_ready.connect
def _ask_for_a_pass(sender: Any, **_: Any) -> None:
    """A worker that starts may be of a new version, which gets through what the one before was parked for."""
    if "anticheat" in sender.app.amqp.queues.consume_from:
        with suppress(OperationalError):  # The nightly pass will do.
            analyse_all.apply_async()


@app.task(name="anticheat.analyse_player", base=FairboardTask, ignore_result=False)
def analyse_player(user: int) -> dict[str, Any]:
    """Look at how one player, by id, has played since the last time; what is found joins the player's case."""
    from services.anticheat.analysis import analyse_player as analyse  # noqa: PLC0415 -- see above

    look = analyse(resources(), user)
    found = look.verdict
    return {
        "user": look.username,
        "verdict": look.outcome,
        "severity": found.severity,
        "events": look.events,
        "reasons": [item.reason for item in found.evidence[:REASONS]] if found.severity != "none" else [],
    }


@app.task(name="anticheat.analyse_groups", base=FairboardTask, ignore_result=False)
def analyse_groups() -> dict[str, Any]:
    """Look for accounts of one hand among those that share an address or a client."""
    from services.anticheat.together import analyse_groups as analyse  # noqa: PLC0415 -- see above

    looked = analyse(resources())
    if looked is None:
        return {"verdict": "busy"}
    return {"sets": looked.sets, "players": looked.players, "left": looked.left, "found": looked.found}


@app.task(name="anticheat.analyse_all", base=FairboardTask, ignore_result=False)
def analyse_all() -> dict[str, Any]:
    """Each night, and when a worker starts: whose last window was not taken in is due, and so is whoever is parked."""
    rung = schedule.ring_everybody(resources())
    return {"verdict": "busy"} if rung is None else {"players": rung}
