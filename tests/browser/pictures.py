"""The pictures of the page in docs/images, made anew: `python -m tests.browser.pictures`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, expect

from tests.processes import ROOT
from tests.support.browser import chromium
from tests.support.players import PASSWORD, Player, log_in, sign_up
from tests.support.stack import Stack, running_stack
from tests.support.suspects import AWAKE, REPLAY, STEADY, accuse, machine, person, write_past
from tests.support.visits import Visit, visit

IMAGES = Path(ROOT, "docs", "images")
CAST = {
    "Nadège": 12_450,
    "Åsa": 11_900,
    "ゆき子さん": 9_350,
    "Łukasz": 8_850,
    "ليلى": 7_600,
    "Jürgen": 7_250,
    "mateo": 6_100,
    "Нина": 5_150,
    "marten": 4_750,
    "priya": 4_700,
    "Þóra": 4_150,
    "wanjiru": 3_600,
    "otto": 2_900,
}
VIEWER = "marten"
WIDE = {"width": 1440, "height": 940}
NARROW = {"width": 360, "height": 760}


def give(stack: Stack, player: Player, points: int) -> None:
    """Points in the ledger, as if from an action of its own."""
    stack.ask(
        "SELECT append_entry(%s, 'global', 'gift-' || gen_random_uuid(), 'once', %s, NULL, NULL, NULL, NULL, '{}')",
        (player.user_id, points),
    )


def gather(stack: Stack) -> dict[str, Player]:
    """Players with names from many places, and what they have earned so far."""
    cast = {name: sign_up(stack, name=name) for name in CAST}
    for name, player in cast.items():
        give(stack, player, CAST[name] - 100)
        earn(player)
    return cast


def earn(player: Player) -> None:
    """A round of the reaction game."""
    assert player.play().status_code == 200


def stir(stack: Stack, cast: dict[str, Player], viewed: Visit) -> None:
    """Let some of the players pass others while somebody looks."""
    for name, points in {"Jürgen": 1_700, "mateo": 1_600, "priya": 1_000}.items():
        give(stack, cast[name], points - 100)
        earn(cast[name])
        expect(viewed.row(cast[name].user_id).locator(".chip.up")).to_be_visible()
    viewed.come_to_rest()


@contextmanager
def looking(browser: Browser, stack: Stack, player: Player, **options: Any) -> Iterator[Visit]:
    """The page on a screen, until it has been looked at."""
    shown = visit(browser, stack.url, player, **options)
    try:
        yield shown
    finally:
        shown.context.close()


def keep(shown: Visit, name: str, **options: Any) -> None:
    """Save what is seen."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    path = IMAGES / f"{name}.png"
    shown.page.mouse.move(0, 0)
    shown.page.screenshot(path=path, **options)
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size // 1024} KB")  # noqa: T201 -- a tool for the shell


def half_of(shown: Visit) -> str:
    """The first words of the sentence that is to be typed."""
    sentence = shown.page.locator("#sentence > .unseen").inner_text()
    return sentence[: sentence.index(" ", len(sentence) // 2)]


def take(stack: Stack, browser: Browser) -> None:
    """All pictures."""
    cast = gather(stack)
    viewer = cast[VIEWER]
    screen: Any = {"viewport": WIDE}
    phone: Any = {"viewport": NARROW, "device_scale_factor": 2, "has_touch": True}
    with (
        looking(browser, stack, viewer, color_scheme="light", **screen) as light,
        looking(browser, stack, viewer, color_scheme="dark", **screen) as dark,
        looking(browser, stack, viewer, color_scheme="light", **phone) as narrow,
        looking(browser, stack, viewer, color_scheme="dark", **phone) as narrow_dark,
    ):
        for shown in (light, dark, narrow, narrow_dark):
            shown.is_live()
        stir(stack, cast, light)
        for shown, name in ((light, "board"), (dark, "board-dark"), (narrow, "board-narrow")):
            shown.come_to_rest()
            keep(shown, name, full_page=shown is not narrow)
        for shown in (narrow, narrow_dark):
            shown.page.locator("#play").scroll_into_view_if_needed()
        narrow.choose("reaction")
        narrow.page.locator(".target").wait_for()
        keep(narrow, "reaction-narrow")
        narrow_dark.choose("typing")
        narrow_dark.page.locator(".type-here").press_sequentially(half_of(narrow_dark), delay=60)
        keep(narrow_dark, "typing-narrow")


def accused(stack: Stack) -> int:
    """Players whom the detectors doubt; gives the case of the worst."""
    others = {
        "nightowl": (AWAKE, person(220, 6, days=3)),
        "Sørine": (STEADY, person(160, 2)),
        "jo": (AWAKE, person(60, 4)),
    }
    linked = {}
    for name, (hint, plays) in others.items():
        linked[name] = sign_up(stack, name=f"{name} {len(plays)}")
        accuse(stack, linked[name], hint, write_past(stack, linked[name], plays)[-30:])
    cheat = sign_up(stack, name="Mallory")
    entries = write_past(stack, cheat, machine(180))
    ids = [cheat.user_id, linked["jo"].user_id, linked["nightowl"].user_id]
    stack.ask("UPDATE sessions SET address = 'home' WHERE user_id = ANY(%s)", (ids,))
    stack.ask("UPDATE sessions SET user_agent = 'rare' WHERE user_id = ANY(%s)", (ids[:2],))
    accuse(stack, cheat, STEADY, entries[-31:])
    stack.wait_until_quiet()
    return accuse(stack, cheat, REPLAY, entries[-40:])


def take_review(stack: Stack, browser: Browser) -> None:
    """The analysts' page."""
    case = accused(stack)
    stack.command("create-user", "ida", "--role", "analyst", "--password-stdin", text=PASSWORD + "\n")
    analyst = log_in(stack, "ida")
    for name, scheme, size in (
        ("review", "light", WIDE),
        ("review-dark", "dark", WIDE),
        ("review-narrow", "light", NARROW),
    ):
        narrow: Any = {"device_scale_factor": 2, "has_touch": True} if size is NARROW else {}
        with looking(browser, stack, analyst, path="/review", color_scheme=scheme, viewport=size, **narrow) as shown:
            shown.page.locator(f".case-row[data-case='{case}']").click()
            shown.page.locator(".plot svg").last.wait_for()
            keep(shown, name, full_page=size is WIDE)
            if name == "review":
                shown.page.keyboard.press("x")
                shown.page.locator("#moves").wait_for()
                shown.page.locator("#note").fill("Repeats the same eight times for an hour, to the millisecond.")
                shown.page.locator("#decide").screenshot(path=IMAGES / "review-decide.png")


def main() -> int:
    """Start everything, take the pictures, end everything."""
    with running_stack() as stack, chromium() as browser:
        take(stack, browser)
        take_review(stack, browser)
    return 0


if __name__ == "__main__":
    sys.exit(main())
