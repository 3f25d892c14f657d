"""Each call is made by each role, and answers only to those that its document names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.players import PASSWORD, Player, new_name, sign_up_as
from tests.support.problems import assert_problem
from tests.support.stack import Stack

ROLES = ("player", "analyst", "admin")
METHODS = ("get", "post", "put", "patch", "delete")
NOT_BY_ACCESS_TOKEN = {"/api/auth/refresh", "/api/auth/logout"}
"""The one takes another token, and the other would end the session of the tests that follow."""


@pytest.fixture(scope="module")
def by_role(stack: Stack) -> Iterator[dict[str, Player]]:
    """Somebody of each role."""
    made = {role: sign_up_as(stack, role) for role in ROLES}
    yield made
    for player in made.values():
        player.close()


@pytest.fixture(scope="module")
def document(stack: Stack, by_role: dict[str, Player]) -> dict[str, Any]:
    """What the server says of itself."""
    found: dict[str, Any] = by_role["player"].get("/api/openapi.json").json()
    return found


@pytest.mark.parametrize("role", ROLES)
def test_each_call_answers_to_the_roles_that_it_names_and_to_nobody_else(
    by_role: dict[str, Player], document: dict[str, Any], role: str
) -> None:
    player, refused = by_role[role], set()
    for path, verbs in document["paths"].items():
        for method, operation in verbs.items():
            if "x-roles" not in operation or path in NOT_BY_ACCESS_TOKEN:
                continue
            url = re.sub("{[^}]+}", "999999999", path)
            answer = player.http.request(method, url, headers=player.headers, json={} if method == "post" else None)
            if answer.status_code == 403:
                assert_problem(answer, 403, "FORBIDDEN")
                refused.add(path)
            assert (answer.status_code == 403) == (role not in operation["x-roles"]), f"{role}: {method} {path}"
            assert_problem(player.http.request(method, url), 401, "UNAUTHORIZED")
    assert (len(refused) >= 6) == (role == "player")


def test_every_call_says_who_may(document: dict[str, Any]) -> None:
    for path, verbs in document["paths"].items():
        assert set(verbs) <= set(METHODS)
        for method, operation in verbs.items():
            closed = bool(operation["security"])
            assert ("x-roles" in operation) == closed, f"{method} {path}"
            assert set(operation.get("x-roles", ROLES)) <= set(ROLES)
            assert path.startswith("/api/review/") == (operation.get("x-roles") == ["analyst", "admin"])


def test_no_call_changes_a_role(by_role: dict[str, Player], document: dict[str, Any]) -> None:
    """Roles are given on the server's own command line and nowhere else."""
    schemas = document["components"]["schemas"]
    bodies = [schema for name, schema in schemas.items() if name.endswith("Body")]
    assert bodies
    assert not [schema for schema in bodies if "role" in schema["properties"]]
    account = {"username": new_name(), "password": PASSWORD, "role": "admin"}
    assert_problem(by_role["admin"].post("/api/auth/register", account), 400, "VALIDATION_ERROR")
