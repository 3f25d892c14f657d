"""The options of `fairboard simulate`, who gets to cheat, and what the log looks like."""

from __future__ import annotations

import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from cli.embedded import free_port
from cli.env_file import write_env_file
from cli.simulate import simulate
from cli.simulate.cheats import CHEATS
from cli.simulate.command import Cheats, default_state
from cli.simulate.crowd import kinds, own_address
from cli.simulate.journal import Journal, pad
from fairboard_client import Completion


@pytest.mark.parametrize(("text", "value"), [("3", 3), ("0", 0), ("0.25", 0.25), ("25%", 0.25), ("1.0", 1.0)])
def test_cheats_are_a_number_or_a_share(text: str, value: float) -> None:
    read = Cheats().convert(text, None, None)

    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize("text", ["-1", "1.5", "120%", "few", "", "nan"])
def test_other_cheats_are_refused(text: str) -> None:
    with pytest.raises(click.BadParameter):
        Cheats().convert(text, None, None)


@pytest.mark.parametrize(
    ("players", "cheats", "crooked"), [(12, 7, 6), (14, 7, 7), (200, 7, 7), (12, 0, 0), (1, 7, 0), (0, 7, 0), (4, 1, 1)]
)
def test_never_more_than_half_of_the_players_cheat(players: int, cheats: int, crooked: int) -> None:
    chosen = kinds(players, cheats)

    assert len(chosen) == players
    assert players - chosen.count("honest") == crooked


def test_a_crowd_of_twelve_has_every_cheat_that_the_door_must_refuse() -> None:
    assert {"replay", "impossible", "thief", "forger", "hammer", "metronome"} <= set(kinds(12, 7))
    assert set(kinds(14, 7)) == {*CHEATS, "honest"}


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux has all of 127/8")
def test_each_player_comes_from_an_address_of_its_own() -> None:
    addresses = [own_address("http://127.0.0.1:8000", index) for index in range(600)]

    assert len(set(addresses)) == 600
    assert None not in addresses


@pytest.mark.parametrize("url", ["http://192.0.2.1:8000", "https://board.example", "http://[::1]:8000"])
def test_players_far_from_the_server_come_from_wherever_they_are(url: str) -> None:
    assert own_address(url, 0) is None


@pytest.fixture
def beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a running `fairboard up` writes its settings."""
    monkeypatch.setenv("FAIRBOARD_DATA_DIR", str(tmp_path))
    return tmp_path / "runtime.env"


@pytest.mark.parametrize(
    ("written", "set_here", "url"),
    [
        ({}, {}, "http://127.0.0.1:8000"),
        ({"PORT": "8123"}, {}, "http://127.0.0.1:8123"),
        ({"PORT": "8123", "HOST": "0.0.0.0"}, {}, "http://127.0.0.1:8123"),  # noqa: S104
        ({"PORT": "8123", "HOST": "::"}, {}, "http://[::1]:8123"),
        ({"PORT": "8123", "HOST": "192.0.2.1"}, {"PORT": "9000"}, "http://192.0.2.1:9000"),
        ({}, {"PORT": "9000", "HOST": "::1"}, "http://[::1]:9000"),
    ],
)
def test_the_server_is_found_like_the_others(
    beside: Path, monkeypatch: pytest.MonkeyPatch, written: dict[str, str], set_here: dict[str, str], url: str
) -> None:
    """By the environment, then by the data folder of a running `fairboard up`."""
    write_env_file(beside, {f"FAIRBOARD_{name}": value for name, value in written.items()}, "")
    for name, value in set_here.items():
        monkeypatch.setenv(f"FAIRBOARD_{name}", value)

    result = CliRunner().invoke(simulate, ["--players", "0", "--duration", "0.01"])

    assert result.output.startswith(f"0 players for {url}, seed ")


def test_players_are_kept_only_beside_a_running_server(beside: Path) -> None:
    assert default_state("http://127.0.0.1:8000") is None

    write_env_file(beside, {"FAIRBOARD_PORT": "8123"}, "")

    assert default_state("http://127.0.0.1:8123/") == beside.with_name("players.json")
    assert default_state("http://localhost:8123") == beside.with_name("players.json")
    assert default_state("http://127.0.0.1:8000") is None, "another server on this machine"
    assert default_state("https://board.example:8123") is None


@pytest.mark.usefixtures("beside")
def test_nobody_answering_says_what_to_do() -> None:
    url = f"http://127.0.0.1:{free_port()}"

    result = CliRunner().invoke(simulate, ["--players", "1", "--duration", "2", "--url", url])

    assert result.output.count(f"nobody has answered at {url} so far: start `fairboard up`") == 1
    assert "--url" in result.output


@pytest.mark.parametrize("arguments", [["--url", "ftp://x"], ["--players", "-1"], ["--cheats", "many"]])
def test_wrong_options_say_what_is_wrong(arguments: list[str]) -> None:
    result = CliRunner().invoke(simulate, arguments)

    assert result.exit_code == 2
    assert arguments[0] in result.output


def test_lines_are_calm(capsys: pytest.CaptureFixture[str]) -> None:
    journal = Journal()
    journal.completed("tova", "reaction", Completion(4_200, 100, 3))
    journal.refused("replay-ray", "TOKEN_ALREADY_USED", "a spent token")
    journal.away("NO_ANSWER")
    journal.away("NO_ANSWER")
    journal.back()
    journal.back()
    journal.summarise(30.0, 12, 12)
    journal.close()
    journal.say("too late")

    assert capsys.readouterr().out.splitlines() == [
        "tova             reaction +100 -> 4,200 (#3)",
        "✗ replay-ray: TOKEN_ALREADY_USED (a spent token)",
        "the server is away (NO_ANSWER); the players wait",
        "the server is back",
        "— 30 s: 1 completions, 100 points; refused: 1 TOKEN_ALREADY_USED; 12 of 12 players are here",
    ]


def test_a_large_crowd_only_writes_what_the_board_shows(capsys: pytest.CaptureFixture[str]) -> None:
    journal = Journal(quiet=True)
    journal.completed("tova", "reaction", Completion(4_200, 100, 10))
    journal.completed("otto", "reaction", Completion(4_100, 100, 11))

    assert len(capsys.readouterr().out.splitlines()) == 1


def test_wide_and_combining_characters_keep_the_columns() -> None:
    assert len(pad("陈小龙")) == 13
    assert len(pad("e\u0301va")) == 17
    assert pad("a-name-that-is-too-long") == "a-name-that-is-too-long"
