"""Around every answer: a correlation id, security headers and the counts. Below Flask, where it is cheapest."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

from config.logging import correlation_id, new_correlation_id
from web.metrics import count_request

Environ = dict[str, Any]
Headers = list[tuple[str, str]]
StartResponse = Callable[..., Any]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]

CORRELATION_HEADER = "X-Correlation-Id"
CSP = "Content-Security-Policy"
SECURITY_HEADERS: Headers = [
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Permissions-Policy", "camera=(), geolocation=(), microphone=()"),
]
STRICTEST_CSP = (CSP, "default-src 'none'; frame-ancestors 'none'")
"""For everything that is no page; pages bring their own."""


class Envelope:
    """WSGI middleware."""

    def __init__(self, application: Application) -> None:
        """What is inside."""
        self._application = application

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request."""
        started = time.perf_counter()
        correlation = _correlation(environ.get("HTTP_X_CORRELATION_ID", ""))
        correlation_id.set(correlation)

        def begin(status: str, headers: Headers, exc_info: Any = None) -> Any:
            own = [*SECURITY_HEADERS, (CORRELATION_HEADER, correlation)]
            if not any(name == CSP for name, _ in headers):
                own.append(STRICTEST_CSP)
            count_request(environ, status[:3], time.perf_counter() - started)
            return start_response(status, headers + own, exc_info)

        return self._application(environ, begin)


def _correlation(given: str) -> str:
    """The caller's id if it is a plain one, since it goes into the log; else a new one."""
    plain = given.isascii() and given.replace("-", "").isalnum() and len(given) <= 64
    return given if plain else new_correlation_id()
