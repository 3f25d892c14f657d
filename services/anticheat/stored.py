"""A player's record as PostgreSQL keeps it: the events in windows, and what else moved the detectors' state.

The same rows give the same windows in whatever portions they are read, so a state that was brought forward hour by hour
equals one that was computed anew from the beginning.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise

from sqlalchemy import Connection, text

from services.anticheat.detector import cleared, join, severity, step
from services.anticheat.events import WINDOW_SECONDS, Event, Refusal, Window, window_of
from services.anticheat.evidence import FAMILIES, Evidence, Verdict
from services.anticheat.state import PlayerState, StateError
from services.anticheat.thresholds import TABLE

CHUNK = 2_000
TOGETHER = ("in_step", "in_turn", "same_hand", "others_times")
"""Rules that look at several players at once."""

_STATE = text("SELECT state, seq FROM anticheat_states WHERE user_id = :user_id")
_HEAD = text("SELECT seq FROM ledger_heads WHERE user_id = :user_id")
_EVENTS = text("""
    SELECT seq, id, action_type, extract(epoch FROM created_at)::float8 AS at, claimed_ms, elapsed_ms
    FROM ledger_entries WHERE user_id = :user_id AND kind = 'timed' AND seq > :after AND seq <= :head ORDER BY seq
""")
_LATE = text("""
    SELECT EXISTS (SELECT FROM ledger_entries WHERE user_id = :user_id AND kind = 'timed' AND seq > :after
                   AND created_at < to_timestamp(:since))
""")
_REFUSALS = text("""
    SELECT extract(epoch FROM recorded_at)::float8, extract(epoch FROM at)::float8, code FROM refusals
    WHERE user_id = :user_id AND recorded_at >= to_timestamp(:since) ORDER BY id
""")
_MARKS = text("""
    SELECT extract(epoch FROM e.created_at)::float8 AS at, e.rule, e.value, e.details FROM evidence e
    WHERE e.user_id = :user_id AND e.rule = ANY(:together) AND e.created_at >= to_timestamp(:since)
    UNION ALL
    SELECT extract(epoch FROM d.created_at)::float8, NULL, NULL, NULL
    FROM decisions d JOIN review_cases c ON c.id = d.case_id
    WHERE c.user_id = :user_id AND d.decision = 'clear' AND d.created_at >= to_timestamp(:since)
""")


@dataclass(frozen=True, slots=True)
class Mark:
    """What changed a state besides the player's own play: evidence found among several players, or None for an analyst

    who cleared the player. A clearing covers what was played and found before it, to the moment. Evidence takes effect
    with the next clearing or at the end of the hour.
    """

    at: float
    evidence: Evidence | None


@dataclass(frozen=True, slots=True)
class Taken:
    """A state and how far it has come: `seq` is the last ledger entry it knows, as a place in the player's chain."""

    state: PlayerState
    seq: int


@dataclass(frozen=True, slots=True)
class Step:
    """One window, or the part of one that lies before or after a clearing, and what it came to.

    `verdict` knows the marks until the next one, `after` does not yet.
    """

    window: Window
    begins: float
    before: PlayerState
    after: PlayerState
    verdict: Verdict
    seq: int


BEGINNING = Taken(PlayerState(), 0)


def load_state(connection: Connection, user_id: int) -> Taken:
    """What is kept of the player, to go on from.

    The beginning if that is nothing or of another version, or if a clock has stepped back and events came that belong
    to windows that were taken for over: then everything is computed anew.
    """
    row = connection.execute(_STATE, {"user_id": user_id}).one_or_none()
    if row is None or row.state is None:
        return BEGINNING
    try:
        taken = Taken(PlayerState.from_bytes(bytes(row.state)), row.seq)
    except StateError:
        return BEGINNING
    since = (taken.state.window + 1) * WINDOW_SECONDS
    late = connection.execute(_LATE, {"user_id": user_id, "after": taken.seq, "since": since}).scalar_one()
    return BEGINNING if late else taken


def head_of(connection: Connection, user_id: int) -> int:
    """The place of the player's last ledger entry."""
    return int(connection.execute(_HEAD, {"user_id": user_id}).scalar_one_or_none() or 0)


def steps(connection: Connection, user_id: int, taken: Taken, head: int) -> Iterator[Step]:
    """The windows after a state, the oldest first, up to the ledger entry `head`."""
    marks = read_marks(connection, user_id, taken.state.window)
    state = taken.state
    for window, seq in _windows(connection, user_id, taken, head):
        for part, begins, ends in _parts(window, marks):
            state = settle(state, marks, begins)
            after, verdict = step(state, part, goes_on=begins > window.window_id * WINDOW_SECONDS)
            totals = settle(after, marks, ends).totals
            e_values = tuple(zip(FAMILIES, totals, strict=True))
            told = Verdict(severity(totals), verdict.evidence, e_values, verdict.silent)
            yield Step(part, begins, state, after, told, seq)
            state = after


