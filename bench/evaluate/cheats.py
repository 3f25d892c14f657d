"""The twelve kinds of cheats, their parameters drawn from ranges. None knows what the detectors look at."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

from bench.evaluate.honest import draw, simulate
from bench.evaluate.play import DAY, HOUR, MINUTE, START, Clock, Log, Random, log_uniform
from services.anticheat.events import Event

Draw = Callable[[], float]


@dataclass(frozen=True)
class Kind:
    """One row of the table. `target` is the share to be found within `within` events (or days) of cheating."""

    number: str
    name: str
    make: Callable[[Random], Log]
    target: float
    within: float
    unit: Literal["events", "days"] = "events"


def _schedule(rng: Random, clock: Clock, turn: Callable[[], None], days: float, attended: bool = False) -> Log:
    """Turns for some hours a day; the attended ones with a person's breaks, the others on and on."""
    hours = float(rng.uniform(3.0, 10.0) if attended else rng.uniform(4.0, 24.0))
    rises, begins = float(rng.uniform(0.0, 24.0)), clock.at
    for day in range(round(days)):
        clock.at = max(clock.at, begins + day * DAY + rises * HOUR)
        end = clock.at + hours * HOUR
        while clock.at < end:
            stop = clock.at + (float(rng.uniform(20, 90)) * MINUTE if attended else DAY)
            while clock.at < min(stop, end):
                turn()
            clock.at += 16 * MINUTE + float(rng.exponential(20 * MINUTE)) if attended else 0.0
    return clock.log


def _claims(rng: Random, gap: Draw) -> Callable[[Clock], None]:
    """A turn of a bot by gaps: it waits, and claims a share of it, or a time as people need it."""
    share, human = float(rng.uniform(0.3, 0.9)), rng.random() < 0.5
    skill, spread = log_uniform(rng, 2.0, 8.0), float(rng.uniform(0.15, 0.35))

    def turn(clock: Clock) -> None:
        whole = max(gap(), 2.0)
        claim = min(skill * float(rng.lognormal(0.0, spread)), whole * 0.95) if human else whole * share
        clock.play(0.0, claim, gap=whole)

    return turn


def timer(rng: Random, form: str, width: float, days: float = 4) -> Log:
    """1 to 4: gaps of one length, with normal or uniform jitter, or whole seconds at random."""
    period, least = log_uniform(rng, 12.0, 90.0), int(rng.integers(6, 20))
    most = least + int(rng.integers(10, 60))
    gaps: dict[str, Draw] = {
        "normal": lambda: float(rng.normal(period, width * period)),
        "uniform": lambda: period * float(rng.uniform(1 - width, 1 + width)),
        "seconds": lambda: float(rng.integers(least, most + 1)),
    }
    clock = Clock(rng, START)
    turn = _claims(rng, gaps[form])
    return _schedule(rng, clock, lambda: turn(clock), days, attended=rng.random() < 0.5)


def exponential(rng: Random) -> Log:
    """5: exponential waits, unattended, claims made up in half of them."""
    clock, mean = Clock(rng, START), log_uniform(rng, 20.0, 120.0)
    skill, spread, forged = log_uniform(rng, 3.0, 15.0), float(rng.uniform(0.2, 0.4)), rng.random() < 0.5

    def turn() -> None:
        wait = 3.0 + float(rng.exponential(mean))
        claim = skill * float(rng.lognormal(0.0, spread))
        if forged:
            clock.raw(wait, min(claim, wait - 0.2), wait - 0.1)
        else:
            clock.play(wait, claim)

    return _schedule(rng, clock, turn, 7)


def lognormal(rng: Random) -> Log:
    """6: claims and idle times drawn from a person's own distributions; half of them keep a person's hours."""
    person, clock = draw(rng, "plain"), Clock(rng, START)

    def turn() -> None:
        clock.play(
            person.idle * float(rng.lognormal(0.0, person.idle_spread)),
            max(person.skill, 1.2) * float(rng.lognormal(0.0, person.spread)),
        )

    return _schedule(rng, clock, turn, 14, attended=rng.random() < 0.5)


def recorded(rng: Random, length: int) -> list[Event]:
    """The first completions of an honest player."""
    events: list[Event] = []
    while len(events) < length:
        events = simulate(rng, "plain", 15 * math.ceil(length / 400)).events
    return events[:length]


def replay(rng: Random, noise: float, least: int = 80, most: int = 400, days: float = 8) -> Log:
    """7 and 8: what a person has played, handed in again and again by a program, exactly or with noise."""
    record = recorded(rng, int(rng.integers(least, most + 1)))
    clock = Clock(rng, START)
    clock.resume(record)
    idle, spread = log_uniform(rng, 3.0, 20.0), float(rng.uniform(0.5, 0.9))
    times = itertools.cycle(event.claimed_ms / 1_000 for event in record)

    def turn() -> None:
        factor = float(rng.normal(1.0, noise)) if noise else 1.0
        clock.play(idle * float(rng.lognormal(0.0, spread)), next(times) * max(factor, 0.2))

    log = _schedule(rng, clock, turn, days, attended=True)
    log.turns = len(record)
    return log


