"""However somebody else's log is turned into events, a person is not flagged: the principle that comes before all."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
import pytest

from services.anticheat.detector import replay
from services.anticheat.events import Event
from tests.support.habits_of_cheats import START

Solve = tuple[float, str, float]
TASKS = {"three": 17.0, "four": 26.0, "two": 6.0}


def solves(seed: int, number: int = 2_500) -> list[Solve]:
    """Somebody who practises several tasks by turns over months: good and bad days, slow learning, pauses."""
    rng, at, found = random.Random(seed), START, []
    drift, task = 0.0, "three"
    for n in range(number):
        if rng.random() < 0.03:
            at, drift = at + rng.uniform(3, 90) * 3_600, rng.gauss(0, 0.06)
        if rng.random() < 0.15:
            task = rng.choice(list(TASKS))
        drift = 0.97 * drift + rng.gauss(0, 0.01)
        took = TASKS[task] * rng.lognormvariate(drift - 0.05 * np.log1p(n / 100), 0.17)
        at += took + rng.lognormvariate(2.2, 0.8) + (rng.lognormvariate(4.5, 1) if rng.random() < 0.04 else 0)
        found.append((at, task, took))
    return found


TURNED: dict[str, Callable[[float, float, float], float | None]] = {
    "exactly when it began": lambda at, took, _: at - took,
    "with time to think": lambda at, took, before: max(at - took - 3 - (at * 7 % 5), before),
    "nobody knows": lambda *_: None,
    "whole seconds": lambda at, took, _: float(round(at - took)),
    "right after the last one": lambda at, took, before: before if at - before < 280 else at - took,
    "constant latency": lambda at, took, _: at - took - 0.1,
}


@pytest.mark.parametrize("steps", [1, 10, 1_000])
@pytest.mark.parametrize("issued", TURNED)
@pytest.mark.parametrize("named", [True, False], ids=["by task", "one action"])
def test_a_person_is_not_flagged(issued: str, steps: int, named: bool) -> None:
    before, events = 0.0, []
    for n, (at, task, took) in enumerate(solves(len(issued) + steps)):
        second = float(int(at)) if issued == "whole seconds" else at
        claim = max(int(took * 1_000) // steps * steps, 1)
        events.append(Event(n, task if named else "solve", TURNED[issued](at, took, before), second, claim))
        before = at
    _, verdict = replay(events)
    assert not verdict.flagged, verdict.evidence
