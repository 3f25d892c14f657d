"""Family B: what the client claims against what the server's clock saw."""

from __future__ import annotations

import numpy as np
from scipy.special import bdtrc

from services.anticheat.history import History, Judged, silence, too_few
from services.anticheat.statistics import Floats, Kinds, correlation, less_median, median
from services.anticheat.thresholds import MINIMUM_SLACK, TABLE

CLOCK_STEPS = 0.02
"""Share of honest completions that a step of a clock may spoil."""
LEAST_SPREAD = 0.05
"""Seconds by which claims have to vary, for anything to depend on them."""
COARSE = 1.2
SAME = 5e-4
"""Claims are kept to a fiftieth of a percent."""
RELATED = 60
RULES = ("impossible_claims", "unrelated_claims")


def judge(history: History) -> list[Judged]:
    """Both rules, or why they cannot tell."""
    slack = history.slacks
    known = np.isfinite(slack)
    if not known.any():
        return [silence(rule, "no issue times: the server's clock is not known") for rule in RULES]
    claims = np.exp(history.claims[-len(slack) :][known])
    kinds = history.kinds[-len(slack) :][known]
    return [_impossible(history, slack[known]), _unrelated(history, slack[known], claims, kinds)]


def _impossible(history: History, slack: Floats) -> Judged:
    rule, n = "impossible_claims", len(slack)
    if n < TABLE[rule].least:
        return too_few(rule, n, "issue times")
    over = int((slack < MINIMUM_SLACK).sum())
    p = float(bdtrc(over - 1, n, CLOCK_STEPS)) if over else 1.0
    reason = f"{over} of the last {n} claims are longer than the time between token and submission, which cannot be."
    return history.finding(rule, over / n, n, reason, p)


def _unrelated(history: History, slack: Floats, claims: Floats, kinds: Kinds) -> Judged:
    """An honest claim is a part of what the server saw: what is left over does not follow from it."""
    rule, n = "unrelated_claims", min(len(slack), RELATED)
    if n < TABLE[rule].least:
        return too_few(rule, n, "issue times")
    slack, claims, kinds = slack[-n:], claims[-n:], kinds[-n:]
    apart = less_median(claims, kinds)
    if float(apart.std()) < max(COARSE * resolution(claims), LEAST_SPREAD):
        return silence(rule, "the claims do not vary by more than their timer's step")
    value = correlation(apart, less_median(slack, kinds))
    how = "shrinks as the claim grows, as if it were made up" if value < 0 else "grows with the claim, as a share of it"
    reason = f"What the server's clock saw beyond the claim {how} (rank correlation {value:.2f}, {n} completions)."
    return history.finding(rule, value, n, reason, history.two_sided(rule, value))


def resolution(claims: Floats) -> float:
    """The step of the client's timer, in seconds, or the distance between claims where it is finer than those.

    What a coarse timer adds to a claim is missing in the slack, as if the two were related.
    """
    steps = np.diff(np.unique(np.round(claims, 3)))
    return median(steps[steps > SAME * claims.max()]) if (steps > SAME * claims.max()).any() else 0.0
