"""Decisions while everything else goes on in other processes: completions, other decisions, voids and rebuilds."""

from __future__ import annotations

from collections import Counter
from itertools import chain
from typing import Any

import pytest

from config.catalogue import BOARD
from services import voiding
from services.leaderboard.rebuild import rebuild
from services.reconcile import drain_outbox
from services.resources import Resources
from services.review.cases import get_case
from services.review.decisions import Verdict, decide
from services.review.takings import Scope
from services.sessions import Player
from services.verify import verify
from services.voiding import Choice, Order
from tests.support.people import People, ranking
from tests.support.race import PROCESSES, Race, outcome

ROUNDS = 6


def decide_often(resources: Resources, analyst: Player, case: int, turn: int) -> list[Any]:
    """Now one thing, now another."""
    wanted: list[tuple[Verdict, Scope]] = [("confirm", "all"), ("clear", "evidence"), ("confirm", "evidence")]
    found = []
    for number in range(ROUNDS):
        verdict, scope = wanted[(turn + number) % len(wanted)]
        found.append(outcome(lambda v=verdict, s=scope: decide(resources, analyst, case, v, "race", s).status))  # type: ignore[misc]
    return found


def decide_once(resources: Resources, analyst: Player, case: int, seen: int) -> Any:
    return outcome(lambda: decide(resources, analyst, case, "confirm", "race", "all", seen).reversed_entries)


def confirm_or_play(resources: Resources, analyst: Player | None, case: int, suspect: Player) -> list[Any]:
    if analyst:
        return decide_often(resources, analyst, case, 0)
    people = People(resources)
    return [outcome(lambda: people.complete(suspect).new_score) for _ in range(ROUNDS * 2)]


def void_or_rebuild(resources: Resources, part: int, players: list[Player]) -> int:
    """One process takes and gives back, one rebuilds, and the others go on completing."""
    people, names = People(resources), tuple(player.username for player in players)
    for number in range(ROUNDS):
        if part == 0:
            run = f"run-{number}"
            voiding.run(resources, BOARD, Choice(players=names), Order(run, "ops", "race"))
            voiding.run(resources, BOARD, Choice(undo=run), Order(f"back-{number}", "ops", "race"))
        elif part == 1:
            rebuild(resources, BOARD)
        else:
            people.complete(players[(number + part) % len(players)])
    return part


@pytest.fixture
def analysts(people: People) -> list[Player]:
    """One for each process."""
    return [people.join(role="analyst") for _ in range(PROCESSES)]


def test_four_analysts_at_once_leave_what_the_last_one_said(
    resources: Resources, race: Race, people: People, player: Player, analysts: list[Player]
) -> None:
    for action in ("reaction", "puzzle", "typing"):
        people.complete(player, action)
    case = people.suspect(player, people.entries(player)[1], severity="high")
    said = Counter(chain(*race.each(decide_often, [(one, case, turn) for turn, one in enumerate(analysts)])))
    assert set(said) == {"confirmed", "cleared"}
    file = get_case(resources, case)
    assert len(file.decisions) == PROCESSES * ROUNDS
    last = file.decisions[-1]
    left = {"clear": 850, "evidence": 350, "all": 0}[last.scope.get("reverse", last.decision)]
    assert people.standing(player).score == left
    assert people.status(player) == ("active" if last.decision == "clear" else "suspended")
    drain_outbox(resources)
    assert ranking(resources) == ([(player.user_id, 850)] if last.decision == "clear" else [])
    assert list(verify(resources, BOARD)) == []


def test_of_four_who_saw_the_same_one_decides(
    race: Race, people: People, player: Player, analysts: list[Player]
) -> None:
    people.complete(player)
    case = people.suspect(player)
    told = Counter(race.each(decide_once, [(one, case, 0) for one in analysts]))
    assert told == {1: 1, "CASE_CHANGED": PROCESSES - 1}


def test_decisions_during_completions_lose_and_double_nothing(
    resources: Resources, race: Race, people: People, player: Player, analysts: list[Player]
) -> None:
    people.complete(player)
    case = people.suspect(player, *people.entries(player))
    parts = [(analysts[0], case, player)] + [(None, case, player)] * (PROCESSES - 1)
    race.each(confirm_or_play, parts)
    decide(resources, analysts[0], case, "clear", "all back")
    earned = people.execute(
        "SELECT sum(points) FROM ledger_entries WHERE user_id = :id AND kind <> 'reversal'", id=player.user_id
    )
    drain_outbox(resources)
    assert [(player.user_id, earned[0][0])] == ranking(resources) == people.top()
    assert list(verify(resources, BOARD)) == []


def test_a_void_and_its_undo_during_rebuilds_and_completions(resources: Resources, race: Race, people: People) -> None:
    players = people.several(6)
    for player in players:
        people.complete(player, "puzzle")
    race.each(void_or_rebuild, [(part, players) for part in range(PROCESSES)])
    drain_outbox(resources)
    assert sum(score for _, score in people.top()) == 6 * 500 + 2 * ROUNDS * 100
    assert ranking(resources) == people.top()
    assert list(verify(resources, BOARD)) == []
