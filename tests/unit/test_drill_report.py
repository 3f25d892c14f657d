"""docs/drills.md is what the program writes from the results, and players of a drill do not meet the limits."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from drills import long, report, soak
from drills.people import Person
from drills.roster import A_MINUTE, Roster


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
