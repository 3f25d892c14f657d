"""Family B: what the client claims against what the server's clock saw."""

from __future__ import annotations

import math

import numpy as np
from scipy.special import bdtrc, stdtr

from services.anticheat.history import History, Judged, silence, too_few
from services.anticheat.statistics import Floats, Kinds, less_median, median
from services.anticheat.thresholds import MINIMUM_SLACK, TABLE

CLOCK_STEPS = 0.02
"""Share of honest completions that a step of a clock may spoil."""
CLOCK_SECONDS = 0.01
"""The step in which slack is kept."""
LEAST_SPREAD = 0.05
"""Seconds by which claims have to vary, for anything to depend on them."""
COARSE = 1.2
SAME = 5e-4
"""Claims are kept to a fiftieth of a percent."""
PLANNING_SHORTENS, PLANNING_GROWS = 0.4, 0.5
"""By how much a second's longer play may go with less or more time before it, in honest play."""
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
    """An honest claim is a part of what the server saw: what is left over does not depend on it."""
    rule, n = "unrelated_claims", len(slack)
    if n < TABLE[rule].least:
        return too_few(rule, n, "issue times")
    apart = less_median(claims, kinds)
    fit = slope(apart, less_median(slack, kinds))
    if fit is None or float(apart.std()) < COARSE * resolution(claims):
        return silence(rule, "the claims do not vary by more than their timer's step")
    value, error = fit
    excess = max(-PLANNING_SHORTENS - value, value - PLANNING_GROWS) / error
    p = 2 * float(stdtr(n - 2, -excess)) if excess > 0 else 1.0
    reason = (
        f"Over {n} completions the server's time does not follow the claimed time: for each second more that is "
        f"claimed, {1 + value:.1f} s pass (honest clients: 1.0)."
    )
    return history.finding(rule, value, n, reason, min(p, 1.0))


def resolution(claims: Floats) -> float:
    """The step of the client's timer, in seconds, or the distance between claims where it is finer than those.

    What a coarse timer adds to a claim is missing in the slack, as if the two were related.
    """
    steps = np.diff(np.unique(np.round(claims, 3)))
    return median(steps[steps > SAME * claims.max()]) if (steps > SAME * claims.max()).any() else 0.0


def slope(x: Floats, y: Floats) -> tuple[float, float] | None:
    """By how much y grows with x, and the standard error of that; None if x does not vary. Odd values are drawn in."""
    x, y = _drawn_in(x), _drawn_in(y)
    x, y = x - x.mean(), y - y.mean()
    width = float(x @ x)
    if width < len(x) * LEAST_SPREAD**2:
        return None
    value = float(x @ y) / width
    rest = y - value * x
    return value, math.sqrt((float(rest @ rest) / (len(x) - 2) + CLOCK_SECONDS**2) / width)


def _drawn_in(values: Floats) -> Floats:
    """Values beyond five robust deviations from the median put there: somebody who was called away proves nothing."""
    middle = median(values)
    reach = 5 * max(1.4826 * median(np.abs(values - middle)), CLOCK_SECONDS)
    inside: Floats = np.clip(values, middle - reach, middle + reach)
    return inside
