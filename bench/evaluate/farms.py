"""Cheats that show only when players are compared: farms of accounts, and replays of another player's times."""

from __future__ import annotations

from dataclasses import dataclass

from bench.evaluate.cheats import recorded
from bench.evaluate.honest import draw, simulate
from bench.evaluate.play import DAY, HOUR, MINUTE, START, Clock, Random, log_uniform
from services.anticheat.events import Event, Presence

MODES = ("together", "in turn", "at random times")


@dataclass(frozen=True)
class Crowd:
    """Accounts and where they were seen."""

    completions: dict[int, list[Event]]
    presences: list[Presence]
    bad: frozenset[int]


def _presences(accounts: int, address: str, rng: Random) -> list[Presence]:
    return [Presence(user, address, f"agent{rng.integers(0, 3)}", START) for user in range(accounts)]


def farm(rng: Random, mode: str) -> Crowd:
    """12: 5 to 50 accounts on one address, driven by one program for three days, or each by its own."""
    accounts, hours = int(rng.integers(5, 51)), float(rng.uniform(4.0, 20.0))
    clocks = [Clock(rng, START) for _ in range(accounts)]
    period, skill = max(log_uniform(rng, 30.0, 180.0), 1.5 * accounts), log_uniform(rng, 3.0, 15.0)
    lag = log_uniform(rng, 0.05, 1.5)
    for day in range(3):
        beat = START + day * DAY + 8 * HOUR
        while beat < START + day * DAY + (8 + hours) * HOUR:
            beat += period * float(rng.lognormal(0.0, 0.3))
            for place, clock in enumerate(clocks):
                claim = skill * float(rng.lognormal(0.0, 0.3))
                offset = {"together": float(rng.exponential(lag)), "in turn": place * period / accounts,
                          "at random times": float(rng.uniform(0.0, period))}[mode]  # fmt: skip
                _at(clock, beat + offset, claim)
    completions = {user: clock.log.events for user, clock in enumerate(clocks)}
    return Crowd(completions, _presences(accounts, "farm", rng), frozenset(completions))


def _at(clock: Clock, at: float, claim: float) -> None:
    clock.raw(max(at - clock.at, claim + 0.1), claim, claim + 0.1)


def school(rng: Random) -> Crowd:
    """Honest: a class on one address, that begins and ends its lessons together, three days long."""
    pupils = int(rng.integers(5, 36))
    completions = {}
    for user in range(pupils):
        person, clock = draw(rng, "plain"), Clock(rng, START)
        for lesson in (9.0, 33.0, 57.0):
            clock.at = START + lesson * HOUR + float(rng.uniform(0.0, 120.0))
            end = START + lesson * HOUR + 45 * MINUTE
            while clock.at < end:
                idle = person.idle * float(rng.lognormal(0.0, person.idle_spread))
                clock.play(idle, max(person.skill, 1.2) * float(rng.lognormal(0.0, person.spread)))
        completions[user] = clock.log.events
    return Crowd(completions, _presences(pupils, "school", rng), frozenset())


def copied(rng: Random) -> tuple[dict[str, list[Event]], int]:
    """7: three honest players, and one who hands in 60 of the first one's times after 100 of its own."""
    histories = {f"honest {n}": simulate(rng, "plain", 10).events for n in range(3)}
    source = max(histories.values(), key=len)[:60]
    clock = Clock(rng, START + 12 * DAY)
    own = recorded(rng, 100)
    for event in [*own, *source]:
        clock.play(8.0 * float(rng.lognormal(0.0, 0.7)), event.claimed_ms / 1_000)
    histories["copier"] = clock.log.events
    return histories, len(own)
