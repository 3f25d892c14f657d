"""Analysing one player: read the history, look for patterns, keep what is found for review."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import text

from models.database import autocommit
from services.anticheat.patterns import PATTERNS, Event, Finding
from services.resources import Resources

HISTORY = 500
"""Completions looked at: a day at the limit."""

_EVENTS = text("""
    SELECT id, extract(epoch FROM created_at)::float8, claimed_ms FROM ledger_entries
    WHERE user_id = :user_id AND kind = 'timed' ORDER BY seq DESC LIMIT :limit
""")
_ADD = text("""
    SELECT add_evidence(:user_id, :rule, :reason, :value, :threshold, :entries, CAST(:details AS jsonb), :fingerprint)
""")


@dataclass(frozen=True)
class Verdict:
    """What the analysis of one player came to."""

    username: str
    events: int
    findings: tuple[Finding, ...]

    @property
    def flagged(self) -> bool:
        """Whether there is anything for a reviewer."""
        return bool(self.findings)


def analyse_player(resources: Resources, user_id: int) -> Verdict:
    """Look at a player's last completions and add what is found to their case.

    A finding counts once a day and rule, so running twice adds nothing. Raises DatabaseUnavailableError.
    """
    with autocommit(resources.engine) as connection:
        username = connection.execute(text("SELECT username FROM users WHERE id = :id"), {"id": user_id}).scalar_one()
        rows = connection.execute(_EVENTS, {"user_id": user_id, "limit": HISTORY}).all()
        events = [Event(*row) for row in reversed(rows)]
        findings = tuple(found for pattern in PATTERNS if (found := pattern(events)))
        for finding in findings:
            connection.execute(_ADD, _parameters(user_id, finding, events[-1]))
    return Verdict(username, len(events), findings)


def _parameters(user_id: int, finding: Finding, last: Event) -> dict[str, object]:
    day = datetime.fromtimestamp(last.submitted_at, UTC).date()
    return {
        "user_id": user_id,
        "rule": finding.rule,
        "reason": finding.reason,
        "value": finding.value,
        "threshold": finding.threshold,
        "entries": list(finding.entries),
        "details": json.dumps({"events": len(finding.entries)}),
        "fingerprint": f"{finding.rule}:{day}",
    }
