"""Simulated honest players. They differ from each other by more than the real ones that were measured."""

from __future__ import annotations

import math
from dataclasses import dataclass

from bench.evaluate.play import DAY, HOUR, MINUTE, START, Clock, Log, Random, log_uniform
from services.anticheat.events import Event, Refusal

KINDS = (
    "plain", "drifting", "bursts", "coarse timers", "shared address", "retries", "metronome", "marathons",
    "instant start", "mixed games", "whole seconds",
)  # fmt: skip
PATIENCE = 120.0
"""Whoever has to wait longer for a limit leaves, and comes back when it suits."""


@dataclass
class Person:
    """What makes a person; seconds, and spreads of logarithms."""

    skill: float
    spread: float
    idle: float
    idle_spread: float
    pause: float
    """Share of plays before which the player looks away."""
    sittings: float
    sitting: float
    active: float
    """Share of days with any play."""
    day_spread: float
    learning: float
    """Exponent of the law of practice."""
    inspects: float
    rises: float
    resolution: float = 0.001
    breaks: float = 90 * MINUTE
    marathon: float = 0.01
    games: tuple[float, ...] = (1.0,)
    """How long plays are, against each other, where several games go by one name."""
    prompt: float = 180.0
    """Seconds, in the middle, until somebody is back after a long wait for a limit."""


def draw(rng: Random, kind: str) -> Person:
    """A person of a kind."""
    person = Person(
        skill=log_uniform(rng, 2.5, 60.0), spread=float(rng.uniform(0.13, 0.5)), idle=log_uniform(rng, 1.5, 30.0),
        idle_spread=float(rng.uniform(0.4, 1.1)), pause=float(rng.uniform(0.015, 0.08)),
        sittings=float(rng.uniform(0.8, 3.5)), sitting=log_uniform(rng, 8 * MINUTE, 50 * MINUTE),
        active=float(rng.uniform(0.4, 0.98)), day_spread=float(rng.uniform(0.03, 0.15)),
        learning=float(rng.uniform(0.0, 0.12)), inspects=float(rng.choice([0.0, 0.0, 3.0, 8.0])),
        rises=float(rng.uniform(6.0, 11.0)),
    )  # fmt: skip
    change: dict[str, dict[str, float]] = {
        "drifting": {"learning": float(rng.uniform(0.12, 0.35)), "day_spread": float(rng.uniform(0.1, 0.25))},
        "bursts": {"skill": log_uniform(rng, 2.0, 4.0), "idle": float(rng.uniform(0.8, 2.0)), "sittings": 4.0},
        "coarse timers": {"resolution": float(rng.choice([0.01, 0.01, 0.1, 1.0]))},
        "metronome": {
            "spread": float(rng.uniform(0.06, 0.12)), "idle_spread": float(rng.uniform(0.2, 0.4)),
            "pause": float(rng.uniform(0.01, 0.03)), "day_spread": 0.02, "learning": 0.0,
        },
        "marathons": {"marathon": 0.15, "breaks": float(rng.uniform(1.5, 3.0)) * HOUR, "sitting": 50 * MINUTE},
        "instant start": {"idle": float(rng.uniform(0.03, 0.3)), "idle_spread": 0.1},
    }  # fmt: skip
    if kind == "mixed games":
        person.games = (1.0, *(log_uniform(rng, 0.25, 3.0) for _ in range(int(rng.integers(1, 4)))))
    if kind in {"bursts", "marathons"}:
        person.prompt = log_uniform(rng, 30.0, 600.0)
    for name, value in change.get(kind, {}).items():
        setattr(person, name, value)
    return person


def simulate(rng: Random, kind: str, days: int) -> Log:
    """The log of one honest player."""
    person, clock = draw(rng, kind), Clock(rng, START)
    for day in range(days):
        if rng.random() < person.active:
            _day(rng, person, clock, START + day * DAY)
    log = clock.log
    log.events = [_rounded(event, person.resolution) for event in log.events]
    if kind == "whole seconds":
        log.events = [_by_the_second(event) for event in log.events]
    return _trouble(rng, log) if kind == "retries" else log


def _rounded(event: Event, resolution: float) -> Event:
    step = resolution * 1_000
    return event._replace(claimed_ms=max(round(round(event.claimed_ms / step) * step), 1))


def _by_the_second(event: Event) -> Event:
    """As a log tells it that keeps whole seconds and no issue times."""
    return event._replace(submitted_at=float(int(event.submitted_at)), issued_at=None)


def _day(rng: Random, person: Person, clock: Clock, midnight: float) -> None:
    form = float(rng.normal(0.0, person.day_spread))
    begin = midnight + person.rises * HOUR
    if rng.random() < person.marathon:
        end = begin + float(rng.uniform(6.0, 14.0)) * HOUR
        while begin < end:
            stretch = min(person.breaks * float(rng.lognormal(0.0, 0.25)), 4.5 * HOUR)
            _sitting(rng, person, clock, begin, begin + stretch, form)
            begin = clock.at + 15.5 * MINUTE + float(rng.exponential(15 * MINUTE))
        return
    for start in sorted(rng.uniform(0.0, 15 * HOUR, rng.poisson(person.sittings))):
        length = min(person.sitting * float(rng.lognormal(0.0, 0.5)), 2.5 * HOUR)
        _sitting(rng, person, clock, max(begin + start, clock.at + 60), begin + start + length, form)


def _sitting(rng: Random, person: Person, clock: Clock, begin: float, end: float, form: float) -> None:
    clock.at = max(clock.at, begin)
    drift, game = 0.0, 0
    while clock.at < end:
        if (wait := clock.held()) > PATIENCE:
            clock.at += wait + person.prompt * float(rng.lognormal(0.0, 1.0))
            end += wait
        if len(person.games) > 1 and rng.random() < 0.12:
            game = int(rng.integers(0, len(person.games)))
        drift = 0.95 * drift + float(rng.normal(0.0, 0.02))
        level = form + drift - person.learning * float(rng.normal(1.0, 0.02)) * _practice(clock)
        claim = person.skill * person.games[game] * float(rng.lognormal(max(level, -0.8), person.spread))
        claim = claim if claim > 1.1 else float(rng.uniform(1.05, 1.3))
        idle = person.idle * float(rng.lognormal(drift, person.idle_spread))
        if rng.random() < person.pause:
            idle += float(rng.lognormal(4.2, 0.9))
        extra = person.inspects * float(rng.lognormal(0.0, 0.4)) if person.inspects else 0.0
        clock.play(idle, claim, extra)


def _practice(clock: Clock) -> float:
    """The logarithm of how much practice there was, in units of the first twenty plays."""
    return math.log1p(len(clock.log.events) / 20)


def _trouble(rng: Random, log: Log) -> Log:
    """Lost answers that are sent again, events stored twice, outages and steps of a clock."""
    events: list[Event] = []
    for event in log.events:
        kind = rng.random()
        if kind < 0.02:
            log.refusals.append(Refusal(event.submitted_at + 1.0, "TOKEN_ALREADY_USED"))
        elif kind < 0.03:
            log.refusals += [Refusal(event.submitted_at - 3.0 + n, "SERVICE_UNAVAILABLE") for n in range(3)]
        elif kind < 0.035 and event.issued_at is not None:
            event = event._replace(issued_at=event.issued_at + float(rng.normal(0.0, 30.0)))  # noqa: PLW2901
        events += [event, event] if kind > 0.98 else [event]
    return Log(events, log.refusals)
