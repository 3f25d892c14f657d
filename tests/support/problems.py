"""What every refusal must look like."""

from __future__ import annotations

from typing import Any

import httpx

PLAIN = {"type", "title", "status", "code", "detail"}
INSIDE = ("Traceback", 'File "', "psycopg2", "sqlalchemy", "redis.exceptions", "SELECT ", "/site-packages/", ".py")


def assert_problem(answer: httpx.Response, status: int, *codes: str) -> dict[str, Any]:
    """The problem of an answer, which must be an RFC 9457 document with one of the codes, and tell nothing inside."""
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert set(problem) - {"errors"} == PLAIN, problem
    assert problem["status"] == status
    assert problem["code"] in codes, problem
    assert all(isinstance(problem[name], str) and problem[name] for name in PLAIN - {"status"})
    assert isinstance(problem.get("errors", {}), dict)
    assert not [word for word in INSIDE if word in answer.text], answer.text
    return problem
