"""Names and passwords of simulated players, and the file that keeps them."""

from __future__ import annotations

import json
import random
import stat
import unicodedata
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

import pytest

from cli.simulate import names
from cli.simulate.roster import Roster

KINDS = ["replay", "thief", *["honest"] * 8]


class MakeRoster(Protocol):
    def __call__(self, path: Path | None, seed: int = 1) -> Roster: ...


@pytest.fixture
def roster() -> Iterator[MakeRoster]:
    with ExitStack() as stack:

        def make(path: Path | None, seed: int = 1) -> Roster:
            made = Roster(path, random.Random(seed))
            stack.callback(made.close)
            return made

        yield make


def test_the_same_seed_gives_the_same_names_and_other_passwords(roster: MakeRoster) -> None:
    first, second, other = (roster(None, seed).seats(KINDS) for seed in (1, 1, 2))

    assert [seat.username for seat in first] == [seat.username for seat in second]
    assert [seat.username for seat in first] != [seat.username for seat in other]
    assert {seat.password for seat in first}.isdisjoint(seat.password for seat in second)


@pytest.mark.parametrize("players", [12, 200, 3_000])
def test_names_are_all_different_and_fit(roster: MakeRoster, players: int) -> None:
    seats = roster(None).seats(["replay"] * 5 + ["honest"] * players)
    chosen = [seat.username for seat in seats]

    assert len({unicodedata.normalize("NFKC", name).casefold() for name in chosen}) == players + 5
    assert all(3 <= len(name) <= 32 and name == unicodedata.normalize("NFC", name) for name in chosen)
    assert any(not name.isascii() for name in chosen)


def test_a_name_with_a_number_fits_too() -> None:
    assert len(names.another(random.Random(1), "x" * 32)) == 32


def test_the_same_players_come_back(roster: MakeRoster, tmp_path: Path) -> None:
    path = tmp_path / "players.json"
    before = roster(path)
    seats = before.seats(KINDS)
    for seat in seats:
        before.keep(seat)
    seats[0].done.add("quiz")
    before.keep(seats[0])
    before.close()

    after = roster(path, seed=99).seats([*KINDS, "honest"])

    assert [(seat.username, seat.password, seat.registered) for seat in after[:-1]] == [
        (seat.username, seat.password, True) for seat in seats
    ]
    assert after[0].done == {"quiz"}
    assert not after[-1].registered


def test_only_the_owner_can_read_the_passwords(roster: MakeRoster, tmp_path: Path) -> None:
    path = tmp_path / "new" / "players.json"
    kept = roster(path)
    kept.keep(kept.seats(["honest"])[0])

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(json.loads(path.read_text(encoding="utf-8"))["players"]) == 1


def test_a_forgotten_player_does_not_come_back_and_those_not_seated_stay(roster: MakeRoster, tmp_path: Path) -> None:
    path = tmp_path / "players.json"
    before = roster(path)
    first, second = before.seats(["honest", "honest"])
    before.keep(first)
    before.keep(second)
    before.forget(first)
    before.close()

    few = roster(path)
    newcomer = few.seats(["thief"])[0]
    few.keep(newcomer)
    few.close()

    assert [seat.username for seat in roster(path).seats(["thief", "honest"])] == [newcomer.username, second.username]


def test_a_name_that_is_taken_gets_a_number(roster: MakeRoster, tmp_path: Path) -> None:
    kept = roster(tmp_path / "players.json")
    seat = kept.seats(["honest"])[0]
    seat.username = "tova"

    kept.rename(seat)
    assert seat.username.startswith("tova-")
    kept.rename(seat)
    assert len(seat.username) == len("tova-1234")
    kept.rename(seat, plain=True)
    assert seat.username.startswith("player-")


def test_two_simulators_do_not_share_a_file(roster: MakeRoster, tmp_path: Path) -> None:
    path = tmp_path / "players.json"
    holder, other = roster(path), roster(path)

    assert holder.path == path
    assert other.path is None
    assert "another simulator" in other.note


@pytest.mark.parametrize("text", ["", "{", "[]", '{"players": [{"kind": "honest"}]}', '{"players": 1}'])
def test_a_broken_file_is_set_aside(roster: MakeRoster, tmp_path: Path, text: str) -> None:
    path = tmp_path / "players.json"
    path.write_text(text, encoding="utf-8")

    kept = roster(path)
    kept.keep(kept.seats(["honest"])[0])

    assert "set aside" in kept.note
    assert (tmp_path / "players.unreadable").read_text(encoding="utf-8") == text
    assert len(json.loads(path.read_text(encoding="utf-8"))["players"]) == 1
