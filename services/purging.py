"""Removing what nobody needs any more, in batches that hold no lock for long, within a time that a task has."""

from __future__ import annotations

import time
from typing import Any

from sqlalchemy import TextClause

from models.database import autocommit
from services.resources import Resources

MOST_SECONDS = 20.0
"""After that the rest is left for the next time."""


def remove_in_batches(resources: Resources, statement: TextClause, batch: int, **parameters: Any) -> int:
    """Execute a DELETE of at most `:batch` rows until none are left, or the time is over. Returns how many went."""
    total, ends = 0, time.monotonic() + MOST_SECONDS
    while True:
        with autocommit(resources.engine) as connection:
            removed = connection.execute(statement, {"batch": batch, **parameters}).rowcount
        total += removed
        if removed < batch or time.monotonic() > ends:
            return total