def _parts(window: Window, marks: Sequence[Mark]) -> Iterator[tuple[Window, float, float]]:
    """A window cut where an analyst cleared the player: each part with something in it, and its first and last moment.

    What a clock puts outside the window belongs to its first or last part.
    """
    start, end = (float(number * WINDOW_SECONDS) for number in (window.window_id, window.window_id + 1))
    cuts = [mark.at for mark in marks if mark.evidence is None and start < mark.at < end]
    bounds = [-math.inf, *cuts, math.inf]
    for after, until in pairwise(bounds):
        events = [event for event in window.events if after < event.submitted_at <= until]
        refusals = tuple(refusal for refusal in window.refusals if after < refusal.at <= until)
        if events or refusals:
            yield Window(window.window_id, events, refusals), max(after, start), min(until, end)


def standing(connection: Connection, user_id: int, taken: Taken) -> Verdict:
    """What was known of the player before anything new."""
    totals = settle(taken.state, read_marks(connection, user_id, taken.state.window)).totals
    return Verdict(severity(totals), (), tuple(zip(FAMILIES, totals, strict=True)))


def settle(state: PlayerState, marks: Sequence[Mark], until: float = math.inf) -> PlayerState:
    """The state with the marks up to a moment that it does not know yet."""
    new = [mark for mark in marks if state.marked < mark.at <= until]
    for mark in new:
        state = join(state, [mark.evidence])[0] if mark.evidence else cleared(state)
    return replace(state, marked=new[-1].at) if new else state


def read_marks(connection: Connection, user_id: int, window_id: int) -> list[Mark]:
    """The marks of this and later windows, the oldest first. Where two come at once an analyst has the last word."""
    since = max(window_id, 0) * WINDOW_SECONDS
    rows = connection.execute(_MARKS, {"user_id": user_id, "together": list(TOGETHER), "since": since})
    marks = [Mark(at, _evidence(rule, value, details) if rule else None) for at, rule, value, details in rows]
    return sorted(marks, key=lambda mark: (mark.at, mark.evidence is None))


def _evidence(rule: str, value: float, details: dict[str, float]) -> Evidence:
    """As much of an evidence as a state takes in."""
    row = TABLE[rule]
    return Evidence(
        row.family, rule, row.statistic, value, row.telling, details["percentile"], 0, (), "", details["eValue"]
    )


def _windows(connection: Connection, user_id: int, taken: Taken, head: int) -> Iterator[tuple[Window, int]]:
    """Events and refusals in windows; with each the place of its last entry."""
    refusals = _refusals(connection, user_id, taken.state.window)
    seq = taken.seq
    for window_id, rows in groupby(_placed(connection, user_id, taken, head), key=lambda item: item[0]):
        for earlier in [number for number in refusals if number < window_id]:
            yield Window(earlier, (), refusals.pop(earlier)), seq
        placed = list(rows)
        seq = placed[-1][1]
        yield Window(window_id, [event for _, _, event in placed], refusals.pop(window_id, ())), seq
    for rest in list(refusals):
        yield Window(rest, (), refusals.pop(rest)), seq


def _placed(connection: Connection, user_id: int, taken: Taken, head: int) -> Iterator[tuple[int, int, Event]]:
    """Each event with its window and its place in the chain.

    A clock that steps back opens no earlier window: what comes after it belongs to the latest one.
    """
    parameters = {"user_id": user_id, "after": taken.seq, "head": head}
    latest = -1
    for row in connection.execute(_EVENTS, parameters, execution_options={"yield_per": CHUNK}):
        latest = max(latest, window_of(row.at))
        issued = None if row.elapsed_ms is None else row.at - row.elapsed_ms / 1_000
        yield latest, row.seq, Event(row.id, row.action_type, issued, row.at, row.claimed_ms)


def _refusals(connection: Connection, user_id: int, window_id: int) -> dict[int, tuple[Refusal, ...]]:
    """Refusals after a window, by the window in which they were recorded."""
    rows = connection.execute(_REFUSALS, {"user_id": user_id, "since": (window_id + 1) * WINDOW_SECONDS}).all()
    found: dict[int, tuple[Refusal, ...]] = {}
    for recorded, at, code in sorted(rows, key=lambda row: row[0]):
        number = window_of(recorded)
        found[number] = (*found.get(number, ()), Refusal(at, code))
    return found
