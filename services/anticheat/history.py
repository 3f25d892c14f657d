"""A player's recent past as the families read it, and how a window's events join it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from services.anticheat.evalues import between, e_from_p
from services.anticheat.events import WINDOW_SECONDS, Event, Refusal
from services.anticheat.evidence import MOST_ENTRIES, Evidence, Silence
from services.anticheat.refusals import counted
from services.anticheat.state import (
    EVENTS,
    MOST_ACTIONS,
    UNKNOWN_SLACK,
    PlayerState,
    action_code,
    packed,
    unpacked,
)
from services.anticheat.statistics import Floats, Kinds, less_median, median
from services.anticheat.thresholds import BREAK_SECONDS, HOURLY_CAP, P_TELLING, TABLE

NOT_RELATED = 5.0
"""Seconds below nothing that an idle time may come out at, from times rounded or measured elsewhere."""
LIMITS = ((60.0, 10, 3.0), (3_600.0, HOURLY_CAP, 30.0), (86_400.0, 500, 60.0))
"""Seconds, completions in them, and how many seconds later somebody comes who has only waited for the limit."""
LONG = 1.5
"""A gap that is longer than the usual one by so much, and ends with a limit, is the limit's and not the player's."""
ROUNDED = 3e-4
"""Gaps are kept to a fiftieth of a percent."""
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class History:
    """The player's state with this window in it, and what only this window knows."""

    state: PlayerState
    entries: tuple[int, ...]
    longest_run: tuple[float, int] = (0.0, 0)
    """Hours and events of the longest stretch without a break that reached into this window."""

    @property
    def fresh(self) -> int:
        """How many of the latest events are this window's."""
        return len(self.entries)

    @property
    def uncleared(self) -> int:
        """How many of the latest events came after a reviewer cleared the player; all of them if nobody did."""
        return min(self.state.since, len(self.state.kinds))

    @cached_property
    def claims(self) -> Floats:
        """Natural logarithms of the claimed seconds."""
        return unpacked(self.state.claims)

    @cached_property
    def kinds(self) -> Kinds:
        """The action of each event, as a number."""
        return np.frombuffer(self.state.kinds, np.uint8)

    @cached_property
    def all_gaps(self) -> Floats:
        """Seconds from submission to submission for each event, nan for the first."""
        return np.exp(unpacked(self.state.gaps))

    @cached_property
    def playing(self) -> Flags:
        """The events whose gap lies inside a sitting, and which no limit has held up."""
        gaps = self.all_gaps
        inside = gaps <= BREAK_SECONDS
        return inside & ~(held(gaps) & (gaps > LONG * median(gaps[inside]))) if inside.any() else inside

    @cached_property
    def gaps(self) -> Floats:
        """Seconds from submission to submission inside sittings."""
        return self.all_gaps[self.playing]

    @cached_property
    def slacks(self) -> Floats:
        """Seconds that the server saw pass beyond the claim, nan where unknown."""
        slack = np.frombuffer(self.state.slacks, "<i2").astype(np.float64)
        seconds: Floats = np.where(slack == UNKNOWN_SLACK, np.nan, slack / 100)
        return seconds

    @cached_property
    def all_idles(self) -> Floats:
        """Seconds from a submission to the next token; without issue times, to where the next claim must have begun.

        nan where it would be well under nothing, as after a step of a clock.
        """
        idle = self.all_gaps - np.exp(self.claims) - np.nan_to_num(self.slacks)
        known: Floats = np.where(idle > -NOT_RELATED, np.maximum(idle, 0.0), np.nan)
        return known

    @cached_property
    def idles(self) -> Floats:
        """The idle times inside sittings; instant starts too."""
        return self.all_idles[self.playing & np.isfinite(self.all_idles)]

    @cached_property
    def levelled(self) -> Floats:
        """Claims as logarithms, each less the median of its action."""
        return less_median(self.claims, self.kinds)

    def finding(self, rule: str, value: float, n: int, reason: str, p: float | None = None) -> Evidence:
        """Evidence by a rule; p follows from the rule's two points unless given."""
        row = TABLE[rule]
        if p is None:
            p = between(value, row.telling, row.mild, P_TELLING, row.p_mild)
        return Evidence(
            row.family, rule, row.statistic, float(f"{value:.6g}"), row.telling, float(f"{p:.3g}"), n,
            self.entries[-min(n, MOST_ENTRIES) :], reason, float(f"{e_from_p(p):.9g}"),
        )  # fmt: skip

    def two_sided(self, rule: str, value: float) -> float:
        """The p of a statistic that tells by its size, whichever its sign."""
        row = TABLE[rule]
        return between(abs(value), row.telling, row.mild, P_TELLING, row.p_mild)


