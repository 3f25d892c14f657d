"""Computing a player's state anew from the stored events, and whether it equals what is kept."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import text

from models.database import snapshot
from services.accounts import username_key
from services.anticheat.detector import merge
from services.anticheat.events import WINDOW_SECONDS, tidy
from services.anticheat.evidence import Verdict
from services.anticheat.report import Course, as_dict, first_flag
from services.anticheat.state import PlayerState, StateError
from services.anticheat.stored import BEGINNING, Step, head_of, steps
from services.errors import NotFound
from services.resources import Resources

_PLAYER = text("""
    SELECT u.id, u.username, s.window_id, s.state FROM users u LEFT JOIN anticheat_states s ON s.user_id = u.id
    WHERE u.username_key = :key
""")


@dataclass(frozen=True, slots=True)
class Recomputed:
    """A player's course from the beginning, and the state that is kept, if there is one, beside the one computed."""

    username: str
    course: Course
    window_id: int | None
    stored: bytes | None
    computed: bytes

    def as_dict(self) -> dict[str, Any]:
        """As a line of `fairboard analyse`, with what is stored."""
        return as_dict(self.username, self.course) | {"stored": self._stored()}

    def _stored(self) -> dict[str, Any] | None:
        if self.stored is None or self.window_id is None:
            return None
        begins = datetime.fromtimestamp(self.window_id * WINDOW_SECONDS, UTC) if self.window_id >= 0 else None
        return {
            "window": self.window_id,
            "window_begins": begins.isoformat() if begins else None,
            "bytes": len(self.stored),
            "same_bytes": self.stored == self.computed if _is_current(self.stored) else None,
        }


def _is_current(stored: bytes) -> bool:
    """Whether these thresholds and this version made the state: others give other bytes, until it is computed anew."""
    try:
        PlayerState.from_bytes(stored)
    except StateError:
        return False
    return True


def recompute(resources: Resources, username: str) -> Recomputed:
    """Everything of a player from the beginning. Raises NotFound, DatabaseUnavailableError."""
    with snapshot(resources.engine) as connection:
        row = connection.execute(_PLAYER, {"key": username_key(username)}).one_or_none()
        if row is None:
            raise NotFound(f"There is no player {username!r}.")
        until = -1 if row.window_id is None else row.window_id
        found = steps(connection, row.id, BEGINNING, head_of(connection, row.id))
        course, state = course_of(found, until)
    stored = bytes(row.state) if row.state is not None else None
    return Recomputed(row.username, course, row.window_id, stored, state.to_bytes())


def course_of(found: Iterable[Step], until: int) -> tuple[Course, PlayerState]:
    """What a player's steps come to together, and the state after window `until`. Each step is let go of at once."""
    at: float | None = None
    number: int | None = None
    verdict, count, state, kept = Verdict("none", (), ()), 0, PlayerState(), PlayerState()
    for step in found:
        own = tidy(step.window.events)
        if step.verdict.flagged and number is None:
            first = first_flag(step.before, own, step.window.window_id, step.window.refusals)
            number, at = count + first, own[first - 1].submitted_at if own else None
        count, verdict, state = count + len(own), merge(verdict, step.verdict), step.after
        kept = state if step.window.window_id <= until else kept
    return Course(state, verdict, count, at, number), kept
