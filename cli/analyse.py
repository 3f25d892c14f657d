"""`fairboard analyse`: the detectors over events from a file."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from cli.events_file import Contents, FileError, read
from services.anticheat.detector import join
from services.anticheat.echoes import echoes
from services.anticheat.events import Event
from services.anticheat.evidence import Evidence, Silence, Verdict, strongest
from services.anticheat.groups import judge as judge_groups
from services.anticheat.report import Course, as_dict, course

QUIET_SECONDS = 2.0
"""Work that takes longer says how far it is."""
MOST_COMPLAINTS = 50
MOST_TOGETHER = 2_000_000
"""Events up to which players are compared with each other: more need more memory than a small server has."""


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--json", "out", type=click.Path(dir_okay=False, path_type=Path), help="Write there instead of to stdout."
)
def analyse(file: Path, out: Path | None) -> None:
    """Run the detectors over the events in FILE, a CSV, gzipped or not, rows in any order.

    One JSON line per player comes out. A bad row is reported and the rest goes on; the exit code is then 2.

    Columns, by any of these names: player (user_id, user, username ...; one player if absent), submitted_at
    (completed_at, timestamp ...), claimed_ms (completion_time, duration_ms, time_ms ...), and if there are any:
    issued_at (requested_at, started_at ...), action (action_type ...), outcome (`ok`, or an error code), address (ip),
    agent (user_agent). Times are Unix seconds or milliseconds, or RFC 3339. Other columns are ignored.
    """
    progress = _Progress()
    complaints = _Complaints(file)
    try:
        contents = read(file, complaints.add, lambda rows: progress.say(f"{rows:,} rows read"))
    except FileError as error:
        raise click.ClickException(f"{file}: {error}") from None
    together = _together(contents, progress)
    with out.open("w", encoding="utf-8") if out else sys.stdout as target:
        for number, name in enumerate(sorted(contents.players), start=1):
            target.write(json.dumps(verdict(contents, name, together), ensure_ascii=False) + "\n")
            progress.say(f"{number:,} of {len(contents.players):,} players judged")
    complaints.end()
    sys.exit(2 if contents.bad else 0)


def verdict(contents: Contents, name: str, together: Mapping[str, list[Evidence]]) -> dict[str, Any]:
    """What the detectors say of one player, and after how many of their events they first said it."""
    events = contents.events(name)
    found = course(events, contents.players[name].refusals)
    found = _joined(found, together.get(name, []), events)
    return as_dict(name, _with_silence(found, contents, name))


def _joined(found: Course, evidence: list[Evidence], events: list[Event]) -> Course:
    """The course with what comparing players has shown."""
    if not evidence:
        return found
    state, latest = join(found.state, evidence)
    all_of_it = strongest((*found.verdict.evidence, *evidence))
    result = Verdict(latest.severity, all_of_it, latest.e_values, found.verdict.silent)
    at, number = found.flagged_at, found.events_to_flag
    if latest.flagged and number is None:
        last = max((entry for item in evidence for entry in item.entries), default=0)
        number = next((n for n, event in enumerate(events, start=1) if event.entry_id == last), len(events))
        at = events[number - 1].submitted_at if events else None
    return Course(state, result, found.events, at, number, found.first_rules)


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


def _together(contents: Contents, progress: _Progress) -> dict[str, list[Evidence]]:
    """What shows only when players are compared with each other, by player."""
    if sum(len(player.entries) for player in contents.players.values()) > MOST_TOGETHER:
        click.echo(f"Players are not compared with each other: more than {MOST_TOGETHER:,} events.", err=True)
        return {}
    progress.say("comparing players with each other")
    names = sorted(contents.players)
    histories = {name: contents.events(name) for name in names}
    found = {name: [item] for name, item in echoes(histories).items()}
    presences = [seen for number, name in enumerate(names) for seen in contents.players[name].presences(number)]
    for group in judge_groups(presences, dict(enumerate(histories.values()))):
        for member in group.members:
            found.setdefault(names[member], []).append(group.evidence)
    return found


class _Progress:
    """Says on stderr how far long work is, every few seconds."""

    def __init__(self) -> None:
        self._said = time.monotonic()

    def say(self, text: str) -> None:
        """Say it if nothing was said lately."""
        if time.monotonic() - self._said >= QUIET_SECONDS:
            click.echo(text, err=True)
            self._said = time.monotonic()


class _Complaints:
    """Bad rows, the first ones in words and the others by number."""

    def __init__(self, file: Path) -> None:
        self._file, self._count = file, 0

    def add(self, text: str) -> None:
        """One bad row."""
        self._count += 1
        if self._count <= MOST_COMPLAINTS:
            click.echo(f"{self._file}: {text}", err=True)

    def end(self) -> None:
        """How many more there were."""
        if self._count > MOST_COMPLAINTS:
            click.echo(f"{self._file}: {self._count - MOST_COMPLAINTS:,} more bad rows", err=True)
