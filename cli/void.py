"""`fairboard void`: take back many completions at once, after having seen what that would mean."""

from __future__ import annotations

import getpass
import secrets
from datetime import UTC, datetime
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from cli.board import progress_bars
from config.catalogue import BOARD, get_catalogue
from config.settings import get_settings
from services.accounts import username_key
from services.resources import for_background
from services.voiding import Choice, Move, Order, preview, run as run_void, taken_by_review

MAX_SHOWN = 50


class Moment(click.ParamType[datetime]):
    """RFC 3339, or a date; UTC where nothing else is said."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """A moment with its zone."""
        try:
            moment = datetime.fromisoformat(str(value))
        except ValueError:
            self.fail(f"{value!r} is no time; write it like 2026-05-01T12:00:00Z or 2026-05-01.", param, ctx)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


@click.command()
@click.option("--player", "players", multiple=True, help="Completions of this player; may be repeated.")
@click.option("--since", type=Moment(), help="From this moment on, such as 2026-05-01T12:00:00Z.")
@click.option("--until", type=Moment(), help="Before this moment.")
@click.option("--action", "actions", multiple=True, help="Completions of this action; may be repeated.")
@click.option("--rule", "rules", multiple=True, help="Completions that evidence of this rule names; may be repeated.")
@click.option("--undo", metavar="RUN", help="Give back what the run of this name took; instead of the options above.")
@click.option("--note", default="", help="Why. Kept in the ledger.")
@click.option("--by", default=getpass.getuser, help="Who ordered it. Kept in the ledger.")
@click.option("--dry-run", is_flag=True, help="Show who would move where, and write nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def void(*, undo: str | None, note: str, by: str, dry_run: bool, yes: bool, **chosen: Any) -> None:
    """Reverse completions by player, time, action or rule: all that match every option given.

    Shows first who would move where. Interrupted, it goes on when it is started again.
    """
    choice = _choice(chosen, undo)
    moves = preview(for_background(get_settings()), BOARD, choice)
    entries = sum(move.entries for move in moves)
    _show(moves, entries)
    if not undo and (taken := taken_by_review(for_background(get_settings()), BOARD, choice)):
        click.echo(f"Left out, as a review case has taken them: {taken:,}. If it is cleared, they count again.")
    if dry_run or not entries:
        return
    if not note:
        raise click.UsageError("Say why, with --note: it is kept in the ledger.")
    if not yes:
        click.confirm(f"{'Give back' if undo else 'Take back'} {entries:,} completions?", abort=True)
    _do(choice, Order(secrets.token_hex(4), by, note))


def _choice(chosen: dict[str, Any], undo: str | None) -> Choice:
    if undo and any(chosen.values()):
        raise click.UsageError("--undo goes without --player, --since, --until, --action and --rule.")
    return Choice(
        players=tuple(username_key(name) for name in chosen["players"]) or None,
        since=chosen["since"],
        until=chosen["until"],
        actions=_known(chosen["actions"]),
        rules=chosen["rules"] or None,
        undo=undo,
    )


def _do(choice: Choice, order: Order) -> None:
    # Said first: whoever interrupts it may want to undo what was done.
    click.echo(f"Run {order.run}.")
    with progress_bars() as bars:
        task = bars.add_task("players", total=None)
        count = run_void(
            for_background(get_settings()),
            BOARD,
            choice,
            order,
            lambda done, total: bars.update(task, completed=done, total=total),
        )
    click.echo(f"{count:,} entries reversed.")
    if not choice.undo:
        click.echo(f"To give them back: fairboard void --undo {order.run} --note ...")


def _known(actions: tuple[str, ...]) -> tuple[str, ...] | None:
    for action in set(actions) - set(get_catalogue()):
        raise click.UsageError(f"There is no action {action!r}; there are {', '.join(get_catalogue())}.")
    return actions or None


def _show(moves: list[Move], entries: int) -> None:
    console = Console()
    table = Table("player", "completions", "score", "rank", box=None, header_style="bold")
    for column in table.columns[1:]:
        column.justify = "right"
    for move in moves[:MAX_SHOWN]:
        score = f"{move.score_before:,} -> {move.score_after:,}" if move.entries else f"{move.score_before:,}"
        table.add_row(move.username, f"{move.entries:,}", score, _rank(move))
    console.print(table)
    concerned = [move for move in moves if move.entries]
    if len(moves) > MAX_SHOWN:
        console.print(f"... and {len(moves) - MAX_SHOWN:,} more")
    console.print(f"{entries:,} completions of {len(concerned):,} players.")


def _rank(move: Move) -> str:
    before, after = (f"#{rank}" if rank else "-" for rank in (move.rank_before, move.rank_after))
    return before if before == after else f"{before} -> {after}"
