"""Fixtures of the tests that go through HTTP and WebSocket to a stack that really runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.support.players import Player, sign_up
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
    from tests.support.players import PASSWORD, log_in, new_name  # noqa: PLC0415

    name = new_name()
    made = stack.command("create-user", name, "--role", "analyst", "--password-stdin", text=PASSWORD + "\n")
    assert made.returncode == 0, made.stderr
    logged_in = log_in(stack, name)
    yield logged_in
    logged_in.close()
