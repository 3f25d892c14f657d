"""Visits to the page: who looks at it, and what they see and do there."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from tests.support.players import LIFE_SECONDS, Player

SESSION = "fairboard.session"
# The page's policy forbids eval, and with it Playwright's `wait_for_function`; what `evaluate` awaits is fine.
REST = """() => Promise.allSettled(
    document.getElementById("board").getAnimations({ subtree: true }).map((animation) => animation.finished))"""


@dataclass
class Visit:
    """A page that somebody has open."""

    context: BrowserContext
    page: Page
    complaints: list[str] = field(default_factory=list)
    """What went wrong in the page itself: errors, and what its policy had to stop."""

    def __post_init__(self) -> None:
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", lambda message: self._hear(message.type, message.text))

    def _hear(self, kind: str, text: str) -> None:
        # The browser notes each refusal and each lost connection; those are the server's, and are wanted.
        if kind == "error" and not text.startswith(("Failed to load resource", "WebSocket connection to")):
            self.complaints.append(text)

    def row(self, user_id: int) -> Locator:
        """A player's row among the ten."""
        return self.page.locator(f"#rows > .row[data-user='{user_id}']:not(.leaving)")

    def score(self, user_id: int) -> Locator:
        """The score in a player's row, as it is read aloud: what is seen is drawn."""
        return self.row(user_id).locator(".score > .unseen")

    def is_live(self) -> None:
        """Wait until the board is live and shows somebody."""
        expect(self.page.locator("#badge")).to_have_attribute("data-state", "live", timeout=20_000)
        expect(self.page.locator("#board")).to_have_attribute("data-state", "filled")

    def come_to_rest(self) -> None:
        """Wait until nothing on the board moves."""
        self.page.evaluate(REST)

    def session(self) -> dict[str, Any]:
        """What the page keeps of its session."""
        kept: dict[str, Any] = json.loads(self.page.evaluate(f"localStorage.getItem('{SESSION}')"))
        return kept

    def keep(self, **changes: object) -> None:
        """Change what the page keeps."""
        changed = json.dumps(self.session() | changes)
        self.page.evaluate(f"text => localStorage.setItem('{SESSION}', text)", changed)

    def choose(self, game: str) -> None:
        """Choose a game and start a round, until it has begun."""
        self.page.locator(f"[data-game='{game}'].choice").click()
        self.page.locator("#start").click()
        self.page.locator("#hud").wait_for()


def session_of(player: Player) -> dict[str, Any]:
    """A player's session as the page would keep it."""
    now = time.time() * 1_000
    return {
        "accessToken": player.access,
        "refreshToken": player.refresh,
        "expiresAt": int(now + LIFE_SECONDS * 1_000),
        "renewAt": int(now + LIFE_SECONDS * 500),
        "userId": player.user_id,
        "username": player.username,
        "role": "player",
    }


def visit(browser: Browser, url: str, player: Player | None = None, path: str = "", **options: Any) -> Visit:
    """Open a page, as a player who has been there before or as nobody."""
    kept = [{"name": SESSION, "value": json.dumps(session_of(player))}] if player else []
    state: Any = {"cookies": [], "origins": [{"origin": url, "localStorage": kept}]}
    context = browser.new_context(storage_state=state, locale="en-GB", **options)
    shown = Visit(context, context.new_page())
    shown.page.goto(url + path)
    return shown
