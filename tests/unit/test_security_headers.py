"""Every answer carries every security header, whatever it is an answer to."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.support import nowhere
from web import openapi
from web.app import create_app

ANSWERS = [
    ("GET", "/"),
    ("GET", "/healthz"),
    ("GET", "/readyz"),
    ("GET", "/metrics"),
    ("GET", "/api/docs"),
    ("GET", "/api/docs/swagger-ui.css"),
    ("GET", "/api/docs/nothing"),
    ("GET", "/api/openapi.json"),
    ("GET", "/static/style.css"),
    ("GET", "/fairboard.js"),
    ("GET", "/nowhere"),
    ("GET", "/api/me"),
    ("DELETE", "/api/me"),
    ("OPTIONS", "/api/me"),
    ("TRACE", "/api/me"),
    ("POST", "/api/auth/login"),
    ("GET", "/ws"),
]


@pytest.fixture(scope="module")
def client() -> FlaskClient:
    return create_app(nowhere.settings(allowed_origins="https://game.example")).test_client()


def ask(client: FlaskClient, method: str, path: str, **options: Any) -> TestResponse:
    return client.open(path, method=method, buffered=True, **options)


def test_the_document_is_built_once(monkeypatch: pytest.MonkeyPatch, client: FlaskClient) -> None:
    """It takes tens of milliseconds, in which nobody else is served, and anybody may ask for it."""
    first = ask(client, "GET", "/api/openapi.json").data
    monkeypatch.setattr(openapi, "build_document", None)
    assert ask(client, "GET", "/api/openapi.json").data == first


@pytest.mark.parametrize(("method", "path"), ANSWERS)
def test_every_answer_has_every_header(client: FlaskClient, method: str, path: str) -> None:
    headers = ask(client, method, path).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["Cross-Origin-Resource-Policy"] in {"same-origin", "cross-origin"}
    assert "camera=()" in headers["Permissions-Policy"]
    assert headers["X-Correlation-Id"]
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy or "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "script-src 'unsafe" not in policy
    assert headers["Cache-Control"]
    for name in set(headers.keys()) - {"Set-Cookie"}:
        assert len(headers.getlist(name)) == 1, name
    assert "Set-Cookie" not in headers
    assert "Server" not in headers


@pytest.mark.parametrize(("method", "path"), [answer for answer in ANSWERS if answer[1].startswith("/api/")])
def test_no_cache_keeps_an_answer_of_the_api(client: FlaskClient, method: str, path: str) -> None:
    answer = ask(client, method, path)
    pages = path.startswith("/api/docs") and answer.status_code == 200
    assert answer.headers["Cache-Control"] == ("no-cache" if pages else "no-store")


@pytest.mark.parametrize(("method", "path"), ANSWERS)
def test_browsers_that_came_over_tls_are_told_to_stay(client: FlaskClient, method: str, path: str) -> None:
    over_tls = ask(client, method, path, base_url="https://board.example")
    assert over_tls.headers["Strict-Transport-Security"] == "max-age=31536000"
    assert "Strict-Transport-Security" not in ask(client, method, path).headers


@pytest.mark.parametrize(
    "value", ["max-age=63072000; includeSubDomains", "max-age=63072000; includeSubDomains; preload"]
)
def test_what_they_are_told_is_a_setting(value: str) -> None:
    changed = create_app(nowhere.settings(hsts=value)).test_client()
    answer = ask(changed, "GET", "/healthz", base_url="https://board.example")
    assert answer.headers["Strict-Transport-Security"] == value


def test_it_can_be_turned_off() -> None:
    silent = create_app(nowhere.settings(hsts="0")).test_client()
    assert "Strict-Transport-Security" not in ask(silent, "GET", "/", base_url="https://board.example").headers


@pytest.mark.parametrize("value", ["yes", "max-age=1\r\nSet-Cookie: a=b", "max-age=x", "includeSubDomains"])
def test_nonsense_is_an_error_at_start(value: str) -> None:
    with pytest.raises(ValueError, match="hsts"):
        nowhere.settings(hsts=value)


@pytest.mark.parametrize(
    "path", ["//healthz", "//evil.example/", "//evil.example/..", "/static//style.css", "/api/docs/", ""]
)
def test_no_answer_leads_to_an_address_that_the_client_made_up(client: FlaskClient, path: str) -> None:
    lies = {"Host": "evil.example", "X-Forwarded-Host": "evil.example"}
    answer = ask(client, "GET", "/", headers=lies, environ_overrides={"PATH_INFO": path})
    assert "Location" not in answer.headers
    assert "evil.example" not in str(answer.headers)
