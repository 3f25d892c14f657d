"""Games that are played as people play them, and what the page says when a round does not count."""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Callable

from playwright.sync_api import expect

from fairboard_client import checksum
from tests.support.players import PASSWORD, Player
from tests.support.stack import Stack
from tests.support.visits import Visit

Visiting = Callable[..., Visit]
Tiles = tuple[int, ...]
GAP = 8
GOAL: Tiles = tuple(range(9))
TWICE = """() => {
    for (let times = 0; times < 2; times += 1)
        document.body.dispatchEvent(new KeyboardEvent("keydown", { key: " ", bubbles: true }));
}"""
# From the place of the gap to that of the tile which a key slides into it.
KEYS = {"ArrowLeft": 1, "ArrowRight": -1, "ArrowUp": 3, "ArrowDown": -3}


def enter(visiting: Visiting, player: Player) -> Visit:
    """The page of a player who can begin."""
    shown = visiting(player)
    expect(shown.page.locator("#start")).to_be_enabled()
    return shown


def says(shown: Visit, words: str) -> None:
    expect(shown.page.locator("#game-text")).to_contain_text(words)


def sentence_of(shown: Visit) -> str:
    return shown.page.locator("#sentence > .unseen").inner_text()


def test_the_reaction_game_is_played_with_pointer_and_keys_and_counts(player: Player, visiting: Visiting) -> None:
    shown = enter(visiting, player)
    target = shown.page.locator(".target")
    with shown.page.expect_request("**/api/actions/complete", timeout=60_000) as sent:
        shown.choose("reaction")
        target.wait_for()
        shown.page.evaluate(TWICE)  # The second stroke is too soon: there is nothing to hit.
        for hits in range(1, 10):
            expect(shown.page.locator("#hud-count")).to_have_text(f"{hits} of 10")
            target.wait_for()
            if hits % 2:
                shown.page.keyboard.press("Enter")
            else:
                target.click()
    body = json.loads(sent.value.post_data or "")
    assert body["data"] == {"hits": 10, "tooSoon": 1}
    took = body["proof"]["completionTime"]
    assert body["proof"]["checksum"] == checksum(body["actionToken"], took, body["data"])
    assert 5_000 <= took < 60_000
    expect(shown.page.locator("#game-gain")).to_have_text("+100")
    expect(shown.page.locator("#my-score > .unseen")).to_have_text("100")
    expect(shown.page.locator("#start")).to_have_text("Play again")
    expect(shown.page.locator("#start")).to_be_focused()
    assert player.get("/api/me").json()["score"] == 100
    assert shown.page.locator("#stage").get_attribute("data-flash") is None, "the frame of the last hit is gone"


def tiles_of(shown: Visit) -> Tiles:
    """Which tile is at each place."""
    expect(shown.page.locator(".tile")).to_have_count(8)
    tiles = [GAP] * 9
    for tile, button in enumerate(shown.page.locator(".tile").all()):
        found = re.search(r"row (\d), column (\d)", button.get_attribute("aria-label") or "")
        assert found
        tiles[3 * int(found[1]) + int(found[2]) - 4] = tile
    return tuple(tiles)


