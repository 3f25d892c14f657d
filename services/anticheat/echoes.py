"""Family C over whole histories: exact times that another player, or the same one long ago, handed in before.

A player's state knows neither the others nor what lies more than a day of play back, so this looks at many histories
together, as often as one likes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from services.anticheat.evalues import e_from_p
from services.anticheat.events import Event
from services.anticheat.evidence import MOST_ENTRIES, Evidence
from services.anticheat.replay import coincidence
from services.anticheat.state import action_code
from services.anticheat.thresholds import P_TELLING, TABLE

OTHERS, OWN = "others_times", "repeated_times"
LENGTH = 6
"""Times in a row that are compared at once."""
Tokens = npt.NDArray[np.uint64]


def tokens(events: Sequence[Event]) -> Tokens:
    """A number for the action and the claimed time of each event."""
    codes = {name: action_code(name) << 32 for name in {event.action_type for event in events}}
    return np.array(
        [codes[event.action_type] | min(max(event.claimed_ms, 0), 2**32 - 1) for event in events], np.uint64
    )


def echoes(
    histories: Mapping[str, Sequence[Event]], cleared: Mapping[str, float] | None = None, most: int | None = None
) -> dict[str, Evidence]:
    """Evidence against those who repeat others or themselves, by player. Each history is in the order of submission.

    What somebody did until they were `cleared` is no copy, but may be copied by others. Where the times of two
    players are the same, `most` such places are followed up, spread evenly: a long run has many.
    """
    names = [name for name, events in histories.items() if len(events) >= LENGTH]
    events = [histories[name] for name in names]
    series = [tokens(own) for own in events]
    begins = [_begin(own, (cleared or {}).get(name)) for name, own in zip(names, events, strict=True)]
    found = [_own(own[at:], done[at:]) for own, done, at in zip(series, events, begins, strict=True)]
    found += _others(names, series, events, begins, most) if len(names) > 1 else []
    best: dict[str, Evidence] = {}
    for name, evidence in zip(names * 2, found, strict=False):
        if evidence and (name not in best or evidence.e_value >= best[name].e_value):
            best[name] = evidence
    return best


def _begin(events: Sequence[Event], cleared: float | None) -> int:
    """The place of the first event that may be a copy."""
    return 0 if cleared is None else sum(event.submitted_at <= cleared for event in events)


def _own(own: Tokens, events: Sequence[Event]) -> Evidence | None:
    if len(own) < LENGTH:
        return None
    run, start, lag = _again(own)
    copied = slice(start, start + run)
    reason = f"{run} claimed times in a row are exactly those that the player handed in {lag:,} completions earlier."
    return _evidence(OWN, own[copied], events[copied], reason, coincidence(own), len(own)) if run else None


def _others(
    names: list[str], series: list[Tokens], events: list[Sequence[Event]], begins: Sequence[int], most: int | None
) -> list[Evidence | None]:
    chance = _coincidence(np.concatenate(series))
    size = sum(map(len, series))
    found: list[Evidence | None] = [None] * len(names)
    for copier, (run, end, source) in _runs(series, events, begins, most).items():
        copied = slice(end - run + 1, end + 1)
        reason = f"{run} claimed times in a row are exactly those that {names[source]} handed in before."
        found[copier] = _evidence(OTHERS, series[copier][copied], events[copier][copied], reason, chance, size)
    return found


def _evidence(
    rule: str, times: Tokens, copied: Sequence[Event], reason: str, chance: float, size: int
) -> Evidence | None:
    """None where it is no more than chance. Equal times in a row, as rounds that ran out, count as one."""
    row, counted = TABLE[rule], np.cumsum(np.append(True, times[1:] != times[:-1]))
    pairs, each = 2 * math.log(size) - math.log(2), math.log(min(chance, 1 - 1e-12))
    p = math.exp(min(max(pairs + int(counted[-1]) * each, -700.0), 0.0))
    if p > row.p_mild:
        return None
    enough = int(np.searchsorted(counted, (math.log(P_TELLING) - pairs) / each))
    entries = tuple(event.entry_id for event in copied[-MOST_ENTRIES:])
    return Evidence(
        row.family, rule, row.statistic, len(copied), row.telling, float(f"{p:.3g}"), len(copied), entries, reason,
        float(f"{e_from_p(p):.9g}"), copied[enough].entry_id if enough < len(copied) else None,
    )  # fmt: skip


def telling(evidence: Evidence) -> bool:
    """Whether it would flag alone, before it is averaged with the family's other rules."""
    return evidence.percentile is not None and evidence.percentile <= P_TELLING


