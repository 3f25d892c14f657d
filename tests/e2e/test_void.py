"""`fairboard void` as operators use it: seen first, killed in the middle, started again, undone."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator

import pytest

from config.catalogue import BOARD
from services import voiding
from services.voiding import Choice, Order
from tests.processes import ROOT
from tests.support.players import Player, crowd
from tests.support.stack import Stack, wait_for

PLAYERS = 150
POINTS = 25


@pytest.fixture
def paid_twice(stack: Stack) -> Iterator[tuple[str, list[Player]]]:
    """Players whom a broken build paid for a guess that they did not make, and since when."""
    players = crowd(stack, PLAYERS)
    since = str(stack.ask("SELECT clock_timestamp()::text")[0][0]).replace(" ", "T")
    stack.ask(
        "SELECT append_entry(id, 'global', 'guess', 'once', %s, NULL, NULL, NULL, NULL, '{}') "
        "FROM unnest(%s::bigint[]) AS id",
        (POINTS, [player.user_id for player in players]),
    )
    stack.wait_until_quiet()
    yield since, players
    players[0].close()  # They share their connections.


def reversed_so_far(stack: Stack, players: list[Player]) -> int:
    ids = [player.user_id for player in players]
    query = "SELECT count(*) FROM ledger_entries WHERE kind = 'reversal' AND user_id = ANY(%s)"
    return int(str(stack.ask(query, (ids,))[0][0]))


def run_of(output: str) -> str:
    found = re.search(r"^Run (\w+)\.$", output, re.MULTILINE)
    assert found, output
    return found[1]


def test_a_run_that_is_killed_goes_on_and_both_halves_can_be_undone(
    stack: Stack, paid_twice: tuple[str, list[Player]]
) -> None:
    since, players = paid_twice
    chosen = ["void", "--action", "guess", "--since", since]
    seen = stack.command(*chosen, "--dry-run")
    assert seen.returncode == 0, seen.stderr
    assert f"{PLAYERS} completions of {PLAYERS} players" in seen.stdout
    assert reversed_so_far(stack, players) == 0

    order = [*chosen, "--note", "a broken build paid twice", "--yes"]
    with subprocess.Popen(
        [sys.executable, "-u", "-m", "cli.main", *order],
        cwd=ROOT,
        env=stack.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as killed:
        wait_for(lambda: reversed_so_far(stack, players) >= 10, what="the first reversals")
        killed.kill()
        output = killed.stdout.read() if killed.stdout else ""
    done = reversed_so_far(stack, players)
    assert 10 <= done < PLAYERS
    stack.wait_until_quiet()
    assert stack.differences() == []

    again = stack.command(*order)
    assert f"{PLAYERS - done} entries reversed." in again.stdout, again.stderr
    assert reversed_so_far(stack, players) == PLAYERS
    undone = stack.command("void", "--undo", run_of(output), "--note", "it was not broken", "--yes")
    assert f"{done} entries reversed." in undone.stdout, undone.stderr
    rest = Choice(undo=run_of(again.stdout))
    assert voiding.run(stack.resources(), BOARD, rest, Order("back", "ops", "nor was this")) == PLAYERS - done
    assert players[0].get("/api/me").json()["score"] == POINTS
    stack.wait_until_quiet()
    assert stack.differences() == []
