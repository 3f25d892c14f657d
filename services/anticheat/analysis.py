"""Analysing one player as stored: bring the state forward over finished windows, judge the one that is not over yet,

and put what is found on the player's case. Twice or late changes nothing.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sqlalchemy import Connection, text

from models.database import DatabaseUnavailableError, autocommit, transaction
from services.anticheat import schedule
from services.anticheat.detector import merge
from services.anticheat.events import WINDOW_SECONDS
from services.anticheat.evidence import FAMILIES, Evidence, Severity, Verdict
from services.anticheat.stored import Step, Taken, head_of, load_state, standing, steps
from services.anticheat.thresholds import FLAG, LOW
from services.errors import NotFound
from services.redis_client import RedisUnavailableError
from services.resources import Resources

log = logging.getLogger(__name__)

PLAYER_LOCK = 0xFA12 << 44
"""Advisory locks of players being analysed: this and the user's id."""
GRACE_SECONDS = 120.0
"""After the end of a window, until it is taken for over: what was under way at its end has come by then."""
NOTHING = Verdict("none", (), ())

_NAME = text("SELECT username FROM users WHERE id = :id")
_NOW = text("SELECT extract(epoch FROM clock_timestamp())::float8")
_LOCK = text("SELECT pg_try_advisory_xact_lock(:key)")
_ADD = text("""
    SELECT add_evidence(:user_id, :rule, :reason, :value, :threshold, :entries, CAST(:details AS jsonb), :fingerprint,
                        :family, :severity)
""")


@dataclass(frozen=True, slots=True)
class Look:
    """What one analysis came to. `outcome` is that of the verdict, or why there is none."""

    username: str
    outcome: str
    verdict: Verdict = NOTHING
    events: int = 0


@dataclass(frozen=True, slots=True)
class Finding:
    """Evidence for a player's case. One of a window that is not over may come again, with more."""

    evidence: Evidence
    severity: Severity
    window_id: int
    over: bool

    @property
    def fingerprint(self) -> str:
        """The same finding has the same one."""
        return f"{self.evidence.rule}:{self.window_id}" + ("" if self.over else f":{self.severity}")


def analyse_player(resources: Resources, user_id: int) -> Look:
    """Look at what a player has done since the last time. A failure is noted, and the player tried again or parked.

    Raises NotFound, DatabaseUnavailableError.
    """
    with autocommit(resources.engine) as connection:
        username = connection.execute(_NAME, {"id": user_id}).scalar_one_or_none()
    if username is None:
        raise NotFound("There is no such player.")
    if not schedule.begin(resources, user_id):
        return Look(username, "parked")
    try:
        look = _analyse(resources, user_id, username)
    except (DatabaseUnavailableError, RedisUnavailableError):
        raise
    except Exception as error:
        log.exception("the analysis of player %s failed", user_id)
        failures = schedule.failed(resources, user_id, f"{type(error).__name__}: {error}")
        look = Look(username, f"failed {failures} of {schedule.MOST_FAILURES}: {type(error).__name__}")
    schedule.count(resources, look.verdict.severity if look.verdict is not NOTHING else look.outcome.split(" ")[0])
    return look


def _analyse(resources: Resources, user_id: int, username: str) -> Look:
    with transaction(resources.engine) as connection:
        if not connection.execute(_LOCK, {"key": PLAYER_LOCK + user_id}).scalar_one():
            return Look(username, "busy")  # Another worker is at it.
        taken, head = load_state(connection, user_id), head_of(connection, user_id)
        verdict, events, found = standing(connection, user_id, taken), 0, list[Finding]()
        now = connection.execute(_NOW).scalar_one()
        for step in steps(connection, user_id, taken, head):
            over = is_over(step.window.window_id, now)
            taken = Taken(step.after, step.seq) if over else taken
            verdict, events = merge(verdict, step.verdict), events + len(step.window.events)
            found += findings(step, over=over)
        _keep(connection, resources, user_id, taken, head)
        _add(connection, user_id, found)
    return Look(username, described(verdict), verdict, events)


def is_over(window_id: int, now: float) -> bool:
    """Whether nothing comes to a window any more."""
    return (window_id + 1) * WINDOW_SECONDS + GRACE_SECONDS <= now


def findings(step: Step, *, over: bool) -> Iterator[Finding]:
    """What a window adds to the player's case: nothing while all that is known of the player is no remark."""
    if step.verdict.severity != "none":
        for evidence in step.verdict.evidence:
            yield Finding(evidence, step.verdict.severity, step.window.window_id, over)


def _keep(connection: Connection, resources: Resources, user_id: int, taken: Taken, head: int) -> None:
    kept = {"window_id": taken.state.window, "state": taken.state.to_bytes(), "seq": taken.seq, "head": head}
    schedule.finish(connection, resources.settings.analysis_window, user_id=user_id, **kept)


def _add(connection: Connection, user_id: int, found: Iterable[Finding]) -> None:
    # What holds a player takes the lock on their chain, which has to come before the one on their case.
    for finding in sorted(found, key=lambda finding: finding.severity != "high"):
        add(connection, user_id, finding.evidence, finding.severity, finding.fingerprint)


def add(connection: Connection, user_id: int, evidence: Evidence, severity: Severity, fingerprint: str) -> bool:
    """Put evidence on the player's case. Whether it was new."""
    item = evidence
    details = {"statistic": item.statistic, "percentile": item.percentile, "n": item.n, "eValue": item.e_value}
    parameters = {
        "user_id": user_id,
        "rule": item.rule,
        "reason": item.reason,
        "value": item.value,
        "threshold": item.threshold,
        "entries": list(item.entries),
        "details": json.dumps(details),
        "fingerprint": fingerprint,
        "family": item.family,
        "severity": severity,
    }
    return connection.execute(_ADD, parameters).scalar_one() is not None


def described(verdict: Verdict) -> str:
    """A verdict in a few words: `flag high: replay, endurance`."""
    if verdict.severity == "none":
        return "clean"
    level = FLAG if verdict.flagged else LOW
    names = ", ".join(FAMILIES[family] for family, total in verdict.e_values if total >= level)
    return f"flag {verdict.severity}: {names}" if verdict.flagged else f"remark: {names}"
