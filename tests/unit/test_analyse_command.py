"""`fairboard analyse`: whatever columns a file has, one JSON line per player."""

from __future__ import annotations

import gzip
import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from cli.analyse import analyse
from cli.events_file import seconds
from tests.processes import ROOT
from tests.support.habits_of_cheats import START, person, program


def run(
    tmp_path: Path, text: str | bytes, name: str = "events.csv", *options: str
) -> tuple[list[dict[str, Any]], Result]:
    file = tmp_path / name
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    result = CliRunner().invoke(analyse, [str(file), *options])
    return [json.loads(line) for line in result.stdout.splitlines()], result


def rows(player: str, bot: bool, number: int = 60) -> str:
    events = program(number, lambda: 20.0) if bot else person(number)
    return "".join(
        f"{player},puzzle,{event.issued_at},{event.submitted_at},{event.claimed_ms},500,ok\n" for event in events
    )


def test_the_format_of_before(tmp_path: Path) -> None:
    head = "user_id,action,issued_at,completed_at,claimed_ms,points,outcome\n"
    lines, result = run(tmp_path, head + rows("bot", True) + rows("anna", False))
    assert result.exit_code == 0
    assert [(line["name"], line["user_id"], line["flagged"]) for line in lines] == [
        ("anna", "anna", False),
        ("bot", "bot", True),
    ]
    bot = lines[1]
    assert bot["events"] == 60
    assert bot["severity"] == "medium"
    assert bot["events_to_flag"] == 30
    assert [item["reason"] for item in bot["reasons"]] == [item["reason"] for item in bot["evidence"]]
    assert {item["family"]: item["why"] for item in bot["not_judged"]}["F"] == "no addresses or agents in the file"


def test_no_issue_times_and_no_players(tmp_path: Path) -> None:
    text = "session,completed_at,duration_ms\n" + "".join(
        f"s1,{round(event.submitted_at)},{event.claimed_ms}\n" for event in person(50)
    )
    (line,), result = run(tmp_path, text, "someone.csv")
    assert result.exit_code == 0
    assert (line["name"], line["events"], line["flagged"]) == ("someone", 50, False)
    assert any(item["family"] == "B" and "no issue times" in item["why"] for item in line["not_judged"])


@pytest.mark.parametrize(
    "head",
    [
        "player;actionType;requestedAt;submittedAt;completionTime",
        "\ufeffUser\taction_type\tstarted_at\ttimestamp\ttime_ms",
        "username,action,issued_at,completed_at,claimed_ms",
    ],
)
def test_other_names_and_separators(tmp_path: Path, head: str) -> None:
    separator = next(mark for mark in ";\t," if mark in head)
    lines, result = run(
        tmp_path,
        head + "\n" + "\n".join(
            separator.join(("bot", "a", f"{event.issued_at * 1_000:.0f}", f"{event.submitted_at * 1_000:.0f}", "9000"))
            for event in program(60, lambda: 20.0) if event.issued_at
        ),
    )  # fmt: skip
    assert result.exit_code == 0
    assert lines[0]["flagged"]


def test_bad_rows_are_reported_and_the_rest_goes_on(tmp_path: Path) -> None:
    text = "user,completed_at,claimed_ms\nanna,1700000000,5000\n,1700000001,5\nanna,soon,5\nanna,1700000050,x\nanna\n"
    (line,), result = run(tmp_path, gzip.compress(text.encode()), "events.csv.gz")
    assert result.exit_code == 2
    assert line["events"] == 1
    for number, why in ((3, "user is empty"), (4, "neither Unix time"), (5, "no time"), (6, "too few fields")):
        assert f"line {number}: " in result.stderr
        assert why in result.stderr


def test_a_file_without_what_is_needed_says_what_that_is(tmp_path: Path) -> None:
    _, result = run(tmp_path, "user,score\nanna,5\n")
    assert result.exit_code == 2
    assert "missing columns" in result.stderr
    assert "completed_at" in result.stderr
    assert run(tmp_path, "")[1].exit_code == 2


