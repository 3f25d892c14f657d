"""Family A: times that are more even than people's. Programs wait with a timer; people are late more than early."""

from __future__ import annotations

import numpy as np

from services.anticheat.history import History, Judged, silence, too_few
from services.anticheat.statistics import Floats, correlation, l_moments, less_median, median, over_median, variation
from services.anticheat.thresholds import TABLE

DECISION_SECONDS = 1.0
"""A shorter idle time is a client that starts the next play by itself, which says nothing of its player."""
LEAST_VARIATION = 0.03


def judge(history: History) -> list[Judged]:
    """All rules of the family."""
    return [*_steadiness(history), *_shape_of_gaps(history), *_shape_of_idles(history)]


def _steadiness(history: History) -> list[Judged]:
    claims = history.claims
    waited = np.exp(claims) + history.slacks
    known = np.isfinite(waited) & (waited > 0)
    waits = less_median(np.log(waited[known]), history.kinds[known]) if known.any() else waited[known]
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
        _flat(history),
    ]


def _flat(history: History) -> Judged:
    """Both sides cut off, as a random number between two limits is; by action, since two tasks may look like it."""
    rule = "flat_gaps"
    least, playing = TABLE[rule].least, history.playing
    if int(playing.sum()) < least:
        return too_few(rule, int(playing.sum()), "gaps inside sittings")
    logs = np.log(history.all_gaps[playing][-least:])
    skewness, kurtosis = l_moments(np.exp(less_median(logs, history.kinds[playing][-least:])))
    value = max(kurtosis, abs(skewness) / 2)
    reason = (
        f"The last {least} gaps are spread evenly between a shortest and a longest (L-kurtosis {kurtosis:.2f}), "
        "as by a random number between two limits; people have most near the middle and some far out (0.160 or more)."
    )
    return history.finding(rule, value, least, reason)


def _shape_of_idles(history: History) -> list[Judged]:
    idles = history.idles
    rules = ("no_long_idles", "even_idles", "linked_idles")
    if len(idles) >= TABLE[rules[0]].least and median(idles) < DECISION_SECONDS:
        return [silence(rule, "plays begin by themselves: half the idle times are under a second") for rule in rules]
    return [
        _no_pauses(history, rules[0], idles, "idle times"),
        _even(history, rules[1], idles, "idle times"),
        _linked(history),
    ]


def _linked(history: History) -> Judged:
    """An idle time that follows from the play: the rest of a fixed period, or a fixed share of the play."""
    rule = "linked_idles"
    used = history.playing & np.isfinite(history.all_idles)
    n = min(int(used.sum()), TABLE[rule].least)
    if n < TABLE[rule].least:
        return too_few(rule, n, "idle times")
    idles, claims = history.all_idles[used][-n:], np.exp(history.claims[used][-n:])
    if median(idles) < DECISION_SECONDS or variation(claims) < LEAST_VARIATION:
        return silence(rule, "the plays, or the time between them, do not vary")
    value = correlation(idles, claims)
    how = "is the longer, the longer" if value > 0 else "is the shorter, the longer"
    reason = (
        f"The time before each of the last {n} plays {how} the play takes (rank correlation {value:.2f}), "
        "as if both came out of one calculation; people come to 0.7."
    )
    return history.finding(rule, value, n, reason, history.two_sided(rule, value))


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
    value, _ = l_moments(values[-least:])
    reason = (
        f"{least} {what} are as often short as long (L-skewness {value:.2f}), as from a random number generator; "
        "people are late more than early (0.3 or more)."
    )
    return history.finding(rule, value, least, reason)
