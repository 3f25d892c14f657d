"""The board as people see it: rows that move, numbers that roll, and names of every kind."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from typing import Any

from playwright.sync_api import expect

from tests.support.players import Player, fill_board, sign_up
from tests.support.stack import Stack
from tests.support.visits import Visit

Newcomer = Callable[[], Player]
Visiting = Callable[..., Visit]

# What moves in the page when a row comes to its new rank. It is asked before anything happens.
WATCH = """([user, rank]) => {
    window.seen = new Promise((done) => {
        const look = () => {
            const row = document.querySelector(`#rows > .row[data-user="${user}"]:not(.leaving)`);
            if (row?.dataset.rank !== rank) return;
            watching.disconnect();
            const moves = row.getAnimations({ subtree: true });
            done({
                ids: moves.map((move) => move.id || move.transitionProperty),
                from: moves.find((move) => move.id === "glide")?.effect.getKeyframes()[0].transform ?? "",
                properties: moves.filter((move) => move.id === "glide").flatMap((move) =>
                    Object.keys(move.effect.getKeyframes()[0]).filter((key) => key === "top" || key === "transform")),
            });
        };
        const watching = new MutationObserver(() => requestAnimationFrame(look));
        const options = { subtree: true, childList: true, attributes: true, attributeFilter: ["data-rank"] };
        watching.observe(document.getElementById("rows"), options);
    });
}"""
# A board out of thin air, with players in the order of `ids`.
SHOW = """async ([orders, wait]) => {
    const { Board } = await import("/static/js/board.js");
    const board = window.boardOfTheTest ??= new Board();
    for (const ids of orders) {
        const entry = (id, index) => ({ rank: index + 1, userId: id, username: `user ${id}`, score: 1000 - index });
        board.show({ leaderboard: ids.map(entry), updatedAt: new Date().toISOString(), version: 1 });
        await new Promise((done) => setTimeout(done, wait));
    }
    await new Promise(requestAnimationFrame);
    await new Promise(requestAnimationFrame);  // Boards are drawn with a frame of the screen; that one is over now.
}"""
PLACES = "() => [...document.querySelectorAll('#rows > .row:not(.leaving)')].map((row) => row.dataset.user ?? '')"


def rivals(newcomer: Newcomer) -> tuple[Player, Player]:
    """Two players on the first two places; the second is less than a typing sprint behind."""
    second, first = newcomer(), newcomer()
    second.climb()
    first.climb()
    return first, second


def type_sentence(shown: Visit) -> None:
    """Play the typing sprint, fast but not faster than people do."""
    shown.choose("typing")
    sentence = shown.page.locator("#sentence > .unseen").inner_text()
    shown.page.locator(".type-here").press_sequentially(sentence, delay=5_300 / len(sentence))


def test_one_plays_and_the_other_sees_the_row_move(newcomer: Newcomer, visiting: Visiting) -> None:
    first, second = rivals(newcomer)
    playing, watching = visiting(second), visiting(first)
    for shown in (playing, watching):
        shown.is_live()
        expect(shown.row(second.user_id)).to_have_attribute("data-rank", "2")
    changed = watching.page.locator("#changed-at").get_attribute("datetime")
    score = int(watching.score(second.user_id).inner_text().replace(",", ""))
    watching.page.evaluate(WATCH, [str(second.user_id), "1"])

    type_sentence(playing)
    expect(playing.page.locator("#game-gain")).to_have_text("+250")

    seen: dict[str, Any] = watching.page.evaluate("() => window.seen")
    assert "glide" in seen["ids"]
    assert "transform" in seen["ids"]  # The digits roll, and the bar grows.
    assert re.fullmatch(r"translateY\(\d+(\.\d+)?px\)", seen["from"])  # From below, and by its transform only.
    assert seen["properties"] == ["transform"]
    for shown in (playing, watching):
        expect(shown.row(second.user_id)).to_have_attribute("data-rank", "1")
        expect(shown.row(second.user_id).locator(".chip.up")).to_have_text(re.compile("1.*up 1 place"))
        expect(shown.row(first.user_id).locator(".chip.down")).to_have_text(re.compile("1.*down 1 place"))
        expect(shown.score(second.user_id)).to_have_text(f"{score + 250:,}")
    assert watching.page.locator("#changed-at").get_attribute("datetime") != changed
    expect(watching.row(first.user_id)).to_have_class(re.compile("mine"))
    expect(watching.row(second.user_id)).not_to_have_class(re.compile("mine"))
    expect(playing.page.locator("#my-score > .unseen")).to_have_text(f"{score + 250:,}")
    expect(playing.page.locator("#my-rank")).to_have_text("#1")


def test_who_is_not_among_the_ten_sees_the_own_place_below(stack: Stack, player: Player, visiting: Visiting) -> None:
    fill_board(stack, 12)
    answer = player.once("guess", {"number": 7}).json()
    shown = visiting(player)
    shown.is_live()
    own = shown.page.locator("#own")
    expect(own.locator(".rank")).to_have_text(f"{answer['rank']:,}")
    expect(own.locator(".score > .unseen")).to_have_text("25")
    expect(own.locator(".you")).to_be_visible()
    expect(shown.page.locator("#rows > .mine")).to_have_count(0)

    player.climb()
    expect(shown.row(player.user_id)).to_have_attribute("data-rank", "1")
    expect(own).to_be_hidden()
    expect(shown.row(player.user_id).locator(".chip.new")).to_be_visible()


NAMES = {
    "wide": "﷽" * 32,
    "ideographs": "鷹" * 32,
    "markup": "<img src=x onerror=alert(1)>",
    "right to left": "ליאור 123 כהן",
}


# Whether names are shown as they are, in their own direction, and nothing leaves its row or the page.
FITS = """(user) => {
    const row = document.querySelector(`#rows > .row[data-user="${user}"]`);
    const [name, score] = [row.querySelector(".name-text"), row.querySelector(".score")];
    const [outer, inner] = [row, name].map((element) => element.getBoundingClientRect());
    return {
        text: name.textContent,
        markup: name.childElementCount,
        direction: getComputedStyle(name).direction,
        inside: inner.top >= outer.top - 0.5 && inner.bottom <= outer.bottom + 0.5,
        beside: inner.right <= score.getBoundingClientRect().left + 0.5 && inner.width > 20,
    };
}"""


def test_names_of_every_kind_stay_in_their_row(stack: Stack, newcomer: Newcomer, visiting: Visiting) -> None:
    players = {kind: newcomer() for kind in NAMES}
    for kind, player in players.items():
        stack.ask("UPDATE users SET username = %s WHERE id = %s", (NAMES[kind], player.user_id))
        player.climb()
    shown = visiting(players["wide"], viewport={"width": 320, "height": 700})
    shown.is_live()
    for width in (320, 768, 1_440):
        shown.page.set_viewport_size({"width": width, "height": 900})
        shown.come_to_rest()
        assert shown.page.evaluate("() => document.documentElement.scrollWidth <= innerWidth"), width
        for kind, player in players.items():
            assert shown.page.evaluate(FITS, player.user_id) == {
                "text": NAMES[kind],
                "markup": 0,
                "direction": "rtl" if kind == "right to left" else "ltr",
                "inside": True,
                "beside": True,
            }, (kind, width)


def test_frames_that_come_fast_do_not_pile_up(visiting: Visiting) -> None:
    shown = visiting()
    order = list(range(1, 11))
    orders = [order[turn:] + order[:turn] for turn in range(10)] * 2
    shown.page.evaluate(SHOW, [orders, 50])
    moving = shown.page.evaluate(
        "() => document.getElementById('rows').getAnimations({ subtree: true }).filter((move) => move.id).length"
    )
    assert moving <= 2 * len(order)  # A glide for each row, and points that were won.
    shown.come_to_rest()
    assert shown.page.evaluate(PLACES) == [str(user) for user in orders[-1]]


def test_a_glide_that_is_overtaken_goes_on_from_where_the_row_is(visiting: Visiting) -> None:
    shown = visiting()
    order = list(range(1, 11))
    shown.page.evaluate(SHOW, [[order], 0])
    shown.come_to_rest()
    jump = shown.page.evaluate(
        """async (order) => {
            const { Board } = await import("/static/js/board.js");
            const frame = () => new Promise(requestAnimationFrame);
            const show = (ids) => window.boardOfTheTest.show({
                leaderboard: ids.map((id, at) => ({ rank: at + 1, userId: id, username: `${id}`, score: 100 - at })),
            });
            const row = document.querySelector("#rows > .row[data-user='10']");
            const top = () => row.getBoundingClientRect().top;
            const [height, start] = [row.offsetHeight, top()];
            show([10, ...order.slice(0, 9)]);
            for (let frames = 0; frames < 6; frames += 1) await frame();
            const before = top();
            show([order[0], 10, ...order.slice(1, 9)]);
            await frame();
            await frame();
            return { moved: start - before, jump: Math.abs(top() - before), height };
        }""",
        order,
    )
    assert jump["moved"] > 0
    assert jump["jump"] < 3 * jump["height"]  # Two frames of a glide, and not the whole way at once.


def test_nothing_moves_for_those_who_asked_for_calm(visiting: Visiting) -> None:
    shown = visiting(reduced_motion="reduce")
    shown.page.evaluate(SHOW, [[list(range(1, 11)), list(range(10, 0, -1))], 50])
    assert shown.page.evaluate("() => document.getAnimations().length") == 0
    assert shown.page.evaluate(PLACES) == [str(user) for user in range(10, 0, -1)]


def test_rows_are_kept_for_their_players(visiting: Visiting) -> None:
    shown = visiting()
    shown.page.evaluate(SHOW, [[[1, 2, 3]], 20])
    rows = shown.page.evaluate_handle("() => [1, 2, 3].map((id) => document.querySelector(`[data-user='${id}']`))")
    shown.page.evaluate(SHOW, [[[3, 4, 1]], 20])
    kept = "(rows) => rows.map((row) => row.isConnected && !row.classList.contains('leaving'))"
    assert rows.evaluate(kept) == [True, False, True]
    assert shown.page.evaluate(PLACES) == ["3", "4", "1", *itertools.repeat("", 7)]


def test_a_visitor_watches_a_public_board_live(stack: Stack, player: Player, visiting: Visiting) -> None:
    player.climb()
    with stack.another_web(PUBLIC_BOARD="true") as web:
        shown = visiting(url=web.url)
        shown.is_live()
        expect(shown.row(player.user_id)).to_be_visible()
        someone = sign_up(stack)
        someone.climb()
        expect(shown.row(someone.user_id)).to_have_attribute("data-rank", "1")
        someone.close()
        shown.context.close()
