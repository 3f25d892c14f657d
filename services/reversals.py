"""Taking points back, or giving them back: each entry of the ledger is reversed by one that names it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, text

BATCH = 1_000
"""Entries in one statement, which has to end within the deadline of a request."""

_REVERSE = text("SELECT reverse_entries(:user_id, :entries, CAST(:data AS jsonb))")


def lock(connection: Connection, user_id: int) -> None:
    """Wait for what else is happening to a player's chain, and hold it until the transaction ends."""
    connection.execute(text("SELECT FROM ledger_heads WHERE user_id = :id FOR UPDATE"), {"id": user_id})


def reverse(connection: Connection, user_id: int, entries: Sequence[int], data: dict[str, Any]) -> int:
    """Reverse entries of a player whose chain is locked, and say in each who did it and why. Returns how many.

    Each entry is reversed once, by constraint.
    """
    done = 0
    for start in range(0, len(entries), BATCH):
        some = list(entries[start : start + BATCH])
        done += connection.execute(
            _REVERSE, {"user_id": user_id, "entries": some, "data": json.dumps(data)}
        ).scalar_one()
    return done
