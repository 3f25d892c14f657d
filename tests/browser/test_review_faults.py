"""The review when calls hang or fail, when a case changes under its reader, and with more cases than a page has."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Locator, Page, Route, ViewportSize, expect

from tests.support.players import Player, crowd
from tests.support.stack import Stack
from tests.support.suspects import AWAKE, STEADY, accuse
from tests.support.visits import Visit

Visiting = Callable[..., Visit]
Newcomer = Callable[[], Player]
NARROW = ViewportSize(width=320, height=640)
UNREACHED = "The server cannot be reached."
AXE = Axe()


@pytest.fixture
def desk(visiting: Visiting, analyst: Player) -> Visit:
    """The analyst's page."""
    shown = visiting(analyst, path="/review")
    expect(shown.page.locator("#desk")).to_be_visible()
    return shown


class Calls:
    """Some of a page's calls to the review. They hang until they are to fail or to be answered."""

    def __init__(self, page: Page, path: str) -> None:
        self.pattern = re.compile(rf"/api/review/{path}")
        self._hanging: list[Route] = []
        self._fate: Callable[[Route], None] = self._hanging.append
        page.route(self.pattern, self._meet)

    def fail(self) -> None:
        """From now on, and those that hang."""
        self._let_go(lambda route: route.abort())

    def answer(self) -> None:
        """From now on, and those that hang."""
        self._let_go(lambda route: route.continue_())

    def _meet(self, route: Route) -> None:
        self._fate(route)

    def _let_go(self, fate: Callable[[Route], None]) -> None:
        self._fate = fate
        while self._hanging:
            fate(self._hanging.pop())


def row(desk: Visit, case: int) -> Locator:
    return desk.page.locator(f".case-row[data-case='{case}']")


def open_case(desk: Visit, case: int) -> None:
    row(desk, case).click()
    expect(desk.page.locator("#file-title")).to_be_focused()


def clear(analyst: Player, case: int) -> int:
    """Clear a case from elsewhere."""
    ruling = {"decision": "clear", "note": "a long evening"}
    assert analyst.post(f"/api/review/cases/{case}/decision", ruling).status_code == 200
    return case


def show_two_pages(stack: Stack, desk: Visit) -> list[int]:
    """More cleared cases than a page has, all of them shown; the last is the one that was opened first."""
    players = crowd(stack, 55)
    players[0].close()  # They share their connections.
    cases = [accuse(stack, one, AWAKE) for one in players]
    stack.ask("UPDATE review_cases SET status = 'cleared' WHERE id = ANY(%s)", (cases,))
    desk.page.locator(".choice[data-status='cleared']").click()
    expect(row(desk, cases[-1])).to_have_count(1)
    desk.page.locator("#more").click()
    expect(row(desk, cases[0])).to_have_count(1)
    return cases


def test_no_case_is_decided_while_another_is_addressed(stack: Stack, newcomer: Newcomer, desk: Visit) -> None:
    player = newcomer()
    case, other = accuse(stack, newcomer(), AWAKE), accuse(stack, player, AWAKE)
    open_case(desk, case)
    calls = Calls(desk.page, rf"cases/{other}(/plots)?$")
    state, deciding = desk.page.locator("#file-state"), desk.page.locator("#decide")
    row(desk, other).click()
    expect(row(desk, other)).to_have_attribute("aria-current", "true")
    expect(state).to_have_text("One moment …")
    expect(desk.page.locator("#case")).to_be_hidden()
    desk.page.keyboard.press("c")
    expect(deciding).to_be_hidden()

    calls.fail()
    expect(state).to_have_text("The case could not be read.")
    expect(desk.page.locator("#trouble")).to_contain_text(UNREACHED)
    desk.page.keyboard.press("x")
    expect(deciding).to_be_hidden()

    calls.answer()
    expect(desk.page.locator("#file-title")).to_have_text(player.username)
    expect(desk.page.locator("#trouble")).to_be_empty()
    desk.page.keyboard.press("x")
    expect(desk.page.locator("#decide-title")).to_contain_text(player.username)


