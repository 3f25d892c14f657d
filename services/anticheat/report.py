"""A verdict as plain data: one JSON object per player."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from services.anticheat.detector import merge, step
from services.anticheat.events import Event, Refusal, Window, tidy, windows
from services.anticheat.evidence import FAMILIES, Evidence, Silence, Verdict
from services.anticheat.state import PlayerState


@dataclass(frozen=True, slots=True)
class Course:
    """All of a player's windows, and when the first flag was raised."""

    state: PlayerState
    verdict: Verdict
    events: int
    flagged_at: float | None
    """The submission that raised the flag, and how many completions there were with it."""
    events_to_flag: int | None
    first_rules: tuple[str, ...] = ()


def course(events: Iterable[Event], refusals: Iterable[Refusal] = (), *, to_the_flag: bool = False) -> Course:
    """As `replay`, looking inside the window of the first flag for the completion that raised it.

    With `to_the_flag` it ends there.
    """
    state, verdict, count = PlayerState(), Verdict("none", (), ()), 0
    at: float | None = None
    number: int | None = None
    rules: tuple[str, ...] = ()
    for window in windows(events, refusals):
        before, (state, latest) = state, step(state, window)
        own = tidy(window.events)
        if latest.flagged and number is None:
            first = first_flag(before, own, window.window_id, window.refusals)
            number, at = count + first, own[first - 1].submitted_at if own else None
            rules = tuple(item.rule for item in latest.evidence)
        count += len(own)
        verdict = merge(verdict, latest)
        if to_the_flag and number is not None:
            break
    return Course(state, verdict, count, at, number, rules)


def first_flag(before: PlayerState, events: list[Event], window_id: int, refusals: Iterable[Refusal]) -> int:
    """How many of the window's completions it takes, by halving: one who looks at every completion needs no more."""
    low, high = 0, len(events)
    while high - low > 1:
        middle = (low + high) // 2
        if step(before, Window(window_id, events[:middle], tuple(refusals)), goes_on=True)[1].flagged:
            high = middle
        else:
            low = middle
    return high


def as_dict(name: str, found: Course) -> dict[str, Any]:
    """What is told of a player. `user_id` and `reasons` are what earlier versions called `name` and `evidence`."""
    evidence = [evidence_as_dict(item) for item in found.verdict.evidence]
    return {
        "name": name,
        "user_id": name,
        "events": found.events,
        "flagged": found.verdict.flagged,
        "severity": found.verdict.severity,
        "first_flag_at": found.flagged_at,
        "events_to_flag": found.events_to_flag,
        "evidence": evidence,
        "reasons": [
            {"rule": i.rule, "value": i.value, "threshold": i.threshold, "events": i.n, "reason": i.reason}
            for i in found.verdict.evidence
        ],
        "e_values": dict(found.verdict.e_values),
        "not_judged": not_judged(found.verdict.silent),
    }


def evidence_as_dict(item: Evidence) -> dict[str, Any]:
    """All fields of an evidence."""
    return {
        "family": item.family,
        "family_name": item.family_name,
        "rule": item.rule,
        "statistic": item.statistic,
        "value": item.value,
        "threshold": item.threshold,
        "percentile": item.percentile,
        "n": item.n,
        "e_value": item.e_value,
        "entries": list(item.entries),
        "reason": item.reason,
    }


def not_judged(silent: Iterable[Silence]) -> list[dict[str, str]]:
    """The rules that had nothing to go by at the end, and why."""
    return [
        {"family": item.family, "family_name": FAMILIES[item.family], "rule": item.rule, "why": item.why}
        for item in silent
    ]
