"""Coming, staying and going: guests, accounts, and sessions that renew themselves."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

from playwright.sync_api import Route, expect

from tests.support.players import PASSWORD, Player, new_name, token_for
from tests.support.stack import Stack, wait_for
from tests.support.visits import Visit

Visiting = Callable[..., Visit]
# All that the badge says from now on.
LISTEN = """() => {
    const badge = document.getElementById("badge");
    window.heard = [badge.dataset.state];
    new MutationObserver(() => window.heard.push(badge.dataset.state)).observe(badge, { attributes: true });
}"""


def fill_in(shown: Visit, name: str, password: str) -> None:
    shown.page.get_by_label("Player name").fill(name)
    shown.page.get_by_label("Password", exact=True).fill(password)
    shown.page.locator("#account-submit").click()


def is_in(shown: Visit, name: str | re.Pattern[str]) -> None:
    expect(shown.page.locator("#account-name")).to_have_text(name)
    expect(shown.page.locator("#signed-in")).to_be_visible()


def enter_as_guest(shown: Visit) -> str:
    """A new guest; gives the name."""
    shown.page.get_by_role("button", name="Play as a guest").click()
    is_in(shown, re.compile(r"^guest-[a-z]+-\d{4,}$"))
    return shown.page.locator("#account-name").inner_text()


def test_a_guest_plays_at_once_stays_after_a_reload_and_comes_back(visiting: Visiting) -> None:
    shown = visiting()
    expect(shown.page.locator("#board")).to_have_attribute("data-state", "locked")
    name = enter_as_guest(shown)
    expect(shown.page.locator("#badge")).to_have_text("Live")
    shown.page.reload()
    is_in(shown, name)
    shown.page.get_by_role("button", name="Log out").click()
    expect(shown.page.locator("#badge")).to_have_text("Not connected")
    expect(shown.page.locator("#rows > .row[data-user]")).to_have_count(0)
    shown.page.get_by_role("button", name=f"Continue as {name}").click()
    is_in(shown, name)


def test_an_account_is_made_left_and_entered_again(player: Player, visiting: Visiting) -> None:
    shown, name = visiting(), new_name()
    error = shown.page.locator("#account-error")
    shown.page.get_by_role("button", name="Create an account").click()
    fill_in(shown, name, "")
    expect(error).to_have_text("Please enter a password.")
    fill_in(shown, name, "short")
    expect(error).to_contain_text("Password")
    fill_in(shown, player.username, PASSWORD)
    expect(error).to_have_text("That name is taken. Please choose another.")
    fill_in(shown, name, PASSWORD)
    is_in(shown, name)
    shown.page.get_by_role("button", name="Log out").click()
    shown.page.locator("#mode").click()
    fill_in(shown, name, "not the password")
    expect(error).to_have_text("That name and password do not belong together.")
    fill_in(shown, name, PASSWORD)
    is_in(shown, name)
    expect(error).to_be_empty()


def change(shown: Visit, current: str, new: str) -> None:
    shown.page.get_by_label("Current password").fill(current)
    shown.page.get_by_label("New password").fill(new)
    shown.page.locator("#password-submit").click()


def test_a_guest_gets_a_password_of_their_own_and_this_browser_keeps_it(visiting: Visiting) -> None:
    shown = visiting()
    name, error = enter_as_guest(shown), shown.page.locator("#password-error")
    shown.page.locator("#password-open").click()
    made_up = shown.page.get_by_label("Current password").input_value()
    expect(shown.page.locator("#guest-password")).to_have_text(made_up)
    change(shown, made_up, "")
    expect(error).to_have_text("Please enter a new password.")
    change(shown, made_up, "short")
    expect(error).to_have_text("New password must have at least 8 characters.")
    expect(shown.page.get_by_label("New password")).to_be_focused()
    change(shown, "not the password", PASSWORD)
    expect(error).to_have_text("The current password is wrong.")
    change(shown, made_up, PASSWORD)
    expect(shown.page.locator("#password-done")).to_contain_text("Your password is changed.")
    expect(error).to_be_empty()
    expect(shown.page.locator("#guest-password")).to_have_text(PASSWORD)
    shown.page.get_by_role("button", name="Log out").click()
    shown.page.get_by_role("button", name=f"Continue as {name}").click()
    is_in(shown, name)

    elsewhere = visiting()
    fill_in(elsewhere, name, PASSWORD)
    is_in(elsewhere, name)


def test_a_guest_whose_password_was_changed_elsewhere_is_not_replaced(stack: Stack, visiting: Visiting) -> None:
    shown = visiting()
    name = enter_as_guest(shown)
    assert stack.command("set-password", name, "--password-stdin", text=PASSWORD + "\n").returncode == 0
    shown.page.reload()
    shown.page.get_by_role("button", name=f"Continue as {name}").click()
    expect(shown.page.locator("#account-error")).to_contain_text("is not right any more")
    expect(shown.page.get_by_label("Player name")).to_have_value(name)
    expect(shown.page.locator("#guest")).to_have_text(f"Continue as {name}")
    fill_in(shown, name, PASSWORD)
    is_in(shown, name)


def lose_the_answer(route: Route) -> None:
    """The server does it, and the page never hears of it."""
    route.fetch()
    route.abort()


def test_a_guest_whose_new_password_may_or_may_not_be_taken_comes_back(visiting: Visiting) -> None:
    shown = visiting()
    name, error = enter_as_guest(shown), shown.page.locator("#password-error")
    shown.page.locator("#password-open").click()
    made_up = shown.page.get_by_label("Current password").input_value()
    shown.page.route("**/api/auth/password", lambda route: route.abort(), times=1)
    change(shown, made_up, PASSWORD)
    expect(error).to_contain_text("cannot be reached")
    shown.page.get_by_role("button", name="Log out").click()
    shown.page.get_by_role("button", name=f"Continue as {name}").click()
    is_in(shown, name)
    shown.page.route("**/api/auth/password", lose_the_answer, times=1)
    shown.page.locator("#password-open").click()
    change(shown, made_up, PASSWORD)
    expect(error).to_contain_text("cannot be reached")
    change(shown, made_up, PASSWORD)
    expect(error).to_have_text("The current password is wrong.")
    shown.page.get_by_role("button", name="Log out").click()
    shown.page.get_by_role("button", name=f"Continue as {name}").click()
    is_in(shown, name)


def test_an_account_whose_answer_was_lost_is_ones_own(visiting: Visiting) -> None:
    shown, name = visiting(), new_name()
    shown.page.route("**/api/auth/register", lose_the_answer, times=1)
    shown.page.get_by_role("button", name="Create an account").click()
    fill_in(shown, name, PASSWORD)
    expect(shown.page.locator("#account-error")).to_contain_text("cannot be reached")
    fill_in(shown, name, PASSWORD)
    is_in(shown, name)


def test_a_browser_that_keeps_nothing_shows_the_board_all_the_same(player: Player, visiting: Visiting) -> None:
    refuse = "window.BroadcastChannel = class { constructor() { throw new DOMException('', 'SecurityError'); } };"
    shown = visiting(player)
    shown.context.add_init_script(refuse)
    shown.page.reload()
    is_in(shown, player.username)
    shown.is_live()


def test_a_token_that_has_expired_is_renewed_without_a_word(stack: Stack, player: Player, visiting: Visiting) -> None:
    shown = visiting(player)
    shown.page.locator("[data-action='guess'] summary").click()
    expired = token_for(stack, player.user_id, player.session_id, life=-60)
    shown.keep(accessToken=expired)
    field = shown.page.get_by_label("A whole number from 1 to 100")
    field.fill("7")
    field.press("Enter")
    expect(shown.page.locator(".task.done")).to_have_count(1)
    assert shown.session()["accessToken"] not in {expired, player.access}
    assert shown.session()["refreshToken"] != player.refresh
    expect(shown.page.locator("#account-error")).to_be_empty()

    shown.keep(accessToken=expired, renewAt=0, expiresAt=0)
    shown.page.reload()
    is_in(shown, player.username)
    shown.is_live()


def test_the_board_stays_live_beyond_the_life_of_a_token(stack: Stack, visiting: Visiting) -> None:
    with stack.another_web(ACCESS_TOKEN_SECONDS="12") as web:
        shown = visiting(url=web.url)
        shown.page.get_by_role("button", name="Play as a guest").click()
        expect(shown.page.locator("#badge")).to_have_text("Live")
        shown.page.evaluate(LISTEN)
        first, begun = shown.session()["accessToken"], time.monotonic()
        wait_for(lambda: time.monotonic() > begun + 12.5 and shown.session()["accessToken"] != first, 30, "a new token")
        assert shown.page.evaluate("() => window.heard") == ["live"]
        shown.context.close()


def test_a_session_that_was_ended_is_said_to_have_ended(stack: Stack, player: Player, visiting: Visiting) -> None:
    shown = visiting(player)
    shown.is_live()
    assert player.post("/api/auth/logout").status_code == 204
    shown.page.locator("#start").click()
    expect(shown.page.locator("#account-error")).to_have_text("Your session has ended. Please log in again.")
    expect(shown.page.locator("#signed-out")).to_be_visible()
    expect(shown.page.locator("#board")).to_have_attribute("data-state", "locked")


def test_logging_out_in_one_tab_does_so_in_the_other(player: Player, visiting: Visiting) -> None:
    shown = visiting(player)
    other = shown.context.new_page()
    other.goto(shown.page.url)
    expect(other.locator("#account-name")).to_have_text(player.username)
    shown.page.get_by_role("button", name="Log out").click()
    expect(other.locator("#signed-out")).to_be_visible()