def test_the_skip_link_leads_to_the_case_and_leaves_it_open(stack: Stack, newcomer: Newcomer, desk: Visit) -> None:
    player = newcomer()
    open_case(desk, accuse(stack, player, AWAKE))
    desk.page.locator(".skip").focus()
    desk.page.keyboard.press("Enter")
    expect(desk.page.locator("#file")).to_be_focused()
    expect(desk.page.locator("#case")).to_be_visible()
    expect(desk.page.locator("#file-title")).to_have_text(player.username)


def test_a_narrow_window_leads_back_from_a_case_that_cannot_be_read(
    stack: Stack, newcomer: Newcomer, desk: Visit
) -> None:
    case = accuse(stack, newcomer(), AWAKE)
    desk.page.set_viewport_size(NARROW)
    calls = Calls(desk.page, rf"cases/{case}(/plots)?$")
    calls.fail()
    row(desk, case).click()
    expect(desk.page.locator("#trouble")).to_be_visible()
    desk.page.locator("#back-empty").click()
    expect(row(desk, case)).to_be_visible()
    expect(desk.page.locator("#trouble")).to_be_empty()


def test_an_address_without_a_case_is_said_to_be_one(
    stack: Stack, visiting: Visiting, newcomer: Newcomer, analyst: Player
) -> None:
    case = accuse(stack, newcomer(), AWAKE)
    desk = visiting(analyst, path="/review#999999999999")
    expect(desk.page.locator("#trouble")).to_have_text("There is no such case.")
    expect(desk.page).to_have_url(re.compile(r"/review$"))
    open_case(desk, case)
    expect(desk.page.locator("#trouble")).to_be_empty()


def test_what_fails_is_shown_until_it_works_again(
    stack: Stack, newcomer: Newcomer, analyst: Player, desk: Visit
) -> None:
    opened, cleared = accuse(stack, newcomer(), AWAKE), clear(analyst, accuse(stack, newcomer(), AWAKE))
    expect(row(desk, opened)).to_be_visible()
    trouble = desk.page.locator("#trouble")
    news = Calls(desk.page, "waiting")
    news.fail()
    expect(trouble).to_contain_text(UNREACHED)
    news.answer()
    expect(trouble).to_be_empty()

    lists = Calls(desk.page, r"cases\?")
    lists.fail()
    desk.page.locator(".choice[data-status='cleared']").click()
    expect(trouble).to_contain_text(UNREACHED)
    expect(desk.page.locator(".case-row, #nothing:not([hidden])")).to_have_count(0)
    lists.answer()
    expect(row(desk, cleared)).to_be_visible()
    expect(trouble).to_be_empty()


def test_news_of_a_case_comes_before_its_decision(stack: Stack, newcomer: Newcomer, desk: Visit) -> None:
    suspect = newcomer()
    open_case(desk, accuse(stack, suspect, AWAKE))
    news, deciding = desk.page.locator("#case-news"), desk.page.locator("#decide")
    seen = desk.page.get_by_role("button", name="I have seen it")
    expect(news).to_be_hidden()
    accuse(stack, suspect, STEADY, e_value=1e9)
    expect(news).to_be_visible()
    expect(desk.page.locator("#announcer")).to_contain_text("New evidence or a decision has come in.")
    desk.page.keyboard.press("c")
    expect(seen).to_be_focused()
    expect(deciding).to_be_hidden()
    desk.page.keyboard.press("c")  # And now they have seen it.
    expect(desk.page.locator("#note")).to_be_focused()
    desk.page.keyboard.type("nothing in it")
    desk.page.keyboard.press("Control+Enter")
    expect(desk.page.locator("#decisions")).to_contain_text("nothing in it")
    expect(news).to_be_hidden()  # Their own decision is none.


