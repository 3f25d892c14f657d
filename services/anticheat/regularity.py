"""Family A: times that are more even than people's. Programs wait with a timer; people are late more than early."""

from __future__ import annotations

import numpy as np

from services.anticheat.history import History, Judged, silence, too_few
from services.anticheat.statistics import Floats, l_skewness, less_median, median, over_median, variation
from services.anticheat.thresholds import TABLE

DECISION_SECONDS = 1.0
"""A shorter idle time is a client that starts the next play by itself, which says nothing of its player."""


def judge(history: History) -> list[Judged]:
    """All rules of the family."""
    return [*_steadiness(history), *_shape_of_gaps(history), *_shape_of_idles(history)]


def _steadiness(history: History) -> list[Judged]:
    claims = history.claims
    waited = np.exp(claims[-len(history.slacks) :]) + history.slacks if len(history.slacks) else history.slacks
    known = np.isfinite(waited) & (waited > 0)
    waits = less_median(np.log(waited[known]), history.kinds[-len(waited) :][known]) if known.any() else waited[known]
    return [
        _steady(history, "steady_gaps", history.gaps, "gaps between completions"),
        _steady(history, "steady_claims", np.exp(history.levelled), "claimed times"),
        _steady(history, "steady_waits", np.exp(waits), "times from issue to submission"),
    ]


def _steady(history: History, rule: str, values: Floats, what: str) -> Judged:
    least = TABLE[rule].least
    if len(values) < least:
        return too_few(rule, len(values), what)
    value = variation(values[-least:])
    return history.finding(
        rule, value, least, f"The last {least} {what} vary by only {value:.1%}; people vary by 5 % at least."
    )


def _shape_of_gaps(history: History) -> list[Judged]:
    gaps, what = history.gaps, "gaps inside sittings"
    found: list[Judged] = []
    if len(gaps) < TABLE["narrow_gaps"].least:
        found.append(too_few("narrow_gaps", len(gaps), what))
    else:
        value = over_median(gaps[-120:], 0.25, 0.75)
        reason = (
            f"The middle half of the last 120 gaps lies within {value:.1%} of their median; people need 10.5 % or more."
        )
        found.append(history.finding("narrow_gaps", value, 120, reason))
    return [
        *found,
        _no_pauses(history, "no_long_gaps", gaps, what),
        _even(history, "even_gaps", gaps, what),
    ]


def _shape_of_idles(history: History) -> list[Judged]:
    idles = history.idles
    rules = ("no_long_idles", "even_idles")
    if len(idles) >= TABLE[rules[0]].least and median(idles) < DECISION_SECONDS:
        return [silence(rule, "plays begin by themselves: half the idle times are under a second") for rule in rules]
    return [
        _no_pauses(history, rules[0], idles, "idle times"),
        _even(history, rules[1], idles, "idle times"),
    ]


def _no_pauses(history: History, rule: str, values: Floats, what: str) -> Judged:
    row = TABLE[rule]
    if len(values) < row.least:
        return too_few(rule, len(values), what)
    value = over_median(values[-row.least :], 0.0, 0.98)
    reason = f"Of {row.least} {what} hardly one is longer than {value:.2f} times the usual; people pause more."
    return history.finding(rule, value, row.least, reason)


def _even(history: History, rule: str, values: Floats, what: str) -> Judged:
    least = TABLE[rule].least
    if len(values) < least:
        return too_few(rule, len(values), what)
    value = l_skewness(values[-least:])
    reason = (
        f"{least} {what} are as often short as long (L-skewness {value:.2f}), as from a random number generator; "
        "people are late more than early (0.3 or more)."
    )
    return history.finding(rule, value, least, reason)
