"""Family D: playing longer than anybody can. People sleep, eat and leave the room."""

from __future__ import annotations

import numpy as np
from scipy.special import bdtrc

from services.anticheat.history import ROUNDED, History, Judged, silence, too_few
from services.anticheat.thresholds import BREAK_SECONDS, HOURLY_CAP, TABLE

CAP_HOURS = 4
LOCKED_SECONDS, PROMPT_SECONDS = 600.0, 5.0
"""Who could not play for ten minutes because of the hourly limit, and is back so soon after, has not been waiting."""
PROMPT = 0.005
"""Share of such waits after which a person is back to the second; an assumption."""


def judge(history: History) -> list[Judged]:
    """All rules of the family."""
    return [_active_hours(history), _no_break(history), _at_the_cap(history), _prompt_returns(history)]


def _active_hours(history: History) -> Judged:
    active = (history.state.hours & (1 << 24) - 1).bit_count()
    reason = f"Played in {active} of the last 24 hours; people need sleep, and none measured played in more than 13."
    return history.finding("active_hours", active, active, reason)


def _no_break(history: History) -> Judged:
    rule = "no_break"
    hours, events = history.longest_run
    if events < TABLE[rule].least:
        return too_few(rule, events, "completions without a break of 15 minutes")
    reason = f"Played {hours:.1f} hours without a break of 15 minutes ({events} completions); people stop within 3."
    return history.finding(rule, hours, events, reason)


def _at_the_cap(history: History) -> Judged:
    """Completions in the last four hours, as a share of what the limit lets through."""
    rule = "at_the_cap"
    gaps = np.nan_to_num(history.all_gaps, nan=2e6)
    back = np.cumsum(gaps[::-1])
    count = int(np.searchsorted(back, CAP_HOURS * 3_600, "right"))
    if count < TABLE[rule].least or (gaps[-count:] > BREAK_SECONDS).any():
        return silence(rule, f"needs {CAP_HOURS} hours near the limit without a break")
    share = count / (CAP_HOURS * HOURLY_CAP)
    if share > 1.02:
        return silence(rule, f"more than {HOURLY_CAP} an hour: the limits are not in force here")
    reason = f"{count} completions in {CAP_HOURS} hours without a break: {share:.0%} of what the limits let through."
    return history.finding(rule, share, count, reason)


def _prompt_returns(history: History) -> Judged:
    """How often the player was back the moment that a used-up hourly limit let them, after a long wait."""
    rule, most = "prompt_returns", HOURLY_CAP
    gaps = np.nan_to_num(history.all_gaps, nan=0.0)
    at = np.cumsum(gaps)
    since = at[most:] - at[:-most] - 3_600.0 if len(at) > most else at[:0]
    waits = (gaps[most:] >= LOCKED_SECONDS) & (since - gaps[most:] <= -LOCKED_SECONDS)
    n = int(waits.sum())
    if n < TABLE[rule].least:
        return too_few(rule, n, "waits of ten minutes for the hourly limit")
    back = int((waits & (since > -ROUNDED * 3_600) & (since <= PROMPT_SECONDS)).sum())
    p = float(bdtrc(back - 1, n, PROMPT)) if back else 1.0
    reason = (
        f"After {back} of {n} waits of ten minutes or more for the hourly limit the next completion came within "
        f"{PROMPT_SECONDS:.0f} s of the first moment possible; people come back when it suits them."
    )
    return history.finding(rule, back, n, reason, p)
