"""What the detectors say of the players in a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import click

from cli.events_file import Contents
from services.anticheat.detector import join
from services.anticheat.echoes import echoes
from services.anticheat.events import Event
from services.anticheat.evidence import Evidence, Silence, Verdict, strongest
from services.anticheat.groups import judge as judge_groups
from services.anticheat.report import Course, as_dict, course
from services.anticheat.state import PlayerState

MOST_TOGETHER = 2_000_000
"""Events up to which players are compared with each other: more need more memory than a small server has."""


@dataclass
class Together:
    """What shows only when players are compared with each other: by player, and the groups by their members."""

    players: dict[str, list[Evidence]] = field(default_factory=dict)
    groups: dict[tuple[str, ...], list[Evidence]] = field(default_factory=dict)
    histories: dict[str, list[Event]] = field(default_factory=dict)
    """Each player's completions, where they were put together already."""


def verdict(contents: Contents, name: str, together: Together) -> dict[str, Any]:
    """What the detectors say of one player, and after how many of their events they first said it."""
    events = together.histories.pop(name, None) or contents.events(name)
    found = course(events, contents.players[name].refusals)
    found = _joined(found, together.players.get(name, []), events)
    return as_dict(name, _with_silence(found, contents, name))


def _joined(found: Course, evidence: list[Evidence], events: list[Event]) -> Course:
    """The course with what comparing players has shown."""
    if not evidence:
        return found
    state, latest = join(found.state, evidence)
    all_of_it = strongest((*found.verdict.evidence, *evidence))
    result = Verdict(latest.severity, all_of_it, latest.e_values, found.verdict.silent)
    at, number = found.flagged_at, found.events_to_flag
    first = _first(evidence, events) if latest.flagged else None
    if first and (number is None or first < number):
        number, at = first, events[first - 1].submitted_at
    return Course(state, result, found.events, at, number, found.first_rules)


def _first(evidence: list[Evidence], events: list[Event]) -> int | None:
    """After how many completions what comparing players has shown was there: what flags alone, or else all of it."""
    place = {event.entry_id: number for number, event in enumerate(events, start=1)}
    alone = [place[item.told_at] for item in evidence if item.told_at in place]
    every = [place.get(entry, 0) for item in evidence for entry in item.entries]
    return min(alone) if alone else max(every, default=0) or None


def _with_silence(found: Course, contents: Contents, name: str) -> Course:
    """What the file as a whole could not tell is said of each player."""
    silent = [item for item in found.verdict.silent if item.family != "G" or contents.players[name].refusals]
    if not contents.players[name].refusals:
        silent.append(Silence("G", "probing", "no refusals in the file"))
    if not {"address", "agent"} & set(contents.columns):
        silent.append(Silence("F", "in_step", "no addresses or agents in the file"))
    kept = found.verdict
    result = Verdict(kept.severity, kept.evidence, kept.e_values, tuple(silent))
    return Course(found.state, result, found.events, found.flagged_at, found.events_to_flag, found.first_rules)


def lines(contents: Contents, say: Callable[[str], None], *, groups: bool = False) -> Iterator[dict[str, Any]]:
    """What is said of each player, and then, if that is wanted, of each group."""
    together = compared(contents, say)
    for number, name in enumerate(sorted(contents.players), start=1):
        yield verdict(contents, name, together)
        say(f"{number:,} of {len(contents.players):,} players judged")
    for number, (members, evidence) in enumerate(together.groups.items() if groups else (), start=1):
        yield _group(number, members, evidence)


def _group(number: int, members: tuple[str, ...], evidence: list[Evidence]) -> dict[str, Any]:
    """A group's line: what would be said of a player against whom there is nothing else."""
    state, found = join(PlayerState(), evidence)
    told = as_dict("", Course(state, found, 0, None, None))
    kept = ("flagged", "severity", "first_flag_at", "events_to_flag", "evidence", "reasons")
    return {"group": number, "members": list(members), **{name: told[name] for name in kept}}


def compared(contents: Contents, say: Callable[[str], None]) -> Together:
    """All players beside each other."""
    if sum(len(player.entries) for player in contents.players.values()) > MOST_TOGETHER:
        click.echo(f"Players are not compared with each other: more than {MOST_TOGETHER:,} events.", err=True)
        return Together()
    say("comparing players with each other")
    names = sorted(contents.players)
    histories = {name: contents.events(name) for name in names}
    found = Together({name: [item] for name, item in echoes(histories).items()}, histories=histories)
    presences = [seen for number, name in enumerate(names) for seen in contents.players[name].presences(number)]
    for group in judge_groups(presences, dict(enumerate(histories.values()))):
        members = tuple(names[member] for member in group.members)
        found.groups.setdefault(members, []).append(group.evidence)
        for name in members:
            found.players.setdefault(name, []).append(group.evidence)
    return found