def slide(tiles: Tiles, key: str) -> Tiles | None:
    """The tiles after a key, or None if it slides nothing."""
    gap = tiles.index(GAP)
    place = gap + KEYS[key]
    if not 0 <= place < 9 or (abs(KEYS[key]) == 1 and place // 3 != gap // 3):
        return None
    slid = list(tiles)
    slid[gap], slid[place] = slid[place], GAP
    return tuple(slid)


def solve(tiles: Tiles) -> list[str]:
    """The shortest way to order."""
    ways: dict[Tiles, list[str]] = {tiles: []}
    waiting = deque([tiles])
    while GOAL not in ways:
        now = waiting.popleft()
        for key in KEYS:
            after = slide(now, key)
            if after is not None and after not in ways:
                ways[after] = [*ways[now], key]
                waiting.append(after)
    return ways[GOAL]


def test_the_puzzle_can_be_solved_with_the_keyboard_and_counts(player: Player, visiting: Visiting) -> None:
    shown = enter(visiting, player)
    shown.choose("puzzle")
    first, *others = solve(tiles_of(shown))
    shown.page.locator(".tile[aria-label*='can slide']").first.focus()
    shown.page.keyboard.press(first)
    expect(shown.page.locator("#hud-count")).to_have_text("1 move")
    for key in others:
        shown.page.keyboard.press(key, delay=1_500 / len(others))
    expect(shown.page.locator("#game-gain")).to_have_text("+500")


def test_a_sentence_in_a_moment_is_too_fast_and_is_not_handed_in(player: Player, visiting: Visiting) -> None:
    shown = enter(visiting, player)
    sent: list[str] = []
    shown.page.on("request", lambda request: sent.append(request.url))
    shown.choose("typing")
    shown.page.locator(".type-here").fill(sentence_of(shown))
    says(shown, "Too fast: nobody is done here in less than 5.0 seconds. The round was not handed in.")
    assert not [url for url in sent if url.endswith("/complete")]
    assert player.get("/api/me").json()["status"] == "active"


def test_mistakes_are_shown_and_have_to_be_mended(player: Player, visiting: Visiting) -> None:
    shown = enter(visiting, player)
    shown.choose("typing")
    typing = shown.page.locator(".type-here")
    sentence = sentence_of(shown)
    typing.press_sequentially(f"{sentence[:5]}##")
    expect(typing).to_have_attribute("aria-invalid", "true")
    expect(shown.page.locator(".letter.wrong")).to_have_count(2)
    expect(shown.page.locator(".letter.right")).to_have_count(5)
    typing.press("Backspace")
    typing.press("Backspace")
    expect(typing).to_have_attribute("aria-invalid", "false")
    shown.page.keyboard.press("Escape")
    says(shown, "Round ended. Nothing was handed in.")
    expect(shown.page.locator("#start")).to_be_focused()


def all_but_the_last_key(shown: Visit) -> str:
    """Play the puzzle, in a time that counts, up to the last key, and give that."""
    shown.choose("puzzle")
    *keys, last = solve(tiles_of(shown))
    for key in keys:
        shown.page.keyboard.press(key, delay=1_500 / len(keys))
    return last


def test_a_spent_round_is_said_to_be_spent(stack: Stack, player: Player, visiting: Visiting) -> None:
    shown = enter(visiting, player)
    last = all_but_the_last_key(shown)
    stack.ask("UPDATE action_tokens SET used_at = now() WHERE user_id = %s", (player.user_id,))
    shown.page.keyboard.press(last)
    says(shown, "This round was spent already: each one counts once.")
    expect(shown.page.locator("#start")).to_be_enabled()


def test_a_time_that_the_server_does_not_believe_is_too_fast(stack: Stack, player: Player, visiting: Visiting) -> None:
    shown = enter(visiting, player)
    last = all_but_the_last_key(shown)
    stack.ask("UPDATE action_tokens SET issued_at = now() WHERE user_id = %s", (player.user_id,))
    shown.page.keyboard.press(last)
    says(shown, "Too fast: the server does not believe that time.")


def test_who_plays_too_often_is_told_to_slow_down_and_for_how_long(player: Player, visiting: Visiting) -> None:
    shown = enter(visiting, player)
    for _ in range(10):
        player.request()
    shown.page.clock.install()
    start = shown.page.locator("#start")
    start.click()
    says(shown, "Slow down")
    expect(start).to_have_text(re.compile(r"^\d+ s$"))
    expect(start).to_be_disabled()
    told = shown.page.locator("#game-text").inner_text()
    found = re.search(r"You can play again in (\d+) seconds\.", told)
    assert found
    assert 1 <= int(found[1]) <= 60
    shown.page.clock.fast_forward(2_000)
    expect(start).to_have_text(re.compile(rf"^(?!{found[1]})\d+ s$"))  # It counts, ...
    assert shown.page.locator("#game-text").inner_text() == told  # ... and is not read out each second.
    player.forget_limits()
    shown.page.clock.fast_forward(60_000)
    expect(start).to_have_text("Start")
    expect(start).to_be_enabled()


def test_who_comes_after_somebody_that_has_to_wait_need_not(
    player: Player, newcomer: Callable[[], Player], visiting: Visiting
) -> None:
    shown, other = enter(visiting, player), newcomer()
    refusal = {"code": "RATE_LIMIT_EXCEEDED", "detail": "", "status": 429}
    headers = {"Retry-After": "1843", "Content-Type": "application/problem+json"}
    shown.page.route(
        "**/api/actions/request", lambda route: route.fulfill(status=429, headers=headers, body=json.dumps(refusal))
    )
    shown.page.locator("#start").click()
    says(shown, "You can play again in 31 minutes.")
    shown.page.get_by_role("button", name="Log out").click()
    says(shown, "Log in or play as a guest")
    shown.page.get_by_label("Player name").fill(other.username)
    shown.page.get_by_label("Password", exact=True).fill(PASSWORD)
    shown.page.locator("#account-submit").click()
    expect(shown.page.locator("#start")).to_have_text("Start")
    expect(shown.page.locator("#start")).to_be_enabled()


def test_what_counts_once_is_a_card_that_is_done_then(player: Player, visiting: Visiting) -> None:
    shown = enter(visiting, player)
    card = shown.page.locator("[data-action='quiz']")
    card.locator("summary").click()
    card.get_by_role("button", name="Hand in").click()
    expect(card.locator(".task-says")).to_have_text("Please choose or enter something.")
    card.get_by_label("Celery").check()
    card.get_by_role("button", name="Hand in").click()
    expect(card.locator(".task-says")).to_have_text("That is not it. Have another guess.")
    card.get_by_label("Redis").check()
    card.get_by_role("button", name="Hand in").click()
    expect(shown.page.locator(".task.done")).to_contain_text("Done")
    expect(shown.page.locator("#my-score > .unseen")).to_have_text("50")
    guess = shown.page.locator("[data-action='guess']")
    guess.locator("summary").click()
    guess.get_by_label("A whole number from 1 to 100").fill("101")
    guess.get_by_label("A whole number from 1 to 100").press("Enter")
    expect(guess.locator(".task-says")).to_have_text("It has to be a whole number from 1 to 100.")
    assert player.once("guess", {"number": 3}).status_code == 200  # Elsewhere.
    guess.get_by_label("A whole number from 1 to 100").fill("7")
    guess.get_by_label("A whole number from 1 to 100").press("Enter")
    expect(shown.page.locator(".task.done").nth(1)).to_contain_text("Done already")
    shown.page.reload()
    expect(shown.page.locator(".task.done")).to_have_count(2)
