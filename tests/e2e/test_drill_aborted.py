"""A drill that ends in an exception is judged by what its clients saw until then, and its players leave the board."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import pytest

from drills.history import Attempt, Outcome, Request
from drills.load import Plan
from drills.scene import Drill, DrillError, Result, Scene, Size, carry_out
from drills.stack_site import LinkedStack, StackSite
from tests.support.stack import Stack

SIZE = Size(crowd=20, warm=2, after=2, plan=Plan(seats=4, followers=1), everything=False)
GONE, SUSPECTED = "0" * 64, "1" * 64
ANSWER_SECONDS = 8.0


def _carry_out(stack: Stack, act: Callable[[Scene], None]) -> Result:
    drill = Drill("1", "a fault", act, answer_seconds=ANSWER_SECONDS, refused=frozenset({"SUSPICIOUS_ACTIVITY"}))
    return carry_out(StackSite(cast("LinkedStack", stack), None), drill, 1, size=SIZE)


def _on_the_board(stack: Stack, players: list[int]) -> object:
    query = "SELECT count(*) FROM users WHERE id = ANY(%s) AND status <> 'suspended'"
    return stack.ask(query, (players,))[0][0]


def test_what_an_aborted_drill_has_lost_is_seen(sick: Stack) -> None:
    """Somebody was told that a completion counts which the ledger does not have; then the drill goes wrong."""
    players: list[int] = []

    def act(scene: Scene) -> None:
        players.extend(scene.players)
        assert scene.load.timeout > ANSWER_SECONDS, "else no answer could be too late"
        told = [
            Attempt(GONE, players[0], 0.0, 0.1, Outcome.OK, 200, score=100),
            Attempt(SUSPECTED, players[0], 0.0, 0.1, Outcome.FAIL, 400, "SUSPICIOUS_ACTIVITY"),
        ]
        scene.load.history.attempts.extend(told)
        scene.load.history.requests.append(Request(players[0], 0.0, 0.1, 401, "INVALID_TOKEN"))
        scene.site.parts["beat"].kill()
        raise DrillError("it went wrong")

    result = _carry_out(sick, act)
    assert not result.held
    assert result.problems[0] == "DrillError('it went wrong')"
    assert result.verdict.lost == {GONE}
    assert [problem for problem in result.problems if problem.startswith(("I1", "I9"))] == [
        "I1: acknowledged and not in the ledger: 1, such as 000000000000",
        "I9: honest players refused: request: 401 INVALID_TOKEN, 1 times",
    ]
    assert result.notes[0].startswith("2 calls of honest players were refused")
    assert _on_the_board(sick, players) == 0


def test_players_leave_the_board_however_a_drill_ends(sick: Stack) -> None:
    players: list[int] = []

    def act(scene: Scene) -> None:
        players.extend(scene.players)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _carry_out(sick, act)
    assert players
    assert _on_the_board(sick, players) == 0
