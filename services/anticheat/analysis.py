"""Analysing one player as stored: bring the state forward over finished windows, judge the one that is not over yet,

and put what is found on the player's case. Twice or late changes nothing.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass

from sqlalchemy import Connection, text

from models.database import DatabaseUnavailableError, autocommit, transaction
from services.anticheat import schedule
from services.anticheat.detector import merge
from services.anticheat.events import WINDOW_SECONDS
from services.anticheat.evidence import FAMILIES, Evidence, Severity, Verdict
from services.anticheat.stored import BEGINNING, Taken, head_of, load_state, standing, steps
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
_DECIDED = text("""
    SELECT extract(epoch FROM max(d.created_at))::float8 FROM decisions d JOIN review_cases c ON c.id = d.case_id
    WHERE c.user_id = :user_id
""")
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
    """Evidence of one window for a player's case. That of a window that is not over may come again, with more."""

    evidence: Evidence
    window_id: int
    begins: float
    over: bool

    def fingerprint(self, severity: Severity) -> str:
        """The same finding has the same one. What follows a clearing within the hour is not what came before it."""
        cut = self.begins - self.window_id * WINDOW_SECONDS
        after = f":after {cut:.6f}" if cut > 0 else ""
        return f"{self.evidence.rule}:{self.window_id}{after}" + ("" if self.over else f":{severity}")


@dataclass(frozen=True, slots=True)
class Walk:
    """The windows after a state, put together. `taken` is the state after those that are over."""

    taken: Taken
    before: Severity
    verdict: Verdict
    events: int
    found: list[Finding]


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
        walk = _walk(connection, user_id, taken, head)
        verdict = walk.verdict
        if verdict.severity != "none":
            first = walk.before == "none" and taken != BEGINNING
            whole = _walk(connection, user_id, BEGINNING, head) if first else walk
            verdict = whole.verdict
            _add(connection, user_id, whole)
        _keep(connection, resources, user_id, walk.taken, head)
    return Look(username, described(verdict), verdict, walk.events)


def add_own(connection: Connection, user_id: int) -> None:
    """Put all that the player's own play has shown on their case: for whom a group has just made remarkable."""
    _add(connection, user_id, _walk(connection, user_id, BEGINNING, head_of(connection, user_id)))


def _walk(connection: Connection, user_id: int, taken: Taken, head: int) -> Walk:
    now = connection.execute(_NOW).scalar_one()
    known = verdict = standing(connection, user_id, taken)
    last, events, found = taken, 0, list[Finding]()
    for step in steps(connection, user_id, taken, head):
        over = is_over(step.window.window_id, now)
        last = Taken(step.after, step.seq)
        taken = last if over else taken
        verdict, events = merge(verdict, step.verdict), events + len(step.window.events)
        found += [Finding(item, step.window.window_id, step.begins, over) for item in step.verdict.evidence]
    # A mark may have come after the last of the player's own windows.
    return Walk(taken, known.severity, merge(verdict, standing(connection, user_id, last)), events, found)


def is_over(window_id: int, now: float) -> bool:
    """Whether nothing comes to a window any more."""
    return (window_id + 1) * WINDOW_SECONDS + GRACE_SECONDS <= now


def _keep(connection: Connection, resources: Resources, user_id: int, taken: Taken, head: int) -> None:
    kept = {"window_id": taken.state.window, "state": taken.state.to_bytes(), "seq": taken.seq, "head": head}
    schedule.finish(connection, resources.settings.analysis_window, user_id=user_id, **kept)


def _add(connection: Connection, user_id: int, walk: Walk) -> None:
    """Everything since the last decision about the player: what an analyst has decided is not brought up again."""
    decided = connection.execute(_DECIDED, {"user_id": user_id}).scalar_one()
    since, severity = -1.0 if decided is None else decided, walk.verdict.severity
    for finding in walk.found:
        if finding.begins >= since:
            add(connection, user_id, finding.evidence, severity, finding.fingerprint(severity))


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
