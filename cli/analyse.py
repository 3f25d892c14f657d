"""`fairboard analyse`: the detectors over events from a file."""

from __future__ import annotations

import json
import sys
import time
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TextIO

import click

from cli.events_file import FileError, read
from cli.failure import Failure
from config.settings import get_settings

QUIET_SECONDS = 2.0
"""Work that takes longer says how far it is."""
MOST_COMPLAINTS = 50


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=False)
@click.option(
    "--json", "out", type=click.Path(dir_okay=False, path_type=Path), help="Write there instead of to stdout."
)
@click.option("--groups", is_flag=True, help="Also a line for each group of accounts of one hand, after the players.")
@click.option("--player", help="Instead of FILE: this player of the running Fairboard, from the stored events.")
def analyse(file: Path | None, out: Path | None, *, groups: bool, player: str | None) -> None:
    """Run the detectors over the events in FILE, a CSV, gzipped or not, rows in any order.

    One JSON line per player comes out. A bad row is reported and the rest goes on; the exit code is then 2, as it is
    when the file cannot be used at all.

    Columns, by any of these names: player (user_id, user, username ...; one player if absent), submitted_at
    (completed_at, timestamp ...), claimed_ms (completion_time, duration_ms, time_ms ...), and if there are any:
    issued_at (requested_at, started_at ...), action (action_type ...), outcome (`ok`, or an error code), address (ip),
    agent (user_agent). Times are Unix seconds or milliseconds, or RFC 3339. Other columns are ignored.

    With --player the line says as well whether the state that is stored equals the one computed anew, byte for byte;
    the exit code is 1 if it does not, and 2 if that could not be found out.
    """
    if (file is None) == (player is None):
        raise click.UsageError("Name a file, or a player with --player.")
    if groups and player:
        raise click.UsageError("--groups needs a file: one player is no group.")
    sys.exit(_from_file(file, out, groups=groups) if file else _from_database(str(player), out))


def _from_database(player: str, out: Path | None) -> int:
    from services.anticheat.recompute import recompute  # noqa: PLC0415 -- NumPy takes half a second
    from services.resources import for_background  # noqa: PLC0415

    line = recompute(for_background(get_settings()), player).as_dict()
    with _target(out) as target:
        target.write(json.dumps(line, ensure_ascii=False) + "\n")
    return 1 if line["stored"] and line["stored"]["same_bytes"] is False else 0


def _from_file(file: Path, out: Path | None, *, groups: bool) -> int:
    from cli.verdicts import lines  # noqa: PLC0415 -- NumPy takes half a second, and `--help` needs none

    progress = _Progress()
    complaints = _Complaints(file)
    try:
        contents = read(file, complaints.add, lambda rows: progress.say(f"{rows:,} rows read"))
    except FileError as error:
        raise Failure(f"{file}: {error}") from None
    with _target(out) as target:
        for line in lines(contents, progress.say, groups=groups):
            target.write(json.dumps(line, ensure_ascii=False) + "\n")
    complaints.end()
    return 2 if contents.bad else 0


def _target(out: Path | None) -> AbstractContextManager[TextIO]:
    return out.open("w", encoding="utf-8") if out else nullcontext(sys.stdout)


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
