"""The review played through: a cheat among honest players is flagged, held, confirmed by keyboard, and given back."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import expect

from tests.support.players import PASSWORD, Player
from tests.support.stack import Stack
from tests.support.suspects import AWAKE, REPLAY, STEADY, accuse, look_now, machine, person, write_past
from tests.support.visits import Visit

Visiting = Callable[..., Visit]
Newcomer = Callable[[], Player]
AXE = Axe()


@pytest.fixture
def cheat(stack: Stack, newcomer: Newcomer) -> tuple[Player, list[int]]:
    """Somebody who leads by repeating the same eight times, with their entries."""
    player = newcomer()
    lead = stack.ask("SELECT coalesce(max(score), 0) FROM standings")[0][0]
    entries = write_past(stack, player, machine(64, points=int(str(lead)) // 64 + 100))
    stack.wait_until_quiet()
    return player, entries


def open_case(desk: Visit, case: int) -> None:
    desk.page.locator(f".case-row[data-case='{case}']").click()
    expect(desk.page.locator("#file-title")).to_be_focused()


def read_by_keyboard(desk: Visit, player: Player) -> None:
    """From the queue into the case, and what it says."""
    desk.page.locator("#tabs button").first.focus()
    desk.page.keyboard.press("j")
    expect(desk.page.locator(".case-row", has_text=player.username)).to_be_focused()  # Of equals the newest is first.
    desk.page.keyboard.press("Enter")
    expect(desk.page.locator("#file-title")).to_be_focused()
    expect(desk.page.locator("#file-title")).to_have_text(player.username)
    replayed = desk.page.locator(".reason", has_text="Times that came before").first
    expect(replayed).to_contain_text("claimed times in a row")
    expect(replayed).to_contain_text("honest players")
    expect(desk.page.locator("path.dot-named").first).to_be_visible()
    expect(desk.page.locator("#plots")).to_contain_text("The axis is UTC.")


def confirm_by_keyboard(desk: Visit, player: Player, entries: int) -> None:
    """Another scope than the one offered, and not without a reason."""
    press, told = desk.page.keyboard.press, desk.page.locator("#foretold-text")
    press("x")
    expect(desk.page.locator("input[value='evidence']")).to_be_focused()
    expect(told).to_contain_text("entries are reversed")
    press("ArrowDown")
    expect(told).to_contain_text(f"{entries} entries are reversed")
    own = desk.page.locator("#moves-body tr").first
    expect(own).to_contain_text(player.username)
    expect(own).to_contain_text("→ 0")
    press("Tab")
    press("Control+Enter")
    expect(desk.page.locator("#decide-error")).to_contain_text("Say why")
    expect(desk.page.locator("#note")).to_be_focused()
    desk.page.keyboard.type("a machine repeats itself")
    press("Control+Enter")
    expect(desk.page.locator("#decide")).to_be_hidden()
    expect(desk.page.locator("#file-title")).to_be_focused()
    expect(desk.page.locator("#case-standing")).to_contain_text("Suspended")
    expect(desk.page.locator("#decisions")).to_contain_text(f"Everything: {entries} completions.")


def clear_by_keyboard(desk: Visit) -> None:
    """The undo."""
    desk.page.keyboard.press("c")
    expect(desk.page.locator("#note")).to_be_focused()
    expect(desk.page.locator("#moves-body tr").first).to_contain_text("off the board → #1")
    desk.page.keyboard.type("it was their brother's turn")
    desk.page.keyboard.press("Control+Enter")
    expect(desk.page.locator("#case-standing")).to_contain_text("On the board like everybody else")


def test_a_cheat_is_held_confirmed_by_keyboard_and_given_back(
    stack: Stack, visiting: Visiting, newcomer: Newcomer, analyst: Player, cheat: tuple[Player, list[int]]
) -> None:
    player, entries = cheat
    watcher = visiting(newcomer())
    expect(watcher.row(player.user_id)).to_have_attribute("data-rank", "1")
    theirs = visiting(player)
    expect(theirs.page.locator("#my-rank")).to_have_text("#1")
    desk = visiting(analyst, path="/review")
    expect(desk.page.locator("#desk")).to_be_visible()

    # Flagged and held: the queue shows it by itself, everybody's board does without, and the player learns nothing.
    look_now(stack, player)
    row = desk.page.locator(".case-row", has_text=player.username)
    expect(row).to_contain_text("held", timeout=30_000)
    expect(row).to_contain_text("High")
    expect(watcher.row(player.user_id)).to_have_count(0)
    theirs.page.reload()
    expect(theirs.page.locator("#my-rank")).to_have_text("#1")
    expect(theirs.page.locator("#my-status")).to_be_hidden()

    read_by_keyboard(desk, player)
    confirm_by_keyboard(desk, player, len(entries))
    expect(row).to_have_count(0)
    expect(theirs.page.locator("#account-error")).to_contain_text("suspended")
    expect(watcher.row(player.user_id)).to_have_count(0)

    clear_by_keyboard(desk)
    expect(watcher.row(player.user_id)).to_have_attribute("data-rank", "1")
    assert player.get("/api/me").json()["status"] == "active"
    stack.wait_until_quiet()
    assert stack.differences() == []


def test_a_player_or_nobody_sees_nothing(visiting: Visiting, player: Player, analyst: Player) -> None:
    shown = visiting(player, path="/review")
    expect(shown.page.locator("#gate-text")).to_have_text(
        f"{player.username} is not an analyst. This page has nothing for players."
    )
    expect(shown.page.locator("#desk")).to_be_hidden()
    expect(shown.page.locator(".case-row, .filter-count:not(:empty)")).to_have_count(0)
    shown.page.get_by_role("button", name="Log in as somebody else").click()
    log_in = shown.page.get_by_role("button", name="Log in", exact=True)
    log_in.click()
    expect(shown.page.locator("#login-error")).to_have_text("Please enter a name.")
    shown.page.get_by_label("Name").fill(analyst.username)
    log_in.click()
    expect(shown.page.locator("#login-error")).to_have_text("Please enter a password.")
    shown.page.get_by_label("Password").fill("not the password")
    log_in.click()
    expect(shown.page.locator("#login-error")).to_have_text("That name and password do not belong together.")
    shown.page.get_by_label("Password").fill(PASSWORD)
    log_in.click()
    expect(shown.page.locator("#desk")).to_be_visible()
    expect(shown.page.locator(".case-row:focus, #tabs > :focus")).to_have_count(1)
    shown.page.get_by_role("button", name="Log out").click()
    expect(shown.page.locator("#desk")).to_be_hidden()
    expect(shown.page.locator("#login")).to_be_visible()


def test_the_queue_is_filtered_and_walked_and_a_case_has_an_address(
    stack: Stack, visiting: Visiting, newcomer: Newcomer, analyst: Player
) -> None:
    players = [newcomer() for _ in range(3)]
    for number, one in enumerate(players):
        write_past(stack, one, person(12, seed=number))
    low, medium, high = (accuse(stack, one, hint) for one, hint in zip(players, (AWAKE, STEADY, REPLAY), strict=True))
    desk = visiting(analyst, path="/review")
    rows = desk.page.locator(".case-row")
    rows.first.wait_for()
    order = [int(row.get_attribute("data-case") or 0) for row in rows.all()]
    assert order.index(high) < order.index(medium) < order.index(low)
    press = desk.page.keyboard.press
    press("j")
    press("j")
    press("k")
    expect(rows.first).to_be_focused()
    desk.page.locator(".filter[data-severity='medium']").click()
    expect(desk.page.locator(f".case-row[data-case='{medium}']")).to_be_visible()
    expect(desk.page.locator(f".case-row[data-case='{high}']")).to_have_count(0)
    desk.page.locator(f".case-row[data-case='{medium}']").click()
    expect(desk.page).to_have_url(re.compile(rf"#{medium}$"))
    press("?")
    expect(desk.page.locator("#help")).to_be_visible()
    press("x")  # Keys do nothing behind a dialog.
    press("Escape")
    expect(desk.page.locator("#help")).to_be_hidden()
    expect(desk.page.locator("#decide")).to_be_hidden()
    desk.page.reload()
    expect(desk.page.locator("#file-title")).to_have_text(players[1].username)
    press("u")
    expect(desk.page.locator("#case")).to_be_hidden()
    assert "#" not in desk.page.url


def test_the_keys_can_be_turned_off_and_stay_so(
    stack: Stack, visiting: Visiting, newcomer: Newcomer, analyst: Player
) -> None:
    case = accuse(stack, newcomer(), AWAKE)
    desk = visiting(analyst, path="/review")
    open_case(desk, case)
    switch, deciding = desk.page.get_by_label("Keys are on"), desk.page.locator("#decide")
    desk.page.keyboard.press("?")
    expect(switch).to_be_checked()
    switch.uncheck()
    desk.page.keyboard.press("Escape")
    desk.page.reload()
    expect(desk.page.locator("#case")).to_be_visible()
    desk.page.keyboard.press("x")
    desk.page.keyboard.press("?")
    expect(deciding).to_be_hidden()
    switch.check()
    desk.page.keyboard.press("Escape")
    desk.page.keyboard.press("x")
    expect(deciding).to_be_visible()


def test_who_was_slower_is_told_and_sees_what_the_other_decided(
    stack: Stack, visiting: Visiting, newcomer: Newcomer, analyst: Player
) -> None:
    suspect = newcomer()
    case = accuse(stack, suspect, AWAKE)
    desk = visiting(analyst, path="/review")
    open_case(desk, case)
    desk.page.keyboard.press("x")
    desk.page.locator("#note").fill("I have seen enough")
    other = {"decision": "clear", "note": "a long evening"}
    assert analyst.post(f"/api/review/cases/{case}/decision", other).status_code == 200
    desk.page.locator("#decide-submit").click()
    expect(desk.page.locator("#decide-error")).to_have_text(
        "Meanwhile somebody has decided this case, or there is new evidence. Look at it again."
    )
    desk.page.keyboard.press("Escape")
    expect(desk.page.locator("#decisions")).to_contain_text("a long evening")
    assert suspect.get("/api/me").json()["status"] == "active"


def test_what_is_earned_in_a_time_is_taken(
    stack: Stack, visiting: Visiting, analyst: Player, cheat: tuple[Player, list[int]]
) -> None:
    player, entries = cheat
    case = accuse(stack, player, STEADY, entries[-31:])
    middle = stack.ask("SELECT created_at FROM ledger_entries WHERE id = %s", (entries[32],))[0][0]
    desk = visiting(analyst, path="/review", timezone_id="Asia/Tokyo")
    open_case(desk, case)
    desk.page.locator("#confirm").click()
    desk.page.locator("input[value='span']").check()
    expect(desk.page.locator("#foretold-text")).to_have_text("Say from when, or until when.")
    local = desk.page.evaluate(
        "at => new Date(Date.parse(at) + 9 * 3_600_000).toISOString().slice(0, 19)",
        middle.isoformat(),  # type: ignore[attr-defined]
    )
    desk.page.get_by_label("From (your time)").fill(local)
    expect(desk.page.locator("#foretold-text")).to_contain_text("32 entries are reversed")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(
    stack: Stack, visiting: Visiting, analyst: Player, cheat: tuple[Player, list[int]], scheme: str
) -> None:
    player, entries = cheat
    accuse(stack, player, AWAKE, entries[-10:])
    case = accuse(stack, player, REPLAY, entries[-40:])
    stack.ask("UPDATE sessions SET address = 'shared' WHERE user_id IN (%s, %s)", (player.user_id, analyst.user_id))

    def is_clean(shown: Visit, where: str) -> None:
        found = AXE.run(shown.page, options={} if scheme == "light" else {"runOnly": ["color-contrast"]})
        assert found.violations_count == 0, f"{where}:\n{found.generate_report()}"

    calm = {"color_scheme": scheme, "reduced_motion": "reduce", "path": "/review"}
    nobody = visiting(**calm)
    expect(nobody.page.locator("#login")).to_be_visible()
    is_clean(nobody, "logged out")
    desk = visiting(analyst, **calm)
    desk.page.locator(".case-row").first.wait_for()
    is_clean(desk, "the queue")
    open_case(desk, case)
    is_clean(desk, "a case")
    desk.page.keyboard.press("x")
    desk.page.locator("#moves").wait_for()
    is_clean(desk, "deciding")
    desk.page.keyboard.press("Escape")
    desk.page.set_viewport_size({"width": 320, "height": 640})
    is_clean(desk, "a narrow case")
    assert desk.page.evaluate("document.documentElement.scrollWidth") <= 320
    desk.page.locator("#back").click()
    expect(desk.page.locator("#cases")).to_be_visible()
    is_clean(desk, "a narrow queue")
    assert desk.page.evaluate("document.documentElement.scrollWidth") <= 320