def test_refusals_addresses_and_copies(tmp_path: Path) -> None:
    rng = random.Random(1)
    text = "user_id,completed_at,claimed_ms,outcome,ip\n"
    for n in range(30):
        text += f"prober,{START + n * 40},5000,SUSPICIOUS_ACTIVITY,10.0.0.1\n"
    for event in person(100):
        text += f"anna,{event.submitted_at},{event.claimed_ms},ok,10.0.0.2\n"
        text += f"copier,{event.submitted_at + 900_000 + rng.random() * 5},{event.claimed_ms},ok,10.0.0.3\n"
    lines, _ = run(tmp_path, text)
    told = {line["name"]: line for line in lines}
    assert told["prober"]["severity"] == "low"
    assert told["prober"]["evidence"][0]["rule"] == "probing"
    assert told["copier"]["severity"] == "high"
    assert told["copier"]["evidence"][0]["rule"] == "others_times"
    assert told["copier"]["events_to_flag"] <= 10
    assert not told["anna"]["flagged"]


def farm() -> str:
    """Six accounts of one hand."""
    rng = random.Random(2)
    text = "user_id,completed_at,claimed_ms,ip\n"
    for n in range(150):
        beat = START + n * 60 + rng.uniform(-9, 9)
        text += "".join(f"f{k},{beat + k * 5 + rng.random() * 0.2},{rng.randrange(4_000, 9_000)},1.1.1.1\n"
                        for k in range(6))  # fmt: skip
    return text


def test_groups_have_lines_of_their_own_where_they_are_asked_for(tmp_path: Path) -> None:
    lines, result = run(tmp_path, farm(), "events.csv", "--groups")
    assert result.exit_code == 0
    groups = [line for line in lines if "members" in line]
    assert groups
    assert all("user_id" not in line for line in groups)
    assert groups[0]["members"] == [f"f{k}" for k in range(1, 6)], "the first one may be followed without knowing"
    assert groups[0]["flagged"]
    assert groups[0]["reasons"][0]["reason"].startswith("5 accounts that share an address")
    assert "only follow" in groups[0]["reasons"][0]["reason"]


def test_there_is_one_line_per_player_and_no_other(tmp_path: Path) -> None:
    """What is found among several players stands in the line of each."""
    lines, result = run(tmp_path, farm())
    assert result.exit_code == 0
    assert [(line["name"], line["user_id"], line["flagged"]) for line in lines] == [
        (f"f{k}", f"f{k}", k > 0) for k in range(6)
    ]
    assert all(line["reasons"][0]["reason"].startswith("5 accounts") for line in lines if line["flagged"])


def test_a_file_that_ends_early_is_used_as_far_as_it_goes(tmp_path: Path) -> None:
    text = ("user_id,completed_at,claimed_ms\n" + rows("anna", False, 2_000)).encode()
    whole = gzip.compress(b"user_id,a,b,completed_at,claimed_ms,c,d\n" + text.split(b"\n", 1)[1])
    (line,), result = run(tmp_path, whole[: len(whole) // 2], "cut.csv.gz")
    assert result.exit_code == 2
    assert 100 < line["events"] < 2_000
    assert "the file cannot be read" in result.stderr
    _, result = run(tmp_path, b"\x1f\x8bnothing", "bad.csv.gz")
    assert result.exit_code == 2
    assert "cannot be read" in result.stderr


def test_a_refusal_needs_no_claim(tmp_path: Path) -> None:
    text = "user_id,completed_at,claimed_ms,outcome\nanna,1700000000,,RATE_LIMIT_EXCEEDED\nanna,1700000009,5000,ok\n"
    (line,), result = run(tmp_path, text)
    assert (result.exit_code, line["events"]) == (0, 1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2023-11-14t22:13:20.250z", 1_700_000_000.25),
        ("1700000000", 1.7e9),
        ("1700000000.25", 1_700_000_000.25),
        ("1700000000250", 1_700_000_000.25),
        ("1700000000250000", 1_700_000_000.25),
        ("2023-11-14T22:13:20Z", 1.7e9),
        ("2023-11-14T23:13:20+01:00", 1.7e9),
        ("2023-11-14 22:13:20", 1.7e9),
    ],
)
def test_times(text: str, expected: float) -> None:
    assert seconds(text) == expected


@pytest.mark.parametrize("text", ["", "soon", "nan", "inf", "-5", "1e300"])
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(ValueError, match=r"neither|range"):
        seconds(text)


def test_the_list_of_commands_does_not_wait_for_numpy() -> None:
    modules = "sys, cli.analyse, services.anticheat.schedule, web.app, workers.anticheat"
    code = f"import {modules}; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
