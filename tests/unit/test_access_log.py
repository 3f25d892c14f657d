"""The access log: one line an answer, and of refusals never so many that the log becomes the target."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from flask.testing import FlaskClient

from config.allowance import Allowance
from tests.support import nowhere
from web import access_log
from web.app import create_app


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> FlaskClient:
    caplog.set_level(logging.INFO, "fairboard.access")
    monkeypatch.setattr(access_log, "_refused", Allowance(10))
    return create_app(nowhere.settings()).test_client()


def written(caplog: pytest.LogCaptureFixture) -> list[Any]:
    return [record for record in caplog.records if record.name == "fairboard.access"]


def test_a_line_has_the_route_and_not_the_path(client: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
    client.get("/api/review/cases/7?password=secret")
    (line,) = written(caplog)
    assert line.getMessage().startswith("GET /api/review/cases/<int:case_id> 401 UNAUTHORIZED ")
    assert line.fields["http.response.status_code"] == 401
    assert "user.id" not in line.fields


def test_probes_are_for_debugging(client: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
    client.get("/healthz")
    assert written(caplog) == []
    caplog.set_level(logging.DEBUG, "fairboard.access")
    client.get("/healthz")
    assert len(written(caplog)) == 1


def test_a_flood_of_refusals_leaves_some_lines_and_their_number(
    client: FlaskClient, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1_000.0
    monkeypatch.setattr("config.allowance.time.monotonic", lambda: now)
    monkeypatch.setattr(access_log, "_refused", Allowance(10))
    for _ in range(150):
        client.get("/api/me")
    assert len(written(caplog)) == 100
    now += 0.1
    client.get("/api/me")
    assert written(caplog)[-1].fields["fairboard.lines.withheld"] == 50
