"""Fixtures of the tests that look at the page in a Chromium, on a stack that really runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests.support.browser import chromium
from tests.support.players import Player, sign_up, sign_up_as
from tests.support.stack import Stack
from tests.support.visits import Visit, visit

expect.set_options(timeout=15_000)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A Chromium for the tests of one file: the longer it runs, the longer asyncio is taken for all others."""
    with chromium() as running:
        yield running


@pytest.fixture
def visiting(browser: Browser, stack: Stack) -> Iterator[Callable[..., Visit]]:
    """Opens the page for players or for nobody. At the end no page may have complained of its own code."""
    made: list[Visit] = []

    def make(player: Player | None = None, url: str = "", **options: Any) -> Visit:
        made.append(visit(browser, url or stack.url, player, **options))
        return made[-1]

    with ExitStack() as closing:
        yield make
        for shown in made:
            closing.callback(shown.context.close)
        assert [complaint for shown in made for complaint in shown.complaints] == []


@pytest.fixture
def newcomer(stack: Stack) -> Iterator[Callable[[], Player]]:
    """Makes players who have just registered and logged in."""
    with ExitStack() as closing:

        def make() -> Player:
            made = sign_up(stack)
            closing.callback(made.close)
            return made

        yield make


@pytest.fixture(scope="module")
def analyst(stack: Stack) -> Iterator[Player]:
    """An analyst who is logged in."""
    logged_in = sign_up_as(stack, "analyst")
    yield logged_in
    logged_in.close()


@pytest.fixture
def player(newcomer: Callable[[], Player]) -> Player:
    """A player who has just registered and logged in."""
    return newcomer()
