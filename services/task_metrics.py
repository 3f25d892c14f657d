"""How tasks went, and when beat was last seen, kept in Redis for /metrics.

Tasks run in processes that come and go behind prefork pools, on machines without a port of their own. So each adds to
one hash in the board's Redis, and whichever web server is asked speaks for all of them. Losing the hash is a counter
that starts at zero, which Prometheus knows from restarts.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field

from services.redis_client import RedisUnavailableError
from services.resources import Resources

KEY = "metrics:{tasks}"
BEAT = "metrics:{beat}"
BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0)
"""Upper bounds in seconds, as in a histogram; what took longer is only in the count."""

_pending: Counter[str] = Counter()
"""What this process could not yet tell, because Redis was away: failures happen just then."""


@dataclass
class TaskFigures:
    """One task since the hash began."""

    outcomes: dict[str, int] = field(default_factory=dict)
    """How many runs ended as success, retry or failure."""
    seconds: float = 0.0
    within: dict[float, int] = field(default_factory=dict)
    """Runs by the smallest bound that they kept."""
    last: float = 0.0
    """When the last one ended, in Unix seconds."""


def record(resources: Resources, task: str, outcome: str, seconds: float) -> None:
    """Count one run. One round trip; without Redis it waits for the next run."""
    bound = next((bound for bound in BOUNDS if seconds <= bound), None)
    _pending.update({f"{task}|outcome|{outcome}": 1})
    _pending[f"{task}|seconds"] += seconds  # type: ignore[assignment]  # A sum of fractions.
    if bound is not None:
        _pending[f"{task}|within|{bound}"] += 1
    commands = [("HINCRBYFLOAT", KEY, name, amount) for name, amount in _pending.items()]
    try:
        resources.quick.call(*commands, ("HSET", KEY, f"{task}|last|", time.time()))
    except RedisUnavailableError:
        return
    _pending.clear()


def read(resources: Resources) -> dict[str, TaskFigures]:
    """What all processes have recorded, by task. Raises RedisUnavailableError."""
    (flat,) = resources.quick.call(("HGETALL", KEY))
    figures: dict[str, TaskFigures] = {}
    for name, value in zip(flat[::2], flat[1::2], strict=True):
        task, kind, detail = (*name.decode().split("|"), "")[:3]
        found = figures.setdefault(task, TaskFigures())
        if kind == "outcome":
            found.outcomes[detail] = int(float(value))
        elif kind == "within":
            found.within[float(detail)] = int(float(value))
        elif kind in ("seconds", "last"):
            setattr(found, kind, float(value))
    return figures


def note_beat(resources: Resources) -> None:
    """Beat has just sent a task. Raises RedisUnavailableError."""
    resources.quick.call(("SET", BEAT, time.time()))


def beat_seen(resources: Resources) -> float | None:
    """When some beat last sent a task, in Unix seconds; None if none ever has. Raises RedisUnavailableError."""
    (seen,) = resources.quick.call(("GET", BEAT))
    return float(seen) if seen is not None else None
