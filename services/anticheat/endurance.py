"""Family D: playing longer than anybody can. People sleep, eat and leave the room."""

from __future__ import annotations

import numpy as np

from services.anticheat.history import History, Judged, silence, too_few
from services.anticheat.state import unpacked
from services.anticheat.thresholds import BREAK_SECONDS, HOURLY_CAP, TABLE

CAP_HOURS = 4


def judge(history: History) -> list[Judged]:
    """All rules of the family."""
    return [_active_hours(history), _no_break(history), _at_the_cap(history)]


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
    gaps = np.nan_to_num(np.exp(unpacked(history.state.gaps)), nan=2e6, posinf=2e6)
    back = np.cumsum(gaps[::-1])
    count = int(np.searchsorted(back, CAP_HOURS * 3_600, "right"))
    if count < TABLE[rule].least or (gaps[-count:] > BREAK_SECONDS).any():
        return silence(rule, f"needs {CAP_HOURS} hours near the limit without a break")
    share = count / (CAP_HOURS * HOURLY_CAP)
    if share > 1.02:
        return silence(rule, f"more than {HOURLY_CAP} an hour: the limits are not in force here")
    reason = f"{count} completions in {CAP_HOURS} hours without a break: {share:.0%} of what the limits let through."
    return history.finding(rule, share, count, reason)
