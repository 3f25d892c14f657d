"""Every route asks who calls, or is on the list of those that do not; and the document says the same."""

from __future__ import annotations

import re
from typing import Any

import pytest
from flask import Flask
from jsonschema import Draft202012Validator
from schemathesis.specs.openapi.definitions import OPENAPI_31
from sqlalchemy import CheckConstraint

from models.tables import Base
from services.accounts import ROLES
from services.errors import ALL_ERRORS
from tests.support import nowhere
from web.app import create_app
from web.openapi import build_document

OPEN = {
    "POST /api/auth/register",
    "POST /api/auth/login",
    "GET /healthz",
    "GET /readyz",
    "GET /metrics",
    "GET /api/openapi.json",
    "GET /api/docs",
    "GET /api/docs/<name>",
    "GET /",
    "GET /review",
    "GET /fairboard.js",
    "GET /static/<path:filename>",
    # Asks for a WebSocket first, and then who it is: tests/e2e/test_sockets.py.
    "GET /ws",
}
CODES = {
    400: {
        "VALIDATION_ERROR",
        "ACTION_NOT_FOUND",
        "ACTION_KIND_MISMATCH",
        "ACTION_DATA_INVALID",
        "ACTION_ALREADY_COMPLETED",
        "ACTION_TOKEN_INVALID",
        "ACTION_TOKEN_EXPIRED",
        "TOKEN_ALREADY_USED",
        "SUSPICIOUS_ACTIVITY",
    },
    401: {"UNAUTHORIZED", "INVALID_TOKEN", "TOKEN_EXPIRED", "INVALID_CREDENTIALS"},
    403: {"FORBIDDEN", "ACCOUNT_SUSPENDED"},
    404: {"NOT_FOUND"},
    405: {"METHOD_NOT_ALLOWED"},
    409: {"USERNAME_TAKEN", "CASE_CHANGED"},
    413: {"PAYLOAD_TOO_LARGE"},
    415: {"UNSUPPORTED_MEDIA_TYPE"},
    429: {"RATE_LIMIT_EXCEEDED"},
    500: {"INTERNAL_ERROR"},
    503: {"SERVICE_UNAVAILABLE"},
}
"""The table of the protocol, written down a second time on purpose: clients switch on these words."""
CALLS = {
    "post /api/auth/register": {201, 400, 409, 413, 415, 429, 500, 503},
    "post /api/auth/login": {200, 400, 401, 403, 413, 415, 429, 500, 503},
    "post /api/auth/refresh": {200, 401, 403, 500, 503},
    "post /api/auth/logout": {204, 401, 403, 500, 503},
    "post /api/auth/password": {204, 400, 401, 403, 413, 415, 429, 500, 503},
    "get /api/me": {200, 401, 403, 500, 503},
    "get /api/actions": {200, 401, 403, 500, 503},
    "post /api/actions/request": {200, 400, 401, 403, 413, 415, 429, 500, 503},
    "post /api/actions/complete": {200, 400, 401, 403, 413, 415, 429, 500, 503},
    "post /api/action/complete": {200, 400, 401, 403, 413, 415, 429, 500, 503},
    "get /api/leaderboard": {200, 400, 401, 403, 500, 503},
    "get /api/review/cases": {200, 400, 401, 403, 500, 503},
    "get /api/review/cases/{case_id}": {200, 401, 403, 404, 500, 503},
    "get /api/review/cases/{case_id}/plots": {200, 401, 403, 404, 500, 503},
    "get /api/review/waiting": {200, 401, 403, 500, 503},
    "post /api/review/cases/{case_id}/preview": {200, 400, 401, 403, 404, 413, 415, 500, 503},
    "post /api/review/cases/{case_id}/decision": {200, 400, 401, 403, 404, 409, 413, 415, 500, 503},
    "get /healthz": {200, 500, 503},
    "get /readyz": {200, 500, 503},
    "get /metrics": {200, 401, 403, 500, 503},
}


@pytest.fixture(scope="module")
def app() -> Flask:
    return create_app(nowhere.settings())


@pytest.fixture(scope="module")
def document(app: Flask) -> dict[str, Any]:
    return build_document(app)


def routes(app: Flask) -> set[str]:
    methods = {"GET", "POST", "PUT", "PATCH", "DELETE"}
    return {
        f"{method} {rule.rule}" for rule in app.url_map.iter_rules() for method in (rule.methods or set()) & methods
    }


