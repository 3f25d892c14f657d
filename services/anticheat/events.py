"""What the detectors look at. Times are Unix seconds of the server's clock, durations milliseconds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

WINDOW_SECONDS = 3_600
"""A window is an hour of UTC: at most 100 completions under the limits, and the unit in which people sleep."""


class Event(NamedTuple):
    """One counted completion. `issued_at` is None where nobody kept when its token was issued."""

    entry_id: int
    action_type: str
    issued_at: float | None
    submitted_at: float
    claimed_ms: int


class Refusal(NamedTuple):
    """One refused call, by its error code."""

    at: float
    code: str


class Presence(NamedTuple):
    """An account that was seen from an address with an agent, both hashed by the caller."""

    user_id: int
    address: str
    agent: str
    at: float


@dataclass(frozen=True, slots=True)
class Window:
    """What one player did in one hour: `window_id` is the number of whole hours since 1970."""

    window_id: int
    events: Sequence[Event]
    refusals: Sequence[Refusal] = ()


def window_of(at: float) -> int:
    """The window that a moment lies in."""
    return int(at // WINDOW_SECONDS)


def windows(events: Iterable[Event], refusals: Iterable[Refusal] = ()) -> Iterator[Window]:
    """Everything of one player in windows, the oldest first, whatever the order it comes in."""
    found: dict[int, tuple[list[Event], list[Refusal]]] = {}
    for event in events:
        found.setdefault(window_of(event.submitted_at), ([], []))[0].append(event)
    for refusal in refusals:
        found.setdefault(window_of(refusal.at), ([], []))[1].append(refusal)
    for window_id in sorted(found):
        yield Window(window_id, *found[window_id])


def tidy(events: Iterable[Event]) -> list[Event]:
    """In the order of submission and without what was stored or delivered twice."""
    seen: set[tuple[object, ...]] = set()
    kept = []
    for event in sorted(events, key=lambda event: (event.submitted_at, event.entry_id)):
        marks = ((event.entry_id,), event[1:])
        if seen.isdisjoint(marks):
            kept.append(event)
        seen.update(marks)
    return kept
