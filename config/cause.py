"""What caused a piece of work. It travels from a request to its task, and from there to the frame."""

from __future__ import annotations

import json
import math
import re
import time
import uuid
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import asdict, dataclass, replace
from typing import Any

from config.tracing import traceparent

UNKNOWN = "-"
PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,63}")


@dataclass(frozen=True, slots=True)
class Cause:
    """A request: its correlation id; when its change was committed and the bell rung, in Unix seconds; its trace."""

    correlation: str = UNKNOWN
    rung_at: float | None = None
    traceparent: str | None = None

    def headers(self) -> dict[str, Any]:
        """As a task's headers carry it."""
        return {"correlation": self.correlation, "rung_at": self.rung_at}

    def written(self) -> str:
        """As the channel carries it."""
        return json.dumps(asdict(replace(self, traceparent=traceparent())))


cause: ContextVar[Cause] = ContextVar("cause", default=Cause())  # noqa: B039 -- it is frozen

_arrived: ContextVar[float] = ContextVar("arrived", default=math.inf)


def new_correlation_id() -> str:
    """A fresh id, short enough to read out."""
    return uuid.uuid4().hex[:16]


def begin(given: str = "") -> str:
    """Something begins under a caller's id if that is a plain one, since it goes into the log; else under a new one."""
    correlation = given if PLAIN.fullmatch(given) else new_correlation_id()
    cause.set(Cause(correlation))
    _arrived.set(time.monotonic())
    return correlation


def arrived() -> float:
    """When the request that is answered now came in, by the monotonic clock; now, if there is none."""
    return min(_arrived.get(), time.monotonic())


def ring() -> Cause:
    """The cause of what is asked for now."""
    return Cause(cause.get().correlation, time.time())


def resume(headers: Mapping[str, Any]) -> Cause:
    """Go on with what somebody else began: the headers of a task, or what the channel carried. Trusts none of it."""
    given, rung_at = headers.get("correlation"), headers.get("rung_at")
    plain = isinstance(given, str) and PLAIN.fullmatch(given)
    known = Cause(
        str(given) if plain else new_correlation_id(),
        rung_at if isinstance(rung_at, int | float) else None,
        str(headers["traceparent"]) if headers.get("traceparent") else None,
    )
    cause.set(known)
    return known
