"""docs/drills.md is what the program writes from the results, and players of a drill do not meet the limits."""

from __future__ import annotations

import random
from collections import Counter

from drills import report
from drills.people import Person
from drills.roster import A_MINUTE, Roster


def test_the_page_is_what_the_program_writes() -> None:
    assert report.PAGE.read_text(encoding="utf-8") == report.page(report.load())


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
