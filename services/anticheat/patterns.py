"""Two patterns that a program shows and a person does not. Each is a pure function from events to a finding or None."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

REGULARITY_EVENTS = 30
MIN_VARIATION = 0.03
"""Of 1,466 windows of 30 solves by real people the steadiest had a coefficient of variation of 0.052."""
PAUSE_SECONDS = 900.0
"""A longer gap is a break between two sittings, and says nothing of how steadily someone plays."""
VELOCITY_SECONDS = 10_800
HOURLY_CAP = 100
CAP_SHARE = 0.98
"""Three hours at the limit without letting up: the longest run of real people was 2.86 hours, and far slower."""


class Event(NamedTuple):
    """One counted completion: its ledger entry, when it was submitted (Unix seconds), and the time claimed."""

    entry_id: int
    submitted_at: float
    claimed_ms: int


@dataclass(frozen=True)
class Finding:
    """A reason to doubt a player, in numbers and in one sentence."""

    rule: str
    value: float
    threshold: float
    entries: tuple[int, ...]
    reason: str


def regularity(events: Sequence[Event]) -> Finding | None:
    """Whether the gaps between the last completions are as even as a clock's. Events in the order of time."""
    pairs = [pair for pair in pairwise(events) if pair[1].submitted_at - pair[0].submitted_at <= PAUSE_SECONDS]
    recent = pairs[-REGULARITY_EVENTS:]
    if len(recent) < REGULARITY_EVENTS:
        return None
    gaps = [later.submitted_at - earlier.submitted_at for earlier, later in recent]
    mean = statistics.fmean(gaps)
    variation = statistics.pstdev(gaps) / mean if mean > 0 else 0.0
    if variation >= MIN_VARIATION:
        return None
    return Finding(
        "regular_gaps",
        round(variation, 4),
        MIN_VARIATION,
        tuple(dict.fromkeys(event.entry_id for pair in recent for event in pair)),
        f"{len(gaps)} gaps of {mean:.1f} s between completions vary by only {variation:.1%}; "
        "people vary by 5 % at least.",
    )


def velocity(events: Sequence[Event]) -> Finding | None:
    """Whether a player has been at the limit of completions for hours. Events in the order of time."""
    if not events:
        return None
    recent = [event for event in events if event.submitted_at > events[-1].submitted_at - VELOCITY_SECONDS]
    cap = HOURLY_CAP * VELOCITY_SECONDS / 3600
    share = len(recent) / cap
    if share < CAP_SHARE:
        return None
    return Finding(
        "sustained_velocity",
        round(share, 4),
        CAP_SHARE,
        tuple(event.entry_id for event in recent),
        f"{len(recent)} completions within three hours: {share:.0%} of what the limits let through, "
        "without letting up.",
    )


PATTERNS = (regularity, velocity)
