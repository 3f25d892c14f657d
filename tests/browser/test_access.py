"""For everybody: axe-core finds nothing, the keyboard is enough, and screen readers hear what matters."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import expect

from tests.support.players import Player, fill_board
from tests.support.stack import Stack
from tests.support.visits import Visit

Visiting = Callable[..., Visit]
AXE = Axe()


def is_clean(shown: Visit, where: str, scheme: str) -> None:
    """No rule of axe-core is broken by what is on the page just now. In the dark only colours are other ones."""
    found = AXE.run(shown.page, options={} if scheme == "light" else {"runOnly": ["color-contrast"]})
    assert found.violations_count == 0, f"{where}:\n{found.generate_report()}"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(stack: Stack, player: Player, visiting: Visiting, scheme: str) -> None:
    fill_board(stack)
    calm = {"color_scheme": scheme, "reduced_motion": "reduce"}
    nobody = visiting(**calm)
    expect(nobody.page.locator("#board")).to_have_attribute("data-state", "locked")
    is_clean(nobody, "logged out", scheme)
    nobody.page.locator("#mode").click()
    nobody.page.locator("#account-submit").click()
    expect(nobody.page.locator("#account-error")).not_to_be_empty()
    is_clean(nobody, "registering, with a mistake", scheme)

    player.climb()
    shown = visiting(player, **calm)
    shown.is_live()
    is_clean(shown, "logged in", scheme)
    shown.page.locator("[data-action='quiz'] summary").click()
    shown.page.locator("#password-open").click()
    shown.page.locator("#password-submit").click()
    expect(shown.page.locator("#password-error")).not_to_be_empty()
    is_clean(shown, "cards that are open, with a mistake", scheme)
    shown.page.locator("#password-open").click()
    for game in ("reaction", "typing", "puzzle"):
        shown.choose(game)
        if game == "reaction":
            shown.page.locator(".target").wait_for()
        if game == "typing":
            shown.page.locator(".type-here").press_sequentially("#")
        is_clean(shown, f"in the game {game}", scheme)
        shown.page.locator("#give-up").click()
        expect(shown.page.locator("#start")).to_be_enabled()
    shown.page.set_viewport_size({"width": 320, "height": 640})
    is_clean(shown, "narrow", scheme)


def test_the_keyboard_is_enough(visiting: Visiting) -> None:
    shown = visiting()
    press = shown.page.keyboard.press
    press("Tab")
    expect(shown.page.get_by_role("link", name="Skip to the game")).to_be_focused()
    for _ in range(2):
        press("Tab")
    expect(shown.page.locator("#guest")).to_be_focused()
    press("Enter")
    expect(shown.page.locator("#start")).to_be_enabled()
    expect(shown.page.locator("#play")).to_be_focused()
    press("Tab")
    press("Tab")
    expect(shown.page.locator("[data-game='typing'].choice")).to_be_focused()
    press("Enter")
    press("Tab")
    press("Tab")
    expect(shown.page.locator("#start")).to_be_focused()
    press("Enter")
    expect(shown.page.locator(".type-here")).to_be_focused()
    press("Escape")
    expect(shown.page.locator("#start")).to_be_focused()


def test_screen_readers_hear_the_latest_and_not_each_step(visiting: Visiting) -> None:
    shown = visiting()
    heard = shown.page.evaluate(
        """async () => {
            const { announce } = await import("/static/js/announcer.js");
            const [heard, place] = [[], document.getElementById("announcer")];
            new MutationObserver(() => heard.push(place.textContent)).observe(place, { childList: true });
            for (let rank = 9; rank > 0; rank -= 1) {
                announce(`You are now number ${rank}.`);
                await new Promise((done) => setTimeout(done, 20));
            }
            while (!heard.length) await new Promise((done) => setTimeout(done, 50));
            return heard;
        }"""
    )
    assert heard == ["You are now number 1."]
    live = shown.page.locator("[aria-live], [role='status'], [role='alert']")
    assert live.locator("#rows, #hud, .score").count() == 0  # Nothing that ticks is read out.
