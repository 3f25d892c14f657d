"""Histories for the tests of the detectors: people, and programs of one trait each."""

from __future__ import annotations

import random
from collections.abc import Callable

from services.anticheat.events import Event, Window
from services.anticheat.history import History, absorb
from services.anticheat.state import PlayerState

START = 1_760_000_400.0


def person(number: int, seed: int = 1, spread: float = 0.25, start: float = START) -> list[Event]:
    """Somebody who plays 40 rounds at a time, twice a day, and looks away at times."""
    rng, at, events = random.Random(seed), start, []
    for n in range(1, number + 1):
        claim = rng.lognormvariate(2.5, spread)
        at += rng.lognormvariate(2.0, 0.7) + (rng.lognormvariate(4.5, 0.7) if rng.random() < 0.05 else 0.0) + claim
        at += 9 * 3_600 if n % 40 == 0 else 0.0
        events.append(Event(n, "puzzle", at - claim - rng.lognormvariate(-2.0, 0.5), at, round(claim * 1_000)))
    return events


def program(number: int, gap: Callable[[], float], claim: Callable[[float], float] | None = None) -> list[Event]:
    """A program that submits after `gap` seconds; it claims what it waited, less a tenth of a second, or as told."""
    at, events = START, []
    for n in range(1, number + 1):
        waited = gap()
        at += waited
        events.append(
            Event(n, "puzzle", at - waited * 0.8, at, round((claim or (lambda g: g * 0.8 - 0.1))(waited) * 1_000))
        )
    return events


def history(events: list[Event], fresh: int = 100) -> History:
    """The events taken in, the last `fresh` of them as one window."""
    before = absorb(PlayerState(), 0, events[:-fresh], ()).state if len(events) > fresh else PlayerState()
    return absorb(before, 1, events[-fresh:], ())


def window(number: int, events: list[Event]) -> Window:
    """A window by number, whatever the times of its events."""
    return Window(number, events)
