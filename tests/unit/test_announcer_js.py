"""What screen readers hear of news that come at about the same time."""

from __future__ import annotations

from tests.support.node import run
from web.routes.pages import STATIC


def test_news_of_one_subject_do_not_silence_those_of_another() -> None:
    assert run(
        """
        const heard = [];
        const place = { get textContent() { return heard.at(-1) ?? ""; }, set textContent(text) { heard.push(text); } };
        globalThis.document = { getElementById: () => place };
        const { announce } = await import(url);
        announce("The board is not live just now.", "connection");
        announce("You are now number 3.", "rank");
        announce("The board is live.", "connection");
        announce("You are now number 2.", "rank");
        await pass(4_000);
        announce("The board is live. You are now number 2.");
        await pass(4_000);
        announce("You are now number 1.", "rank");
        await pass(4_000);
        return heard;
        """,
        fakes=True,
        url=(STATIC / "js" / "announcer.js").as_uri(),
    ) == ["The board is live. You are now number 2.", "You are now number 1."]
