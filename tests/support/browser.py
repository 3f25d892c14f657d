"""The Chromium of this machine, driven by Playwright."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Playwright, sync_playwright

VARIABLE = "FAIRBOARD_TEST_BROWSER"
NAMES = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = (
    "--no-sandbox",  # Its own needs namespaces that a container does not lend; the pages are ours.
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)


class NoBrowserError(Exception):
    """This machine has no Chromium."""


def find(playwright: Playwright) -> str:
    """The path of a Chromium: the one that was chosen, one on PATH, or Playwright's own."""
    chosen = os.environ.get(VARIABLE, "")
    for name in (chosen,) if chosen else NAMES:
        if path := shutil.which(name):
            return path
    own = playwright.chromium.executable_path
    if not chosen and Path(own).exists():
        return own
    looked = chosen or f"{', '.join(NAMES)} on PATH, {own}"
    raise NoBrowserError(
        f"The tests of the page need Chromium. Looked for: {looked}. Install one (`apt install chromium`, or "
        f"`.venv/bin/playwright install chromium`), or name one with {VARIABLE}=/path/to/it."
    )


@contextmanager
def chromium() -> Iterator[Browser]:
    """A headless Chromium, ended afterwards. Raises NoBrowserError where there is none: no test of the page is skipped.

    While it runs, this thread counts as one that runs an asyncio loop.
    """
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find(playwright), args=list(ARGUMENTS))
        try:
            yield browser
        finally:
            browser.close()
