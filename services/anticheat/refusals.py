"""Family G: refusals that an honest client does not earn. A broken client earns them too, but then hardly gets paid."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import betaln, gammaln

from services.anticheat.events import Refusal
from services.anticheat.thresholds import TABLE
from services.refusals import TELLING

if TYPE_CHECKING:
    from services.anticheat.history import History, Judged

LIMIT = "RATE_LIMIT_EXCEEDED"
OUTAGE = {"SERVICE_UNAVAILABLE", "INTERNAL_ERROR"}
OUTAGE_SECONDS = 300.0
AT_ONCE = 0.3
"""Seconds after which a client that was told to wait comes back at the earliest; quicker is a loop."""
MOST_CALLS = 1_000.0
PRIOR = (0.5, 49.5)
WORKING = 20
"""Completions that counted, before which the client may be broken."""
LEAST_P_BROKEN = 1e-7
"""A remark and no flag, whatever the share."""


def counted(calls: float, telling: float, completions: int, refusals: Sequence[Refusal]) -> tuple[float, float]:
    """The counts of calls and telling refusals with a window's added; what happened around an outage is left out."""
    ordered = sorted(refusals)
    outages = np.array([refusal.at for refusal in ordered if refusal.code in OUTAGE])
    last_limit = -np.inf
    for refusal in ordered:
        if refusal.code in OUTAGE or _near(outages, refusal.at):
            continue
        calls += 1
        telling += refusal.code in TELLING or (refusal.code == LIMIT and refusal.at - last_limit < AT_ONCE)
        last_limit = refusal.at if refusal.code == LIMIT else last_limit
    calls += completions
    while calls > MOST_CALLS:
        calls, telling = calls / 2, telling / 2
    return float(np.float32(calls)), float(np.float32(telling))


def _near(outages: np.typing.NDArray[np.float64], at: float) -> bool:
    place = int(np.searchsorted(outages, at - OUTAGE_SECONDS))
    return place < len(outages) and bool(outages[place] <= at + OUTAGE_SECONDS)


def tail(k: int, n: int) -> float:
    """The beta-binomial chance of k or more of n."""
    i = np.arange(k, n + 1)
    logs = gammaln(n + 1) - gammaln(i + 1) - gammaln(n - i + 1) + betaln(i + PRIOR[0], n - i + PRIOR[1])
    return min(float(np.exp(logs - betaln(*PRIOR)).sum()), 1.0)


def judge(history: History) -> list[Judged]:
    """The rule of the family."""
    from services.anticheat.history import too_few  # noqa: PLC0415 -- History counts by `counted`

    rule = "probing"
    n, k = round(history.state.calls), round(history.state.telling)
    if n < TABLE[rule].least:
        return [too_few(rule, n, "calls")]
    reason = f"{k} of {n} calls were refused for what an honest client does not send; one in a hundred would be much."
    least = 0.0 if len(history.kinds) >= WORKING else LEAST_P_BROKEN
    return [history.finding(rule, k / n, n, reason, max(tail(k, n), least) if k else 1.0)]
