"""Bad connections: the page says how it is, keeps what it has, and comes back by itself."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import expect

from tests.support.players import Player
from tests.support.stack import Stack
from tests.support.visits import Visit

Newcomer = Callable[[], Player]
Visiting = Callable[..., Visit]


@pytest.fixture
def sick(stack: Stack) -> Iterator[Stack]:
    """The stack for a test that hurts it; it is healed afterwards, whatever happens."""
    try:
        yield stack
    finally:
        stack.heal()


def test_the_page_comes_back_after_the_server_restarts(sick: Stack, newcomer: Newcomer, visiting: Visiting) -> None:
    player, other = newcomer(), newcomer()
    other.climb()
    player.climb()
    shown = visiting(player)
    shown.is_live()
    shown.page.evaluate("() => { window.unloaded = false; }")
    badge = shown.page.locator("#badge")

    sick.web.kill()
    expect(badge).to_have_attribute("data-state", re.compile("reconnecting|offline"))
    expect(shown.page.locator("#board")).to_have_attribute("data-stale", "")
    expect(shown.row(player.user_id)).to_have_attribute("data-rank", "1")  # What was known stays to be seen.
    sick.web.start()
    sick.wait_until_ready()
    expect(badge).to_have_attribute("data-state", "live", timeout=40_000)
    expect(shown.page.locator("#board")).not_to_have_attribute("data-stale", "")
    other.climb()
    expect(shown.row(other.user_id)).to_have_attribute("data-rank", "1")
    assert shown.page.evaluate("() => window.unloaded") is False  # The same page all the time.


def test_the_page_knows_that_it_is_offline_and_comes_back(newcomer: Newcomer, visiting: Visiting) -> None:
    player, other = newcomer(), newcomer()
    other.climb()
    player.climb()
    shown = visiting(player)
    shown.is_live()
    badge = shown.page.locator("#badge")
    shown.context.set_offline(True)
    expect(badge).to_have_text("Offline", timeout=20_000)
    shown.page.locator("#start").click()
    expect(shown.page.locator("#game-text")).to_contain_text("The server cannot be reached.")
    other.climb()
    expect(shown.row(player.user_id)).to_have_attribute("data-rank", "1")
    shown.context.set_offline(False)
    expect(badge).to_have_text("Live", timeout=20_000)
    expect(shown.row(other.user_id)).to_have_attribute("data-rank", "1")
