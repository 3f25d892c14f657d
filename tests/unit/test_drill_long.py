"""Runs go on, are told by commit, are drawn as they were, and end with their figure even where Fairboard does not."""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from drills import long, report, soak
from drills.faults import ON_ONE_MACHINE
from drills.product import commit
from drills.stack_site import LinkedStack, StackSite
from tests.processes import ROOT


def run(seed: int, *problems: str, commit: str = "", row: str = "14") -> long.Run:
    return {
        "seed": seed,
        "row": row,
        "seconds": 9.0,
        "acknowledged": 10_000,
        "lost": 0,
        "duplicated": 0,
        "held": not problems,
        "problems": list(problems),
    } | ({"commit": commit, "planned": 1} if commit else {})


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where this test's runs and figures are kept."""
    monkeypatch.setattr(long, "KEPT", tmp_path / "long.json")
    monkeypatch.setattr(report, "KEPT", tmp_path / "results.json")
    monkeypatch.setattr(report, "PAGE", tmp_path / "drills.md")
    return tmp_path


@pytest.fixture
def away(folder: Path) -> StackSite:
    """A Fairboard of which nothing runs and nothing can be started."""
    return StackSite(LinkedStack(folder / "site", ROOT, None), None)


def keep(*runs: long.Run) -> None:
    long.KEPT.write_text(json.dumps(runs), encoding="utf-8")


def call(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["drill", *arguments])


def test_runs_on_a_fairboard_that_does_not_come_back_are_kept_and_given_up(away: StackSite) -> None:
    runs = [run(1), run(7)]
    done = list(long.carry_on(away, runs, ("1",), lambda: False))
    assert [one["seed"] for one in done] == [8, 9, 10]
    assert runs[2:] == done
    assert long.kept() == runs
    for one in done:
        assert not one["held"]
        assert one["problems"][0].startswith("OperationalError(")
        assert one["problems"][1].startswith("could not be healed: ")
        assert (one["commit"], one["date"]) == (commit(), report.today())


def test_a_soak_ends_with_its_figure_and_a_compare_whatever_happens(
    away: StackSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def opened(**_: object) -> Iterator[StackSite]:
        yield away

    monkeypatch.setattr(soak, "stack_site", opened)
    call(monkeypatch, "--minutes", "1")
    assert soak.main() == 1
    text = report.load()["figures"]["drill-soak"]["text"]
    assert text.startswith(f"0 minutes of commit {commit()}, 3 faults drawn at random (runs 1 to 3 ")
    assert "at the end: could not be compared: DatabaseUnavailableError(" in text
    assert text.endswith("given up before the 1 minutes were over")


def test_when_there_are_enough_runs_it_says_so_and_how_to_add_more(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    keep(*(run(number, *(["late"] if number == 9 else [])) for number in range(1, 101)))
    call(monkeypatch)
    assert long.main() == 0, "what earlier calls have found is theirs"
    assert "There are enough: `--more 10`" in capsys.readouterr().out
    assert not report.KEPT.exists()
    call(monkeypatch, "--more", "0")
    assert long.main() == 0
    assert report.load()["figures"]["drill-long"]["text"].startswith("1,000,000 acknowledged completions over 100 ")


def test_more_runs_are_those_of_this_call() -> None:
    runs = [run(number) for number in range(1, 101)]
    until_enough, three_more = long._wanted(runs, None), long._wanted(runs, 3)
    assert until_enough()
    assert not three_more()
    runs += [run(101), run(102), run(103)]
    assert three_more()


def test_one_run_is_carried_out_again_and_not_kept(
    away: StackSite, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    @contextmanager
    def opened(**_: object) -> Iterator[StackSite]:
        yield away

    keep(run(48, "late", row="9b"))
    monkeypatch.setattr(long, "stack_site", opened)
    call(monkeypatch, "--seed", "48")
    assert long.main() == 1
    assert capsys.readouterr().out.startswith("run 48: row 9b, 0 acknowledged")
    assert long.kept() == [run(48, "late", row="9b")]
    assert not report.KEPT.exists()


def test_a_run_that_is_kept_has_the_fault_that_it_had_and_another_the_one_that_its_number_draws() -> None:
    for kept in (run(48, row="9b"), run(85, row="7b"), run(140, row="17b"), run(149, row="3")):
        assert long.drawn([run(1), kept], kept["seed"], long.ROWS).row == kept["row"]
    assert long.drawn([run(1)], 48, ("1", "7a", "13")).row == random.Random(48).choice(("1", "7a", "13"))


def test_every_row_that_is_drawn_is_a_drill_and_a_soak_lets_web_and_workers_live() -> None:
    assert set(long.ROWS) < {drill.row for drill in ON_ONE_MACHINE}
    assert {"13", "15"} == set(long.ROWS) - set(soak.LIVING)


def test_the_text_tells_the_runs_of_this_commit_and_what_was_drawn_from() -> None:
    text = long._text([run(1), run(2), run(3, commit="0000000"), run(4, commit=commit())])
    assert text.startswith(
        "40,000 acknowledged completions over 4 seeded runs, of which 10,000 over 1 of this commit "
        f"({commit()}): 0 lost"
    )
    assert f"from {len(long.ROWS)} of the {len(ON_ONE_MACHINE)} drills of one machine (rows 1, 3, " in text
    assert "left out, for their proxies slow the load down: 11a, 11b, 12a, 17a, 6, 8a, 8b)" in text
    assert "the first 2 runs left out 7a, 9c, 15b, 13 and 15" in text
    assert "Everything is compared after each tenth run only" in text
    assert "Run 37 of the first hundred was carried out again" in text
