"""`fairboard simulate` and the Python client against the real stack."""

from __future__ import annotations

import json
import os
import re
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import pytest

from fairboard_client import Board, FairboardClient, FairboardError

ROOT = Path(__file__).parents[2]
PASSWORD = "a long enough passphrase"
COMPLETED = re.compile(r"^(\S+) +(\w+) \+([\d]+) -> ([\d,]+) \(#(\d+)\)$", re.MULTILINE)


class Stack(Protocol):
    """The part of the fixture that is used here."""

    url: str


def simulate(stack: Stack, *options: object) -> list[str]:
    return [sys.executable, "-m", "cli.simulate", "--url", stack.url, *map(str, options)]


def play(stack: Stack, *options: object) -> str:
    """Run the simulator to its end and return its log."""
    done = subprocess.run(simulate(stack, *options), cwd=ROOT, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


@contextmanager
def playing(stack: Stack, *options: object) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(simulate(stack, *options), cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def read_until(process: subprocess.Popen[str], pattern: str) -> str:
    assert process.stdout is not None
    for line in process.stdout:
        if re.search(pattern, line):
            return line
    pytest.fail(f"the log ended without {pattern}")


def names_seen(process: subprocess.Popen[str], players: int) -> set[str]:
    """The names of the players once each of them has come through the door."""
    return {read_until(process, r"^\+ ").split()[1] for _ in range(players)}


@contextmanager
def newcomer(stack: Stack) -> Iterator[FairboardClient]:
    """A client that is logged in as a new player."""
    name = f"e2e-{secrets.token_hex(6)}"
    with FairboardClient(
        stack.url, local_address=f"127.78.{secrets.randbelow(250)}.{secrets.randbelow(250) + 1}"
    ) as new:
        account = new.register(name, PASSWORD)
        assert account.username == name
        assert new.login(name, PASSWORD).user_id == account.user_id
        yield new


def honest_round(client: FairboardClient, seconds: float = 1.05, data: dict[str, Any] | None = None) -> tuple[str, int]:
    """Play one real second. The token and the claimed time that were accepted."""
    ticket = client.request_action("reaction")
    begun = time.monotonic()
    time.sleep(seconds)
    took = int((time.monotonic() - begun) * 1_000)
    assert client.complete(ticket.action_token, took, data).score_incr > 0
    return ticket.action_token, took


SUMMARY = re.compile(r"^— \d+ s: \d+ completions, [\d,]+ points; refused: .*; 14 of 14 players are here$", re.MULTILINE)
REFUSED = re.compile(r"^✗ [^:]+: ([A-Z_]+)", re.MULTILINE)


def shows_everything(log: str) -> bool:
    """Whether most players have points, cheats of several kinds were refused, and a summary names them all."""
    names = {name for name, *_ in COMPLETED.findall(log)}
    return len(names) >= 10 and len(set(REFUSED.findall(log))) >= 2 and bool(SUMMARY.search(log))


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_players_play_and_cheats_are_refused(stack: Stack) -> None:
    log = ""
    with playing(stack, "--players", 14, "--seed", secrets.token_hex(4)) as process:
        assert process.stdout is not None
        while not shows_everything(log):
            line = process.stdout.readline()
            assert line, f"the log ended too soon:\n{log}"
            log += line
    # `!` is a cheat that went through, and `·` a player who means well and was refused.
    assert not re.findall(r"^[!·].*$", log, re.MULTILINE)


def test_it_ends_by_itself_when_its_time_is_over(stack: Stack) -> None:
    log = play(stack, "--players", 2, "--duration", 2)

    assert re.search(r"^— \d+ s: ", log, re.MULTILINE)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_within_a_second(stack: Stack, number: signal.Signals) -> None:
    with playing(stack, "--players", 4) as process:
        read_until(process, r"-> ")

        asked = time.monotonic()
        process.send_signal(number)

        assert process.wait(timeout=5) == 0
        assert time.monotonic() - asked < 3.0


def test_the_same_players_come_back(stack: Stack, tmp_path: Path) -> None:
    state = tmp_path / "players.json"
    crowds = []
    for _ in range(2):
        with playing(stack, "--players", 3, "--cheats", 0, "--state", state) as process:
            crowds.append(names_seen(process, 3))

    assert crowds[0] == crowds[1]
    assert len(json.loads(state.read_text(encoding="utf-8"))["players"]) == 3


def test_a_file_of_another_server_mends_itself(stack: Stack, tmp_path: Path) -> None:
    state = tmp_path / "players.json"
    with newcomer(stack) as somebody:
        assert somebody.session is not None
        taken = somebody.session.username
    known = [
        {"kind": "honest", "username": f"gone-{secrets.token_hex(4)}", "password": "of a server that is no more"},
        {"kind": "honest", "username": taken, "password": "of somebody else"},
    ]
    state.write_text(json.dumps({"players": known}), encoding="utf-8")

    with playing(stack, "--players", 2, "--cheats", 0, "--state", state) as process:
        names = names_seen(process, 2)

    assert known[0]["username"] in names
    assert taken not in names


def test_a_client_plays_a_round(stack: Stack) -> None:
    with newcomer(stack) as client:
        catalogue = {action.action_type: action for action in client.actions()}
        assert client.me().rank is None
        token, took = honest_round(client, data={"naïve": ["☃", 1, -0.5, 1e-7, None], "B": {"z": True, "a": ""}})

        with pytest.raises(FairboardError) as spent:
            client.complete(token, took)
        assert (spent.value.status, spent.value.code) == (400, "TOKEN_ALREADY_USED")

        once = client.complete_once("quiz", {"answer": "redis"})
        expected = catalogue["reaction"].points + catalogue["quiz"].points
        assert once.new_score == client.me().score == expected
        row = next(entry for entry in client.leaderboard(100).leaderboard if entry.user_id == client.me().user_id)
        assert (row.score, row.rank) == (expected, client.me().rank)


def test_a_client_renews_and_ends_its_session(stack: Stack) -> None:
    with newcomer(stack) as client:
        old = client.session
        assert old is not None
        assert client.refresh().refresh_token != old.refresh_token
        assert client.me().username == old.username

        ended = client.session
        client.logout()
        client.session = ended
        with pytest.raises(FairboardError) as dead:
            client.me()
        assert dead.value.code == "INVALID_TOKEN"


def test_a_client_sees_the_board_move(stack: Stack) -> None:
    with newcomer(stack) as client, client.subscribe() as boards:
        seen: list[Board] = []
        arrived, moved = threading.Event(), threading.Event()

        def note(board: Board) -> None:
            seen.append(board)
            (moved if len(seen) > 1 else arrived).set()

        reader = threading.Thread(target=boards.deliver_to, args=(note,))
        reader.start()
        assert arrived.wait(5)
        climb_into_the_ten(client)
        assert moved.wait(5)
        boards.close()
        reader.join(5)

    assert not reader.is_alive()
    assert [board.version for board in seen] == sorted({board.version for board in seen})


def climb_into_the_ten(client: FairboardClient) -> None:
    """Play until the player is on the board, which may be full of others."""
    for _ in range(9):
        ticket = client.request_action("puzzle")
        time.sleep(1.05)
        if client.complete(ticket.action_token, 1_040).rank <= 10:
            return
    pytest.fail("the others are too good for nine rounds")


GEVENT = """
from gevent import monkey
monkey.patch_all()
import sys, gevent
from fairboard_client import FairboardClient

with FairboardClient(sys.argv[1]) as client, client.subscribe() as boards:
    client.login(sys.argv[2], sys.argv[3])
    turns = 0

    def spin():
        global turns
        while True:
            gevent.sleep(0.001)
            turns += 1

    spinner = gevent.spawn(spin)
    board = next(iter(boards))
    assert client.me().username == sys.argv[2]
    assert turns > 0, "the other greenlet stood still"
    spinner.kill()
    print("version", board.version)
"""


def test_a_client_works_under_gevent(stack: Stack) -> None:
    with newcomer(stack) as client:
        assert client.session is not None
        command = [sys.executable, "-c", GEVENT, stack.url, client.session.username, PASSWORD]
        done = subprocess.run(
            command,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("version ")