def test_every_open_route_exists(app: Flask) -> None:
    assert routes(app) >= OPEN


def test_every_other_route_asks_who_calls(app: Flask) -> None:
    """Without a token, with any body: 401, although neither PostgreSQL nor Redis is there."""
    closed = routes(app) - OPEN
    assert len(closed) >= 11
    with app.test_client() as client:
        for route in closed:
            method, rule = route.split(" ")
            answer = client.open(re.sub("<[^>]+>", "1", rule), method=method, json={})
            assert (answer.status_code, answer.get_json()["code"]) == (401, "UNAUTHORIZED"), route


def test_a_socket_is_asked_for_with_get_and_nothing_else(app: Flask) -> None:
    with app.test_client() as client:
        assert client.get("/ws").get_json()["code"] == "VALIDATION_ERROR"
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            answer = client.open("/ws", method=method, headers={"Upgrade": "websocket"})
            assert (answer.status_code, answer.get_json()["code"]) == (405, "METHOD_NOT_ALLOWED")
            assert "GET" in answer.headers["Allow"]


def operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {f"{verb} {path}": what for path, verbs in document["paths"].items() for verb, what in verbs.items()}


def test_the_document_has_every_call_and_every_status(document: dict[str, Any]) -> None:
    found = {call: {int(status) for status in what["responses"]} for call, what in operations(document).items()}
    assert found == CALLS


def test_the_document_knows_who_is_let_in(document: dict[str, Any]) -> None:
    for call, what in operations(document).items():
        method, path = call.split(" ")
        expected: list[dict[str, list[str]]] = [] if f"{method.upper()} {path}" in OPEN else [{"accessToken": []}]
        expected = [{"refreshToken": []}] if path == "/api/auth/refresh" else expected
        if path != "/api/leaderboard":
            assert what["security"] == expected, call


def test_every_error_code_is_in_the_code_and_in_the_document(document: dict[str, Any]) -> None:
    in_code: dict[int, set[str]] = {}
    for code, error in ALL_ERRORS.items():
        in_code.setdefault(error.status, set()).add(code)
    assert in_code == CODES
    in_document: dict[int, set[str]] = {}
    for what in operations(document).values():
        for status, response in what["responses"].items():
            problem = response.get("content", {}).get("application/problem+json")
            if problem:
                assert set(problem["examples"]) == set(problem["schema"]["allOf"][1]["properties"]["code"]["enum"])
                in_document.setdefault(int(status), set()).update(problem["examples"])
    # Nobody can be told at a call that the call does not exist.
    of_no_call = {404: CODES[404], 405: CODES[405]}
    assert of_no_call | in_document == CODES


def test_the_document_says_which_roles_and_statuses_there_are(document: dict[str, Any]) -> None:
    models = {name: document["components"]["schemas"][name]["properties"] for name in ("LoginAnswer", "MeAnswer")}
    assert {tuple(model["role"]["enum"]) for model in models.values()} == {ROLES}
    checks = [one for one in Base.metadata.tables["users"].constraints if isinstance(one, CheckConstraint)]
    statuses = next(str(one.sqltext) for one in checks if str(one.sqltext).startswith("status"))
    assert re.findall(r"'(\w+)'", statuses) == models["MeAnswer"]["status"]["enum"]


def test_the_document_is_valid_openapi(document: dict[str, Any]) -> None:
    """Against the schema that the OpenAPI Initiative publishes for 3.1, which Schemathesis brings."""
    assert document["openapi"].startswith("3.1.")
    assert [error.message for error in Draft202012Validator(OPENAPI_31).iter_errors(document)] == []
    assert [error.message for error in Draft202012Validator(OPENAPI_31).iter_errors(document | {"paths": []})] != []
    for name, schema in document["components"]["schemas"].items():
        Draft202012Validator.check_schema(schema)
        assert schema["type"] == "object", name


def test_every_reference_leads_somewhere_and_every_name_is_used_once(document: dict[str, Any]) -> None:
    text = str(document)
    for name in set(re.findall(r"#/components/schemas/(\w+)", text)):
        assert name in document["components"]["schemas"]
    names = [what["operationId"] for what in operations(document).values()]
    assert len(set(names)) == len(names)
