"""The access log: one line an answer, and of refusals and strangers never so many that the log becomes the target."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from flask.testing import FlaskClient

from config.allowance import Allowance
from tests.support import nowhere
from web import access_log
from web.app import create_app
from web.context import USER


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


def test_a_flood_of_strangers_leaves_some_lines_their_number_and_those_of_players(
    client: FlaskClient, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1_000.0
    monkeypatch.setattr("config.allowance.time.monotonic", lambda: now)
    monkeypatch.setattr(access_log, "_strangers", Allowance(50))
    for _ in range(550):
        assert client.head("/review").status_code == 200
    assert len(written(caplog)) == 500
    client.head("/review", environ_overrides={USER: 7})
    assert written(caplog)[-1].fields["user.id"] == "7"
    assert "fairboard.lines.withheld" not in written(caplog)[-1].fields
    now += 0.1
    client.head("/review")
    assert written(caplog)[-1].fields["fairboard.lines.withheld"] == 50
    assert len(written(caplog)) == 502
