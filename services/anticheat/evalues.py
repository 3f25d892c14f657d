"""From statistics to e-values: bets against honesty, which stay fair however often one looks."""

from __future__ import annotations

import math

LEAST_P = 1e-12
"""No statistic is trusted further than this: honest people have been measured by the thousand, not by the billion."""


def e_from_p(p: float) -> float:
    """The e-value of a p-value by a calibrator that needs no alternative: the mean of `k * p**(k - 1)` over k."""
    p = min(max(p, LEAST_P), 1.0)
    if p > 1 - 1e-6:
        return 0.5
    log = math.log(p)
    return (1 - p + p * log) / (p * log * log)


def between(value: float, telling: float, mild: float, p_telling: float, p_mild: float) -> float:
    """The p-value of a statistic from two known points, log p running straight between and beyond them.

    Works in either direction; `telling` and `mild` differ.
    """
    share = (value - mild) / (telling - mild)
    log = math.log(p_mild) + share * (math.log(p_telling) - math.log(p_mild))
    return math.exp(min(max(log, math.log(LEAST_P)), 0.0))


def advance(total: float, before: float, now: float) -> float:
    """R after a window: `(R + 1) * e`, where e is only what goes beyond what the family has said before.

    This is the cap on stable traits: someone who is unusually steady every day has shown one thing, once.
    """
    return float(f"{(total + 1) * now / before:.9g}") if now > before else total
