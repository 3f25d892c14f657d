"""Histories for the analysis of one player as stored, and what it leaves."""

from __future__ import annotations

import random
import time
from typing import Any

from models.database import autocommit
from services.anticheat import schedule
from services.anticheat.analysis import Look, analyse_player
from services.anticheat.events import WINDOW_SECONDS, Event
from services.resources import Resources
from services.sessions import Player
from tests.support.people import People


def hour(ago: int) -> float:
    """The beginning of an hour of UTC."""
    return (time.time() // WINDOW_SECONDS - ago) * WINDOW_SECONDS


def bot(start: float, number: int, gap: float = 30.0) -> list[Event]:
    """A program that submits by the clock and claims by it."""
    rng, events = random.Random(start), []
    for n in range(1, number + 1):
        at, claim = start + n * gap, rng.randrange(20_000, 20_300)
        events.append(Event(n, "puzzle", at - claim / 1_000 - 0.1, at, claim))
    return events


def person(start: float, number: int, seed: int = 1) -> list[Event]:
    """Somebody whose times differ as people's do."""
    rng, at, events = random.Random(seed), start, []
    for n in range(number):
        claim = rng.lognormvariate(2.5, 0.4)
        at += claim + rng.lognormvariate(2.0, 0.8) + (5_000 if n % 60 == 59 else 0)
        events.append(Event(n, "puzzle", at - claim - 0.2, at, round(claim * 1_000)))
    return events


def evidence(people: People, player: Player) -> list[Any]:
    """What was found about a player, in the order of its finding."""
    return people.execute(
        "SELECT rule, family, severity, fingerprint, entries, details FROM evidence WHERE user_id = :id ORDER BY id",
        id=player.user_id,
    )


def state_of(people: People, player: Player) -> Any:
    """What the detectors keep of a player."""
    return people.execute("SELECT * FROM anticheat_states WHERE user_id = :id", id=player.user_id)[0]


def analyse(resources: Resources, player: Player) -> Look:
    """Look at a player, as the task does."""
    return analyse_player(resources, player.user_id)


def mark_due(resources: Resources, players: list[int]) -> None:
    """Note that these players have done something, as those who drain what they did."""
    with autocommit(resources.engine) as connection:
        schedule.mark_due(connection, resources.settings.analysis_window, players)
