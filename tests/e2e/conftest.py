"""Fixtures of the tests that go through HTTP and WebSocket to a stack that really runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.support.players import Player, sign_up, sign_up_as
from tests.support.stack import Stack


@pytest.fixture
def sick(stack: Stack) -> Iterator[Stack]:
    """The stack for a test that hurts it; it is healed afterwards, whatever happens."""
    try:
        yield stack
    finally:
        stack.heal()


@pytest.fixture
def newcomer(stack: Stack) -> Iterator[Callable[[], Player]]:
    """Makes players who have just registered and logged in."""
    made: list[Player] = []

    def make() -> Player:
        made.append(sign_up(stack))
        return made[-1]

    yield make
    for player in made:
        player.close()


@pytest.fixture
def player(newcomer: Callable[[], Player]) -> Player:
    """A player who has just registered and logged in."""
    return newcomer()


@pytest.fixture(scope="session")
def analyst(stack: Stack) -> Iterator[Player]:
    """An analyst who is logged in."""
    logged_in = sign_up_as(stack, "analyst")
    yield logged_in
    logged_in.close()
