"""What can go wrong: every failure of a call is a FairboardError."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any


class FairboardError(Exception):
    """A problem that the server answered with. Switch on `code`; `detail` is for people.

    `retry_after` is the number of seconds the server asks to wait, `errors` the faults by field, both where given.
    """

    def __init__(
        self, status: int, code: str, detail: str = "", *, retry_after: float | None = None, errors: Any = None
    ) -> None:
        super().__init__(f"{status} {code}: {detail}" if detail else f"{status} {code}")
        self.status = status
        self.code = code
        self.detail = detail
        self.retry_after = retry_after
        self.errors = errors

    @property
    def passing(self) -> bool:
        """Whether the same call may succeed later: the server is away, busy, or asked to wait."""
        return self.status in (0, 408, 425, 429) or self.status >= HTTPStatus.INTERNAL_SERVER_ERROR


class NoAnswerError(FairboardError):
    """No answer came: refused, broken off or too late. Whether the server acted on the call is unknown."""

    def __init__(self, detail: str) -> None:
        super().__init__(0, "NO_ANSWER", detail)


def from_answer(status: int, headers: Mapping[str, str], body: bytes | bytearray) -> FairboardError:
    """The error in an answer of 400 or more, also where a proxy in between answered without a problem document."""
    try:
        problem = json.loads(body)
    except ValueError:
        problem = None
    problem = problem if isinstance(problem, dict) else {}
    return FairboardError(
        status,
        str(problem.get("code") or f"HTTP_{status}"),
        str(problem.get("detail") or problem.get("title") or ""),
        retry_after=_seconds(headers.get("Retry-After")),
        errors=problem.get("errors"),
    )


def _seconds(value: str | None) -> float | None:
    """Retry-After in seconds. The server sends no dates; a proxy's date counts as not given."""
    return float(value) if value is not None and value.isascii() and value.isdigit() else None
