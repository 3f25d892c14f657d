"""Pages of another origin, in Chromium: the client there, and the examples of docs/embed.md as they are printed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.processes import ROOT
from tests.support.browser import chromium
from tests.support.pages import Elsewhere, elsewhere
from tests.support.players import PASSWORD, Player, fill_board, sign_up
from tests.support.stack import Stack, Web

GUIDE = (ROOT / "docs" / "embed.md").read_text("utf-8")
BOARD, GAME = re.findall(r"^```html\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def site() -> Iterator[Elsewhere]:
    with elsewhere() as other:
        yield other


@pytest.fixture(scope="module")
def web(stack: Stack, site: Elsewhere) -> Iterator[Web]:
    """A server that lets the pages of that site in, and nobody without an account."""
    with stack.another_web(ALLOWED_ORIGINS=f"https://game.example,{site.origin}") as server:
        yield server


@pytest.fixture(scope="module")
def public(stack: Stack, site: Elsewhere) -> Iterator[Web]:
    """The same with a public board."""
    with stack.another_web(ALLOWED_ORIGINS=site.origin, PUBLIC_BOARD="true") as server:
        yield server


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page that may not complain."""
    context = browser.new_context()
    opened = context.new_page()
    complaints: list[str] = []
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    yield opened
    context.close()
    assert complaints == []


@pytest.fixture
def climber(stack: Stack) -> Iterator[Player]:
    made = sign_up(stack)
    yield made
    made.close()


def in_page(page: Page, body: str, **given: Any) -> Any:
    """What the body of a function returns that has the client as `client`."""
    return page.evaluate(
        f"async (given) => {{ const client = await import(`${{given.url}}/fairboard.js`); {body} }}", given
    )


def test_a_page_of_an_allowed_origin_logs_in_and_watches(
    web: Web, site: Elsewhere, page: Page, stack: Stack, climber: Player
) -> None:
    watcher = sign_up(stack)
    page.goto(site.add("/watch", "<p id=leader></p><p id=state></p>"))
    said = in_page(
        page,
        """
        const fairboard = new client.Fairboard({ url: given.url, store: client.browserStore("other") });
        await fairboard.login(given.name, given.password);
        const set = (id, text) => { document.getElementById(id).textContent = text; };
        fairboard.subscribe({
          onBoard: (board) => set("leader", board.leaderboard[0]?.username),
          onState: (state) => set("state", state),
        });
        const [first] = await fairboard.actions();
        return [(await fairboard.me()).username, first.actionType, localStorage.getItem("other") !== null];
        """,
        url=web.url,
        name=watcher.username,
        password=PASSWORD,
    )
    assert said == [watcher.username, "reaction", True]
    expect(page.locator("#state")).to_have_text("live", timeout=15_000)
    climber.climb()
    expect(page.locator("#leader")).to_have_text(climber.username, timeout=15_000)
    watcher.close()


def test_a_page_of_an_allowed_origin_reads_refusals_and_how_long_to_wait(
    web: Web, site: Elsewhere, browser: Browser, climber: Player
) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.goto(site.origin)
    refusals = in_page(
        page,
        """
        const fairboard = new client.Fairboard({ url: given.url });
        const seen = [];
        const note = ({ status, code, retryAfter }) => seen.push([status, code, retryAfter > 0]);
        await fairboard.login(given.name, "not the password").catch(note);
        await fairboard.login(given.name, given.password);
        for (let call = 0; call < 11; call += 1) await fairboard.requestAction("reaction").catch(note);
        return seen;
        """,
        url=web.url,
        name=climber.username,
        password=PASSWORD,
    )
    context.close()
    assert refusals == [[401, "INVALID_CREDENTIALS", False], [429, "RATE_LIMIT_EXCEEDED", True]]


def test_a_page_of_another_origin_gets_the_client_and_no_answers(
    stack: Stack, site: Elsewhere, browser: Browser, climber: Player
) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.goto(site.origin)
    refusal = in_page(
        page,
        """
        const fairboard = new client.Fairboard({ url: given.url });
        return fairboard.login(given.name, given.password).catch(({ status, code }) => [status, code]);
        """,
        url=stack.url,
        name=climber.username,
        password=PASSWORD,
    )
    context.close()
    assert refusal == [0, "NETWORK"]


def test_two_tabs_renew_a_shared_session_once(stack: Stack, site: Elsewhere, browser: Browser, climber: Player) -> None:
    answers = []
    with stack.another_web(ALLOWED_ORIGINS=site.origin, ACCESS_TOKEN_SECONDS="12") as web:
        context = browser.new_context()
        context.on("response", lambda answer: answers.append((answer.request.method, answer.url, answer.status)))
        tabs = [context.new_page() for _ in range(2)]
        for tab in tabs:
            tab.goto(site.origin)
        begin = """
            window.fairboard = new client.Fairboard({ url: given.url, store: client.browserStore() });
            window.states = [];
            if (given.name) await window.fairboard.login(given.name, given.password);
            window.fairboard.subscribe({ onBoard() {}, onState: (state) => window.states.push(state) });
        """
        in_page(tabs[0], begin, url=web.url, name=climber.username, password=PASSWORD)
        in_page(tabs[1], begin, url=web.url)
        tabs[0].wait_for_timeout(18_000)  # The life of more than one token.
        states = [tab.evaluate("window.states") for tab in tabs]
        context.close()
    renewals = [status for method, url, status in answers if method == "POST" and url.endswith("/api/auth/refresh")]
    assert states == [["connecting", "live"], ["connecting", "live"]]
    assert renewals == [200, 200]


# The guide


def test_the_examples_are_as_short_as_they_say() -> None:
    assert "ten lines" in GUIDE
    assert "thirty lines" in GUIDE
    assert len(BOARD.splitlines()) <= 10
    script = GAME[GAME.index("<script") :].splitlines()
    assert len([line for line in script if line.strip()]) <= 30


def test_the_live_board_of_the_guide(public: Web, site: Elsewhere, page: Page, stack: Stack, climber: Player) -> None:
    fill_board(stack)
    page.goto(site.add("/board", BOARD.replace("https://board.example.org", public.url)))
    expect(page.locator("#board li")).to_have_count(10, timeout=15_000)
    climber.climb()
    expect(page.locator("#board li").first).to_contain_text(f"{climber.username}: ", timeout=15_000)


def test_the_game_of_the_guide(web: Web, site: Elsewhere, page: Page) -> None:
    page.goto(site.add("/game", GAME.replace("https://board.example.org", web.url)))
    for points in (100, 200):  # The second round is the same guest's.
        page.get_by_role("button", name="Start").click()
        for _ in range(5):
            page.locator("#dot").click()
            expect(page.locator("#dot")).to_be_hidden()
        expect(page.locator("#text")).to_contain_text(f"You have {points} points and are number ", timeout=15_000)
