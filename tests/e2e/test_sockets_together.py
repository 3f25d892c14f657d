"""A crowd that logs in by message at once, as browsers do after a restart."""

from __future__ import annotations

from contextlib import ExitStack

from tests.support.players import crowd
from tests.support.sockets import JOIN, Wire
from tests.support.stack import Stack


def test_three_hundred_log_in_by_message_at_once_and_all_get_the_board(stack: Stack) -> None:
    people = crowd(stack, 60)
    with ExitStack() as sockets:
        wires = [sockets.enter_context(Wire(stack)) for _ in people for _ in range(5)]
        for number, wire in enumerate(wires):
            wire.send("authenticate", {"token": people[number % len(people)].access})
            wire.send("join", JOIN)  # It is handled after the answer.
        for number, wire in enumerate(wires):
            assert wire.expect("connected", 30) == {"userId": people[number % len(people)].user_id}
            assert wire.expect("leaderboard:initial", 30)["version"] >= 0
    people[0].close()
