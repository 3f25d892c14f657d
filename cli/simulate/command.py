"""`fairboard simulate`."""

from __future__ import annotations

import io
import random
import secrets
import signal
import sys
from pathlib import Path

import click
import httpx

from cli.address import web_url
from cli.simulate.crowd import Crowd
from cli.simulate.journal import Journal
from cli.simulate.player import World
from cli.simulate.roster import Roster
from config.settings import runtime_file
from fairboard_client.client import is_loopback

QUIET_FROM = 40
CHEATS = 7
HINT = "nobody has answered at {url} so far: start `fairboard up` in this folder, or name the server with --url"


class Cheats(click.ParamType[int | float]):
    """A number of players, or a share of them: `3`, `0.25` or `25%`."""

    name = "number|share"

    def convert(self, value: str | float, param: click.Parameter | None, ctx: click.Context | None) -> int | float:
        """An int for a number, a float for a share."""
        text = str(value).strip()
        try:
            if text.isdecimal():
                return int(text)
            share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
        except ValueError:
            self.fail(f"{value} is neither a number nor a share", param, ctx)
        if not 0 <= share <= 1:
            self.fail(f"{value} is not a share between 0 and 1", param, ctx)
        return share


@click.command()
@click.option("--players", type=click.IntRange(0, 5_000), default=12, show_default=True, help="How many play.")
@click.option(
    "--url",
    help="The server. Where not given, the one of FAIRBOARD_HOST and FAIRBOARD_PORT, or of a running `fairboard up`.",
)
@click.option(
    "--cheats",
    type=Cheats(),
    default=str(CHEATS),
    show_default=True,
    help="How many of them cheat, or which share (25%). Never more than half.",
)
@click.option("--seed", help="Makes names and habits repeat; random where not given.")
@click.option("--duration", type=click.FloatRange(0), default=0, help="Seconds to play; 0 is until stopped.")
@click.option(
    "--state",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File that keeps the players' names and passwords, so that the same ones come back. Beside a running "
    "`fairboard up` it is players.json in its data folder; elsewhere nothing is kept.",
)
def simulate(
    players: int, url: str | None, cheats: float, seed: str | None, duration: float, state: Path | None
) -> None:
    """Play on a server with simulated players, some of whom cheat.

    They use the public HTTP interface like anybody else. What they do is written line by line; `✗` is a cheat that was
    refused, `·` an honest player who was.
    """
    url = url or web_url()
    if not url.startswith(("http://", "https://")):
        raise click.BadParameter("begins neither with http:// nor with https://", param_hint="--url")
    write_unicode()
    seed = seed or secrets.token_hex(4)
    roster = Roster(state or default_state(url), random.Random(seed))
    world = World(url, Journal(quiet=players > QUIET_FROM, hint=HINT.format(url=url)), roster)
    crooked = cheats if isinstance(cheats, int) else round(players * cheats)
    crowd = Crowd(world, players, crooked, seed)
    world.journal.say(f"{players} players for {url}, seed {seed}" + (f"; {roster.note}" if roster.note else ""))
    # An interrupt is an exception, where a handler that sets an event can meet the lock of that very event.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        crowd.run(duration)
    finally:
        roster.close()


def default_state(url: str) -> Path | None:
    """The file beside a running `fairboard up`, where that is the server."""
    beside = runtime_file()
    return beside.with_name("players.json") if beside.exists() and is_same_server(url, web_url()) else None


def is_same_server(one: str, other: str) -> bool:
    """Whether two URLs name one server, which goes by several names on this machine."""
    first, second = httpx.URL(one), httpx.URL(other)
    same_host = first.host == second.host or (is_loopback(one) and is_loopback(other))
    return same_host and (first.scheme, first.port) == (second.scheme, second.port)


def write_unicode() -> None:
    """Names from many alphabets must not fail on a terminal that has fewer; lines are wanted when they happen."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace", line_buffering=True)