def tireless(rng: Random, how: str) -> Log:
    """9: around the clock as a person plays, or at the limit of the hour: evenly, or in ten minutes of each hour."""
    clock, skill = Clock(rng, START, late=0.2), log_uniform(rng, 3.0, 15.0)
    pause = {"clock": float(rng.uniform(90.0, 165.0)), "even": 36.0 - skill, "bursts": 1.0}[how]
    spread = 0.6 if how == "clock" else float(rng.uniform(0.0, 0.1))
    while clock.at < START + 1.5 * DAY and len(clock.log.events) < 1_000:
        claim = skill * float(rng.lognormal(0.0, 0.3))
        if how == "even":
            clock.play(0.0, min(claim, 30.0), gap=36.0 * float(rng.lognormal(0.0, spread)))
        else:
            clock.play(pause * float(rng.lognormal(-0.15, spread)), claim if how == "clock" else 1.0 + claim / 8)
    return clock.log


def forged(rng: Random, how: str) -> Log:
    """10: claims that have nothing to do with what passed; `told` is one that the server cannot tell."""
    clock, idle = Clock(rng, START), log_uniform(rng, 3.0, 20.0)
    fixed, share = log_uniform(rng, 8.0, 40.0), float(rng.uniform(0.3, 0.6))
    spread = float(rng.uniform(0.2, 0.4))

    def turn() -> None:
        wait = idle * float(rng.lognormal(0.0, 0.7))
        elapsed = fixed * float(rng.lognormal(0.0, 0.02 if how == "fixed" else spread))
        own = fixed * 0.55 * float(rng.lognormal(0.0, spread))
        claim = {"fixed": min(own, elapsed - 0.1), "free": min(own, elapsed - 0.1), "share": elapsed * share,
                 "over": own + elapsed, "told": elapsed - 0.1 * float(rng.lognormal(0.0, 0.3))}[how]  # fmt: skip
        clock.raw(wait + elapsed, claim, elapsed)

    return _schedule(rng, clock, turn, 2, attended=True)


def changed(rng: Random, how: str) -> Log:
    """11: an honest player who is suddenly better, has sold the account, or lets a bot play a tenth."""
    before = simulate(rng, "plain", 40)
    start = min(int(rng.integers(150, 400)), len(before.events) // 2)
    low, high = {"skill": (0.2, 0.5), "sold": (0.35, 0.8), "tenth": (0.1, 0.4)}[how]
    factor = float(rng.uniform(low, high))
    events = []
    for number, event in enumerate(before.events):
        cheats = number >= start and (how != "tenth" or rng.random() < 0.1)
        claim = max(round(event.claimed_ms * factor), 300) if cheats else event.claimed_ms
        issued = event.issued_at + (event.claimed_ms - claim) / 1_000 if event.issued_at is not None else None
        events.append(event._replace(claimed_ms=claim, issued_at=issued))
    return Log(events, before.refusals, start)


KINDS = (
    Kind("1", "fixed interval", partial(timer, form="normal", width=0.001), 0.999, 60),
    Kind("2a", "normal jitter 5 %", partial(timer, form="normal", width=0.05), 0.99, 300),
    Kind("2b", "normal jitter 10 %", partial(timer, form="normal", width=0.10), 0.99, 500),
    Kind("2c", "normal jitter 20 %", partial(timer, form="normal", width=0.20), 0.99, 1_000),
    Kind("3a", "uniform jitter 10 %", partial(timer, form="uniform", width=0.10), 0.99, 300),
    Kind("3b", "uniform jitter 30 %", partial(timer, form="uniform", width=0.30), 0.99, 800),
    Kind("3c", "uniform jitter 60 %", partial(timer, form="uniform", width=0.60), 0.99, 1_500),
    Kind("4", "whole seconds at random", partial(timer, form="seconds", width=0.0), 0.99, 500),
    Kind("5", "exponential waits", exponential, 0.80, 7, "days"),
    Kind("6", "matched lognormal", lognormal, 0.50, 14, "days"),
    Kind("7", "exact replay of own times", partial(replay, noise=0.0), 0.999, 10),
    Kind("8a", "replay with 2 % noise", partial(replay, noise=0.02), 0.95, 200),
    Kind("8b", "replay with 5 % noise", partial(replay, noise=0.05), 0.80, 200),
    Kind("9a", "around the clock", partial(tireless, how="clock"), 0.99, 1.0, "days"),
    Kind("9b", "surfing the cap evenly", partial(tireless, how="even"), 0.99, 1.0, "days"),
    Kind("9c", "surfing the cap in bursts", partial(tireless, how="bursts"), 0.99, 1.0, "days"),
    Kind("10a", "forged: fixed wait", partial(forged, how="fixed"), 0.99, 30),
    Kind("10b", "forged: wait of its own", partial(forged, how="free"), 0.99, 30),
    Kind("10c", "forged: a share of the wait", partial(forged, how="share"), 0.99, 30),
    Kind("10d", "forged: longer than the wait", partial(forged, how="over"), 0.99, 30),
    Kind("10e", "forged: the server cannot tell", partial(forged, how="told"), 0.0, 30),
    Kind("11a", "sudden skill", partial(changed, how="skill"), 0.90, 100),
    Kind("11b", "sold account", partial(changed, how="sold"), 0.90, 100),
    Kind("11c", "a bot plays a tenth", partial(changed, how="tenth"), 0.60, 14, "days"),
)