Judged = Evidence | Silence


def silence(rule: str, why: str) -> Silence:
    """A rule that cannot judge."""
    return Silence(TABLE[rule].family, rule, why)


def too_few(rule: str, n: int, what: str) -> Silence:
    """A rule that has not enough to go by."""
    return silence(rule, f"needs {TABLE[rule].least} {what}, has {n}")


def held(gaps: Floats) -> Flags:
    """The events that came just when one of the limits allowed them."""
    at = np.cumsum(np.nan_to_num(gaps, nan=0.0))
    found = np.zeros(len(at), np.bool_)
    for seconds, most, late in LIMITS:
        if len(at) > most:
            over = at[most:] - at[:-most] - seconds
            found[most:] |= (over > -ROUNDED * seconds) & (over < late)
    return found


def absorb(state: PlayerState, window_id: int, events: Sequence[Event], refusals: Sequence[Refusal]) -> History:
    """The state with the window's events in it. Events in order, each once."""
    calls, telling = counted(state.calls, state.telling, len(events), refusals)
    state = replace(
        state, window=window_id, hours=_hours(state, window_id, events), calls=calls, telling=telling,
        unjudged=min(state.unjudged + len(events), 65_535), since=min(state.since + len(events), 65_535),
    )  # fmt: skip
    if not events:
        return History(state, ())
    at = np.array([event.submitted_at for event in events], np.float64)
    gaps = np.diff(at, prepend=state.last_at if state.kinds else np.nan)
    state, run = _run(state, at, gaps)
    claims = np.array([min(max(event.claimed_ms, 1), 2**52) for event in events], np.float64) / 1_000
    issued = np.array([np.nan if event.issued_at is None else event.issued_at for event in events], np.float64)
    codes, kinds = _kinds(state.actions, events)
    state = replace(
        state,
        last_at=float(at[-1]),
        claims=_joined(state.claims, packed(claims), EVENTS),
        gaps=_joined(state.gaps, packed(gaps), EVENTS),
        slacks=_joined(state.slacks, _slack(at, claims, issued), EVENTS),
        kinds=(state.kinds + kinds)[-EVENTS:],
        actions=codes,
    )
    return History(state, tuple(event.entry_id for event in events[-EVENTS:]), run)


def _hours(state: PlayerState, window_id: int, events: Sequence[Event]) -> int:
    passed = min(window_id - state.window, 48) if state.window >= 0 else 48
    return (state.hours << passed | bool(events)) & (1 << 48) - 1


def _run(state: PlayerState, at: Floats, gaps: Floats) -> tuple[PlayerState, tuple[float, int]]:
    """The state with its unbroken stretch brought forward, and the longest stretch in the window."""
    breaks = np.flatnonzero(~((gaps >= 0) & (gaps <= BREAK_SECONDS)))
    starts = [(state.run_started, -state.run_events)] if not len(breaks) or breaks[0] > 0 else []
    starts += [(float(at[place]), int(place)) for place in breaks]
    ends = [*breaks[0 if starts[0][1] < 0 else 1 :], len(at)]
    runs = [((float(at[end - 1]) - start) / WINDOW_SECONDS, int(end) - first)
            for (start, first), end in zip(starts, ends, strict=True)]  # fmt: skip
    return replace(state, run_started=starts[-1][0], run_events=min(runs[-1][1], 2**31)), max(runs)


def _slack(at: Floats, claims: Floats, issued: Floats) -> npt.NDArray[np.int16]:
    known = np.isfinite(issued)
    slack = np.where(known, at - np.where(known, issued, at) - claims, 0.0)
    return np.where(known, np.clip(np.rint(slack * 100), -32_767, 32_767), UNKNOWN_SLACK).astype("<i2")


def _kinds(actions: tuple[int, ...], events: Sequence[Event]) -> tuple[tuple[int, ...], bytes]:
    """The known actions with new ones added while there is room, and each event's place among them."""
    places = {code: place for place, code in enumerate(actions)}
    kinds = bytearray()
    for event in events:
        code = action_code(event.action_type)
        if code not in places and len(places) < MOST_ACTIONS:
            places[code] = len(places)
        kinds.append(places.get(code, MOST_ACTIONS))
    return tuple(places), bytes(kinds)


def _joined(old: bytes, new: npt.NDArray[np.uint16] | npt.NDArray[np.int16], most: int) -> bytes:
    return (old + new[-most:].tobytes())[-2 * most :]
