"""`fairboard verify` and `fairboard rebuild`: check the board against the ledger, or fill it anew, while serving."""

from __future__ import annotations

import sys

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from cli.failure import Failure
from config.catalogue import BOARD
from config.settings import get_settings
from services.leaderboard.board import publish
from services.leaderboard.rebuild import NoRoomError, rebuild as rebuild_board
from services.resources import for_background
from services.verify import verify as differences

MAX_SHOWN = 100


@click.command()
def verify() -> None:
    """Check the ledger's hashes, standings against the ledger, and Redis against PostgreSQL.

    Exit code 0 if all is well, 1 and the differences if not, 2 if that could not be found out.
    """
    with progress_bars() as bars:
        steps: dict[str, TaskID] = {}

        def show(step: str, done: int, total: int) -> None:
            if step not in steps:
                steps[step] = bars.add_task(step, total=total)
            bars.update(steps[step], completed=done, total=total)

        found = list(differences(for_background(get_settings()), BOARD, show))
    for line in found[:MAX_SHOWN]:
        click.echo(line)
    if len(found) > MAX_SHOWN:
        click.echo(f"... and {len(found) - MAX_SHOWN} more")
    number = f"{len(found)} difference{'s' * (len(found) != 1)}."
    click.echo(number if found else "All is well: ledger, standings and Redis agree.")
    sys.exit(1 if found else 0)


@click.command()
def rebuild() -> None:
    """Fill the board in Redis from PostgreSQL, while both are in use.

    Exit code 0 if it is filled, 1 if another rebuild took over, 2 if PostgreSQL or Redis did not answer or there is no
    room in Redis.
    """
    resources = for_background(get_settings())
    with progress_bars() as bars:
        task = bars.add_task("players", total=None)
        try:
            loaded = rebuild_board(resources, BOARD, lambda done, total: bars.update(task, completed=done, total=total))
        except NoRoomError as error:
            raise Failure(f"Nothing was changed: {error}.") from error
    if loaded is None:
        click.echo("Another rebuild took over; nothing was changed by this one.")
        sys.exit(1)
    outcome = publish(resources, BOARD).outcome
    click.echo(f"Loaded {loaded:,} players; the top 10 is {outcome}.")


def progress_bars() -> Progress:
    """Bars on standard error, for work that takes a while."""
    return Progress(
        TextColumn("{task.description:>10}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
    )
