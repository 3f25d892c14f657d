"""Family C over all players: the exact times of another one, handed in again later.

One player's state does not know the others, so this looks at many histories together, as often as one likes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from services.anticheat.evalues import e_from_p
from services.anticheat.events import Event
from services.anticheat.evidence import MOST_ENTRIES, Evidence
from services.anticheat.state import action_code
from services.anticheat.thresholds import P_TELLING, TABLE

RULE = "others_times"
LENGTH = 6
"""Times in a row that are compared at once."""
Tokens = npt.NDArray[np.uint64]


def tokens(events: Sequence[Event]) -> Tokens:
    """A number for the action and the claimed time of each event."""
    codes = {name: action_code(name) << 32 for name in {event.action_type for event in events}}
    return np.array(
        [codes[event.action_type] | min(max(event.claimed_ms, 0), 2**32 - 1) for event in events], np.uint64
    )


def echoes(histories: Mapping[str, Sequence[Event]]) -> dict[str, Evidence]:
    """Evidence against those who repeat others, by player. Each history is in the order of submission."""
    names = [name for name, events in histories.items() if len(events) >= LENGTH]
    series = [tokens(histories[name]) for name in names]
    if len(names) < 2:
        return {}
    runs = _runs(series, [histories[name] for name in names])
    chance = _coincidence(np.concatenate(series))
    size = float(sum(map(len, series)))
    return {
        names[copier]: _evidence(histories[names[copier]][end - run + 1 : end + 1], run, names[source], chance, size)
        for copier, (run, end, source) in runs.items()
    }


def _evidence(copied: Sequence[Event], run: int, source: str, chance: float, size: float) -> Evidence:
    row = TABLE[RULE]
    p = math.exp(min(max(2 * math.log(size) - math.log(2) + run * math.log(chance), -700.0), 0.0))
    entries = tuple(event.entry_id for event in copied[-MOST_ENTRIES:])
    reason = f"{run} claimed times in a row are exactly those that {source} handed in before."
    e_value = float(f"{e_from_p(p):.9g}")
    return Evidence(row.family, RULE, row.statistic, run, row.telling, float(f"{p:.3g}"), run, entries, reason, e_value)


def telling(evidence: Evidence) -> bool:
    """Whether it would flag alone, before it is averaged with the family's other rules."""
    return evidence.percentile is not None and evidence.percentile <= P_TELLING


def _coincidence(every: Tokens) -> float:
    """How often two single times of anybody's are the same."""
    _, counts = np.unique(every, return_counts=True)
    n = len(every)
    return min((float((counts * (counts - 1.0)).sum()) / 2 + 1) / (n * (n - 1) / 2 + 1), 1 - 1e-12)


def _runs(series: Sequence[Tokens], events: Sequence[Sequence[Event]]) -> dict[int, tuple[int, int, int]]:
    """For each player who repeats another: the longest run, where it ends, and whose it was."""
    marks = np.concatenate([_marks(own) for own in series])
    owner = np.concatenate([np.full(len(own) - LENGTH + 1, place) for place, own in enumerate(series)])
    place = np.concatenate([np.arange(len(own) - LENGTH + 1) for own in series])
    order = np.argsort(marks, kind="stable")
    same = np.flatnonzero((marks[order][1:] == marks[order][:-1]) & (owner[order][1:] != owner[order][:-1]))
    found: dict[int, tuple[int, int, int]] = {}
    for one, other in zip(order[same], order[same + 1], strict=True):
        pair = [(int(owner[at]), int(place[at])) for at in (one, other)]
        source, copy = sorted(pair, key=lambda item: events[item[0]][item[1]].submitted_at)
        known = found.get(copy[0], (0, -1, -1))
        if known[2] == source[0] and known[1] - known[0] < copy[1] <= known[1]:
            continue
        back, ahead = _same(series[source[0]], source[1], series[copy[0]], copy[1])
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
