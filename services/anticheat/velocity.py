"""Family E: being suddenly much faster than before, for long, or fast in some plays as in nobody's luck."""

from __future__ import annotations

import numpy as np

from services.anticheat.history import History, Judged, too_few
from services.anticheat.statistics import Floats, median
from services.anticheat.thresholds import TABLE

RECENT, MINORITY = 20, 200
LEAST_BASE = 25
"""Plays of an action before, without which its times are not compared."""
LEAST_SPREAD = 0.15
"""Of log time: a very steady player is allowed the differences that others have between plays."""
LEAST_MOOD = 0.12
"""As that, between the levels of RECENT plays in a row."""
CHANCE = 0.3
"""What chance alone makes of a spread in the level of RECENT plays, about 1 / sqrt(RECENT)."""


def judge(history: History) -> list[Judged]:
    """Both rules of the family."""
    return [_sudden(history), _minority(history)]


def deviations(history: History, recent: int) -> Floats:
    """How much faster the last `recent` plays were than all before them, by action, in moods."""
    claims, kinds = history.claims, history.kinds
    out = np.full(recent, np.nan)
    for kind in np.flatnonzero(np.bincount(kinds[-recent:])):
        base = claims[:-recent][kinds[:-recent] == kind]
        if len(base) >= LEAST_BASE:
            middle = median(base)
            spread = mood(base, middle)
            own = kinds[-recent:] == kind
            out[own] = (middle - claims[-recent:][own]) / spread
    known: Floats = out[np.isfinite(out)]
    return known


def robust_spread(logs: Floats, middle: float) -> float:
    """The median deviation, scaled to a normal one; no less than a coarse timer's step or what people change by."""
    below = logs[logs < middle - 1e-9]
    step = middle - float(below.max()) if len(below) else 0.0
    return max(1.4826 * median(np.abs(logs - middle)), LEAST_SPREAD, step)


def mood(logs: Floats, middle: float) -> float:
    """By how much the level of RECENT plays in a row differs from time to time: good days, bad days, and chance."""
    blocks = len(logs) // RECENT
    levels = logs[-blocks * RECENT :].reshape(blocks, RECENT).mean(axis=1)
    return max(float(levels.std()), CHANCE * robust_spread(logs, middle), LEAST_MOOD)


def _sudden(history: History) -> Judged:
    rule, n = "sudden_skill", len(history.claims)
    faster = deviations(history, RECENT) if n >= TABLE[rule].least else np.empty(0)
    if len(faster) < RECENT * 3 // 4:
        return too_few(rule, n, "completions, and 25 of the same action before")
    value = median(faster)
    reason = (
        f"The last {len(faster)} plays are faster than this player's {n - RECENT} before them by {value:.1f} times "
        "what usually lies between good and bad days; people come to 3.4."
    )
    return history.finding(rule, value, n, reason)


def _minority(history: History) -> Judged:
    """Against all plays that are kept: a minority does not move a median."""
    rule, n = "fast_minority", len(history.claims)
    if n < TABLE[rule].least:
        return too_few(rule, n, "completions")
    levelled = history.levelled
    spread = robust_spread(levelled, 0.0)
    fast = int((levelled[-MINORITY:] < -4 * spread).sum())
    reason = (
        f"{fast} of the last {MINORITY} plays are faster than usual by more than four times the usual spread, "
        "the others are not; luck does that to 3 at most."
    )
    return history.finding(rule, fast / MINORITY, n, reason)