def test_what_comes_in_behind_the_dialog_is_shown_when_that_closes(
    stack: Stack, newcomer: Newcomer, desk: Visit
) -> None:
    suspect = newcomer()
    case = accuse(stack, suspect, AWAKE)
    open_case(desk, case)
    desk.page.keyboard.press("x")
    expect(desk.page.locator("#decide")).to_be_visible()
    accuse(stack, suspect, STEADY, e_value=1e9)
    expect(row(desk, case)).to_contain_text("2 reasons")  # The page has heard of it.
    expect(desk.page.locator("#reasons-count")).to_have_text("1 reason")
    desk.page.keyboard.press("Escape")
    expect(desk.page.locator("#reasons-count")).to_have_text("2 reasons")
    desk.page.get_by_role("button", name="I have seen it").click()
    expect(desk.page.locator("#case-news")).to_be_hidden()
    expect(desk.page.locator("#file-title")).to_be_focused()
    desk.page.keyboard.press("x")
    expect(desk.page.locator("#decide")).to_be_visible()


def test_a_time_that_is_none_is_asked_for(stack: Stack, newcomer: Newcomer, desk: Visit) -> None:
    open_case(desk, accuse(stack, newcomer(), AWAKE))
    told, field = desk.page.locator("#foretold-text"), desk.page.get_by_label("From (your time)")
    desk.page.locator("#confirm").click()
    desk.page.locator("input[value='span']").check()
    field.fill("2026-05-01T12:00")
    expect(told).to_have_text("No points change.")
    field.fill("202612-05-01T12:00")
    expect(told).to_have_text("Say from when, or until when.")
    assert field.evaluate("field => field.validity.rangeOverflow") is True  # So that nobody can type as many digits.
    desk.page.locator("#note").fill("an evening with a bot")
    desk.page.locator("#decide-submit").click()
    expect(desk.page.locator("#decide-error")).to_have_text("Say from when, or until when.")


def test_the_focus_and_the_place_in_a_long_queue_stay(
    stack: Stack, newcomer: Newcomer, analyst: Player, desk: Visit
) -> None:
    last = row(desk, show_two_pages(stack, desk)[0])
    last.focus()
    place = "() => document.querySelector('.queue').scrollTop"
    before = desk.page.evaluate(place)
    assert before > 0
    news = clear(analyst, accuse(stack, newcomer(), AWAKE))
    expect(row(desk, news)).to_have_count(1)
    expect(last).to_be_focused()
    assert desk.page.evaluate(place) >= before


def test_further_pages_stay_when_changes_follow_each_other(
    stack: Stack, newcomer: Newcomer, analyst: Player, desk: Visit
) -> None:
    last = row(desk, show_two_pages(stack, desk)[0])
    following = Calls(desk.page, r"cases\?.*cursor=")
    news = 0
    for _ in range(2):
        with desk.page.expect_request(following.pattern):
            news = clear(analyst, accuse(stack, newcomer(), AWAKE))
    expect(last).to_have_count(1)  # Nothing goes before all has come.
    following.answer()
    expect(row(desk, news)).to_have_count(1)
    expect(last).to_have_count(1)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_in_what_is_new_or_fails(
    stack: Stack, visiting: Visiting, newcomer: Newcomer, analyst: Player, scheme: str
) -> None:
    suspect = newcomer()
    case = accuse(stack, suspect, AWAKE)
    desk = visiting(analyst, path="/review", color_scheme=scheme, reduced_motion="reduce")
    open_case(desk, case)
    accuse(stack, suspect, STEADY, e_value=1e9)
    expect(desk.page.locator("#case-news")).to_be_visible()
    Calls(desk.page, "waiting").fail()
    expect(desk.page.locator("#trouble")).to_contain_text(UNREACHED)
    for size in (ViewportSize(width=1280, height=900), NARROW):
        desk.page.set_viewport_size(size)
        found = AXE.run(desk.page)
        assert found.violations_count == 0, found.generate_report()
        assert desk.page.evaluate("document.documentElement.scrollWidth") <= size["width"]