def _coincidence(every: Tokens) -> float:
    """How often two single times of anybody's are the same."""
    _, counts = np.unique(every, return_counts=True)
    n = len(every)
    return min((float((counts * (counts - 1.0)).sum()) / 2 + 1) / (n * (n - 1) / 2 + 1), 1 - 1e-12)


def _again(own: Tokens) -> tuple[int, int, int]:
    """The longest run that equals an earlier one: its length, where it begins, and how much earlier the other was.

    The two may touch but not overlap.
    """
    marks = _marks(own)
    order = np.argsort(marks, kind="stable")
    lags = np.zeros(len(marks), np.int64)
    same = marks[order][1:] == marks[order][:-1]
    lags[order[1:][same]] = (order[1:] - order[:-1])[same]
    lags[lags < LENGTH] = 0
    starts = np.flatnonzero(np.diff(lags, prepend=-1))
    runs = np.where(lags[starts] > 0, np.diff(starts, append=len(lags)) + LENGTH - 1, 0)
    runs = np.minimum(runs, lags[starts])
    longest = int(runs.argmax())
    return int(runs[longest]), int(starts[longest]), int(lags[starts[longest]])


def _runs(
    series: Sequence[Tokens], events: Sequence[Sequence[Event]], begins: Sequence[int], most: int | None
) -> dict[int, tuple[int, int, int]]:
    """For each player who repeats another: the longest run, where it ends, and whose it was."""
    marks = np.concatenate([_marks(own) for own in series])
    owner = np.concatenate([np.full(len(own) - LENGTH + 1, place) for place, own in enumerate(series)])
    place = np.concatenate([np.arange(len(own) - LENGTH + 1) for own in series])
    order = np.argsort(marks, kind="stable")
    same = np.flatnonzero((marks[order][1:] == marks[order][:-1]) & (owner[order][1:] != owner[order][:-1]))
    same = same if most is None else same[:: -(-len(same) // most) or 1]
    found: dict[int, tuple[int, int, int]] = {}
    for one, other in zip(order[same], order[same + 1], strict=True):
        pair = [(int(owner[at]), int(place[at])) for at in (one, other)]
        source, copy = sorted(pair, key=lambda item: events[item[0]][item[1]].submitted_at)
        known = found.get(copy[0], (0, -1, -1))
        if copy[1] < begins[copy[0]]:
            continue
        if known[2] == source[0] and known[1] - known[0] < copy[1] <= known[1]:
            continue
        back, ahead = _same(series[source[0]], source[1], series[copy[0]], copy[1])
        back = min(back, copy[1] - begins[copy[0]])
        if back + ahead > known[0]:
            found[copy[0]] = (back + ahead, copy[1] + ahead - 1, source[0])
    return found


def _same(one: Tokens, place: int, other: Tokens, where: int) -> tuple[int, int]:
    """How many tokens are the same before two places, and how many from there on."""
    return _length(one[:place][::-1], other[:where][::-1]), _length(one[place:], other[where:])


def _length(one: Tokens, other: Tokens) -> int:
    shorter = min(len(one), len(other))
    differ = np.flatnonzero(one[:shorter] != other[:shorter])
    return int(differ[0]) if len(differ) else shorter


def _marks(own: Tokens) -> Tokens:
    """A hash of each LENGTH tokens in a row."""
    marks = np.zeros(len(own) - LENGTH + 1, np.uint64)
    for step in range(LENGTH):
        marks = (marks ^ own[step : len(own) - LENGTH + 1 + step]) * np.uint64(0x9E3779B97F4A7C15)
        marks ^= marks >> np.uint64(29)
    return marks
