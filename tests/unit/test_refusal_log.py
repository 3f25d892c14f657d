"""Refusals in the log: named, and never so many that the log becomes the target."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from config.allowance import Allowance
from tests.support import nowhere
from web import refusal_log
from web.app import create_app


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> FlaskClient:
    monkeypatch.setattr(refusal_log, "_lines", Allowance(10))
    return create_app(nowhere.settings()).test_client()


def ask(client: FlaskClient, path: str = "/api/me") -> int:
    return client.get(path, headers={"Authorization": "Bearer nonsense"}).status_code


def test_a_refusal_is_one_line_that_says_who_tried_what(client: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
    assert ask(client) == 401
    assert ask(client, "/api/review/cases/7") == 401
    assert [record.getMessage() for record in caplog.records if record.name == "web.refusal_log"] == [
        "refused: INVALID_TOKEN at GET /api/me from 127.0.0.1",
        "refused: INVALID_TOKEN at GET /api/review/cases/<int:case_id> from 127.0.0.1",
    ]


def test_the_path_and_the_token_are_not_written(client: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
    ask(client, "/api/me?password=secret%0a10:00:00 INFO forged")
    assert "secret" not in caplog.text
    assert "nonsense" not in caplog.text


def test_a_flood_leaves_a_hundred_lines_and_their_number(client: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(1_000):
        ask(client)
    lines = [record for record in caplog.records if record.name == "web.refusal_log"]
    assert 100 <= len(lines) < 500
    assert refusal_log._lines.withheld or " more since the last line" in caplog.text


def test_an_allowance_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1_000.0
    monkeypatch.setattr("config.allowance.time.monotonic", lambda: now)
    lines = Allowance(10)
    assert sum(lines.take() for _ in range(150)) == 100
    now += 0.1
    assert lines.take()
    assert not lines.take()
