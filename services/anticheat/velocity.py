"""Family E: being suddenly much faster than ever before, for long, or fast in some plays as in nobody's luck."""

from __future__ import annotations

import numpy as np

from services.anticheat.history import History, Judged, silence, too_few
from services.anticheat.state import packed, unpacked
from services.anticheat.statistics import Floats, median, quantile
from services.anticheat.thresholds import TABLE

LEVEL = 20
"""Plays whose median is a level: a personal best of a single play says nothing."""
STRIDE = 5
RECENT, APART = 60, 100
"""Plays that are compared, and at most so many that are kept out of what they are compared with."""
SLOW = 0.75
"""Of the latest plays, even slower ones have to be fast: somebody who changes between tasks is no cheat."""
LEAST_BASE = 120
"""Plays in which somebody of several tasks has shown most of them."""
LEAST_SPREAD = 0.15
"""Of log time: a very steady player is allowed the differences that others have between plays."""
LEAST_MOOD = 0.12
"""As that, between the levels of LEVEL plays in a row."""
CHANCE = 0.3
"""What chance alone makes of a spread in the level of LEVEL plays, about 1 / sqrt(LEVEL)."""
MINORITY = 200
IN_A_ROW = 0.3
"""Share of fast plays that another quick one follows, from which on they are another task and not a helper's."""


def judge(history: History) -> list[Judged]:
    """Both rules of the family."""
    return [_sudden(history), _minority(history)]


def base(times: Floats) -> Floats:
    """The plays of one action that the latest are compared with."""
    return times[: -min(max(len(times) - LEAST_BASE, RECENT), APART)]


def fastest(history: History) -> bytes:
    """The fastest level of each action that is far enough back not to be the latest plays', for the state."""
    levels = unpacked(history.state.levels)
    for kind in np.flatnonzero(np.bincount(history.kinds)):
        before = base(history.claims[history.kinds == kind])
        if len(before) >= LEVEL:
            levels[kind] = np.fmin(levels[kind], level(before))
    return packed(np.exp(levels)).tobytes()


def level(logs: Floats) -> float:
    """The least median of LEVEL plays in a row."""
    rows = np.lib.stride_tricks.sliding_window_view(logs, LEVEL)[::-STRIDE]
    middle = np.sort(rows, axis=1)[:, LEVEL // 2 - 1 : LEVEL // 2 + 1]
    return float(middle.mean(axis=1).min())


def robust_spread(logs: Floats, middle: float) -> float:
    """The median deviation, scaled to a normal one; no less than a coarse timer's step or what people change by."""
    below = logs[logs < middle - 1e-9]
    step = middle - float(below.max()) if len(below) else 0.0
    return max(1.4826 * median(np.abs(logs - middle)), LEAST_SPREAD, step)


def mood(logs: Floats, middle: float) -> float:
    """By how much the level of LEVEL plays in a row differs from time to time: good days, bad days, and chance."""
    blocks = len(logs) // LEVEL
    levels = logs[-blocks * LEVEL :].reshape(blocks, LEVEL).mean(axis=1)
    return max(float(levels.std()), CHANCE * robust_spread(logs, middle), LEAST_MOOD)


def _sudden(history: History) -> Judged:
    """By action, that of the latest play: how far the slower of the latest plays lie under the best level before."""
    rule, n = "sudden_skill", len(history.claims)
    kind = int(history.kinds[-1]) if n else 0
    times = history.claims[history.kinds == kind]
    if len(times) < TABLE[rule].least:
        return too_few(rule, len(times), "completions of the same action")
    before = base(times)
    best = float(np.fmin(unpacked(history.state.levels)[kind], level(before)))
    slow = quantile(np.sort(times[-RECENT:]), SLOW)
    value = (best - slow) / mood(before, median(before))
    reason = (
        f"Three in four of the last {RECENT} plays take less than {np.exp(slow):.1f} s; the best {LEVEL} in a row "
        f"before took {np.exp(best):.1f} s: {value:.1f} times what lies between good and bad days; people come to 0.8."
    )
    return history.finding(rule, value, len(times), reason)


def _minority(history: History) -> Judged:
    """Against all plays that are kept: a minority does not move a median."""
    rule, n = "fast_minority", len(history.claims)
    if n < TABLE[rule].least:
        return too_few(rule, n, "completions")
    levelled = history.levelled
    apart = levelled[-MINORITY:] / robust_spread(levelled, 0.0)
    fast, quick = apart < -4, apart < -2
    count = int(fast.sum())
    if count > 1 and int((quick[1:] & fast[:-1]).sum()) > IN_A_ROW * (count - 1):
        return silence(rule, "the fast plays follow one another: another task, or a good spell")
    reason = (
        f"{count} of the last {MINORITY} plays, one here and one there, are faster than usual by more than four times "
        "the usual spread, the others are not; people come to 8."
    )
    return history.finding(rule, count / MINORITY, n, reason)
