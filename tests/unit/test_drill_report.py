"""docs/drills.md is what the program writes from the results, and players of a drill do not meet the limits."""

from __future__ import annotations

import random
from argparse import Namespace
from collections import Counter
from pathlib import Path

import pytest

from drills import __main__ as program, long, product, report, soak
from drills.checker import Verdict
from drills.people import Person
from drills.roster import A_MINUTE, Roster
from drills.scene import Drill, Result, broken_promises, refused_notes
from drills.truth import Recovery


def test_the_page_is_what_the_program_writes() -> None:
    assert report.PAGE.read_text(encoding="utf-8") == report.page(report.load())


def run(seed: int, *problems: str) -> long.Run:
    return {
        "seed": seed,
        "row": "14",
        "seconds": 9.0,
        "acknowledged": 10_000,
        "lost": 0,
        "duplicated": 0,
        "held": not problems,
        "problems": list(problems),
    }


def test_the_long_drill_says_which_runs_did_not_hold_and_why() -> None:
    bars = "AssertionError('Another rebuild took over.\\n   players ━━━━ 4000/5278 0:00:00\\n')"
    text = long._text([run(1), run(2, bars), run(3, "I6: 9 answers late", "and more"), run(4)])
    assert "2 runs did not hold (run 2, row 14: Another rebuild took over; run 3, row 14: I6: 9 answers late)" in text
    assert "0 runs did not hold." in long._text([run(1)])


@pytest.mark.parametrize(
    ("problem", "told"),
    [
        ("I6: 9 answers later than 5.0 s", "I6: 9 answers later than 5.0 s"),
        ("""DrillError("it's late")""", "it's late"),
        ("first\r  bar", "first"),
        ("TimeoutError()", "TimeoutError()"),
    ],
)
def test_a_problem_is_told_by_its_first_line(problem: str, told: str) -> None:
    assert long.first_line(problem) == told


def test_the_soak_says_what_did_not_hold_in_words() -> None:
    text = soak._text(50.0, [run(1, "I6: late")], "", ["run 1, row 14: I6: late", "memory of web grew"])
    assert text.endswith("did not hold: run 1, row 14: I6: late; memory of web grew")


def test_nobody_plays_more_often_than_the_limits_allow() -> None:
    roster = Roster([Person(number, "") for number in range(20)], random.Random(1))
    turns = [(second, roster.pick(float(second))) for second in range(120) for _ in range(4)]
    for begin in range(61):
        span = Counter(who.user_id for second, who in turns if who is not None and begin <= second < begin + 60)
        assert max(span.values()) <= A_MINUTE
    assert any(who is None for _, who in turns), "too few players for so many turns"


def test_the_same_seed_picks_the_same_players() -> None:
    people = [Person(number, "") for number in range(50)]

    def picks() -> list[Person | None]:
        roster = Roster(people, random.Random(7))
        return [roster.pick(number / 10) for number in range(100)]

    assert picks() == picks()
    assert len({who.user_id for who in picks() if who}) > 20


def result(*, redis: float | None = 1.0, sockets: float | None = 1.0, outage: float = 4.0) -> Result:
    """Of a drill that promises an outage of five seconds at most."""
    drill = Drill("7c", "a fault", lambda scene: None, outage=5.0)
    verdict = Verdict(9, frozenset(), frozenset(), frozenset(), ())
    return Result(drill, 1, verdict, (), outage, 1.3, Recovery(redis, sockets), 0, 2.0, ())


def test_what_is_promised() -> None:
    assert not list(broken_promises(result(), quick=False))
    assert "no completion for 8.0 s" in next(iter(broken_promises(result(outage=8.0), quick=False)))
    late = list(broken_promises(result(redis=2.1), quick=False))
    assert late == ["Redis equal to PostgreSQL after 2.1 s, where 2 s are promised"]


def test_a_quick_run_judges_no_time_but_that_all_is_well_in_the_end() -> None:
    assert not list(broken_promises(result(redis=9.0, sockets=9.0, outage=9.0), quick=True))
    for quick in (True, False):
        never = list(broken_promises(result(redis=None, sockets=None), quick=quick))
        assert never == ["Redis did not become equal to PostgreSQL", "sockets did not converge"]


def test_refused_calls_are_told_by_their_number() -> None:
    assert refused_notes(Counter()) == []
    told = refused_notes(Counter({"request: 401 INVALID_TOKEN": 2, "complete: 400 ACTION_TOKEN_EXPIRED": 1}))
    assert told == [
        "3 calls of honest players were refused: complete: 400 ACTION_TOKEN_EXPIRED (1), request: 401 INVALID_TOKEN (2)"
    ]


def test_the_table_shows_both_outages_and_the_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "PAGE", tmp_path / "drills.md")
    monkeypatch.setattr(report, "KEPT", tmp_path / "results.json")
    for quick, dry in ((True, False), (False, True)):
        program._tell(result(), Namespace(quick=quick, dry=dry))
        assert not report.KEPT.exists()
    program._tell(result(outage=8.0), Namespace(quick=False, dry=False))
    row = next(line for line in report.PAGE.read_text().splitlines() if line.startswith("| 7c "))
    assert "| 8.0 s | 1.3 s | 1.0 s | 1.0 s | 2.0 s |" in row
    assert f"| {product.commit()} | 1 |" in row


def test_a_row_of_former_times_says_what_it_knows() -> None:
    row = report._row({"row": "7c", "fault": "any", "ground": "cluster", "held": True, "seed": 1, "outage": "1.3 s"})
    assert row == "| 7c | any | cluster | - | - | - | at least 1.3 s | - | - | - | - | - | yes | - | 1 | - |"


def test_a_product_that_was_changed_is_of_no_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def git(*arguments: str) -> str:
        return product.git(tmp_path, "-c", "user.name=a", "-c", "user.email=a@example.com", *arguments)

    assert product.commit.__wrapped__(tmp_path) == product.UNKNOWN
    (tmp_path / "web").mkdir()
    (tmp_path / "web" / "app.py").write_text("1")
    (tmp_path / "results.json").write_text("1")
    git("init", "--quiet")
    git("add", ".")
    git("commit", "--quiet", "--message", "first")
    first = git("rev-parse", "HEAD")
    (tmp_path / "results.json").write_text("2")
    git("commit", "--quiet", "--all", "--message", "only results")
    (tmp_path / "results.json").write_text("3")
    assert first.startswith(product.commit.__wrapped__(tmp_path))
    (tmp_path / "web" / "new.py").write_text("1")
    assert product.commit.__wrapped__(tmp_path) == product.CHANGED
    monkeypatch.setenv("PATH", "")
    assert product.commit.__wrapped__(tmp_path) == product.UNKNOWN
