"""Around every answer: a correlation id, security headers, who may read it, and the counts.

Below Flask, where it is cheapest, and where errors pass as well.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

from config import cause
from web.access_log import log_request
from web.metrics import IN_PROGRESS, count_request

Environ = dict[str, Any]
Headers = list[tuple[str, str]]
StartResponse = Callable[..., Any]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]

CORRELATION_HEADER = "X-Correlation-Id"
REQUEST_ID_HEADER = "X-Request-Id"
"""The same, as most proxies call it. Either is taken, and both are answered."""
CSP = "Content-Security-Policy"
UNUSED = (
    *("accelerometer", "camera", "display-capture", "geolocation", "gyroscope", "magnetometer", "microphone", "midi"),
    *("payment", "serial", "usb"),
)
"""What browsers offer and no page of ours wants."""
SECURITY_HEADERS: Headers = [
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Permissions-Policy", ", ".join(f"{feature}=()" for feature in UNUSED)),
]
HSTS, CACHE = "Strict-Transport-Security", "Cache-Control"
UNCACHED = (CACHE, "no-store")
"""For every answer that says nothing itself; a cache may keep even an error that does not forbid it (RFC 9111)."""
STRICTEST_CSP = (CSP, "default-src 'none'; frame-ancestors 'none'")
"""For everything that is no page; pages bring their own."""
CLIENT_PATHS = ("/fairboard.js", "/static/fairboard/")
FOR_ALL: Headers = [("Cross-Origin-Resource-Policy", "cross-origin"), ("Access-Control-Allow-Origin", "*")]
"""For the client in JavaScript, which pages everywhere may load: it is public, and the same for everybody."""
FOR_OWN: Headers = [("Cross-Origin-Resource-Policy", "same-origin")]
READABLE = ("Access-Control-Expose-Headers", f"Retry-After, X-Cache, {CORRELATION_HEADER}, {REQUEST_ID_HEADER}")
PREFLIGHT: Headers = [
    ("Access-Control-Allow-Methods", "GET, POST"),
    ("Access-Control-Allow-Headers", "Authorization, Content-Type"),
    ("Access-Control-Max-Age", "7200"),  # Chromium's limit.
]


class Envelope:
    """WSGI middleware."""

    def __init__(self, application: Application, origins: Iterable[str] = (), hsts: str = "") -> None:
        """What is inside, whose pages may read its answers besides our own, and what browsers are told that came over

        TLS. Tokens travel in headers, so that no answer is for pages that send cookies.
        """
        self._application = application
        self._hsts: Headers = [(HSTS, hsts)] if hsts else []
        self._for_origin: dict[str | None, Headers] = {
            origin: [*FOR_OWN, ("Vary", "Origin"), ("Access-Control-Allow-Origin", origin), READABLE]
            for origin in origins
        }
        self._for_others = [*FOR_OWN, ("Vary", "Origin")] if self._for_origin else FOR_OWN

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request."""
        started = time.perf_counter()
        correlation = cause.begin(environ.get("HTTP_X_REQUEST_ID") or environ.get("HTTP_X_CORRELATION_ID", ""))

        def begin(status: str, headers: Headers, exc_info: Any = None) -> Any:
            ids = [(CORRELATION_HEADER, correlation), (REQUEST_ID_HEADER, correlation)]
            own = [*SECURITY_HEADERS, *self._sharing(environ), *ids]
            given = {name for name, _ in headers}
            own += [header for header in (STRICTEST_CSP, UNCACHED) if header[0] not in given]
            if environ["wsgi.url_scheme"] == "https":
                own += self._hsts
            seconds = time.perf_counter() - started
            count_request(environ, status[:3], seconds)
            log_request(environ, status[:3], seconds)
            return start_response(status, headers + own, exc_info)

        if environ["REQUEST_METHOD"] == "OPTIONS" and self._is_preflight(environ):
            begin("204 No Content", list(PREFLIGHT))
            return []
        with IN_PROGRESS.track_inprogress():
            return self._application(environ, begin)

    def _sharing(self, environ: Environ) -> Headers:
        if environ["PATH_INFO"].startswith(CLIENT_PATHS):
            return FOR_ALL
        return self._for_origin.get(environ.get("HTTP_ORIGIN"), self._for_others)

    def _is_preflight(self, environ: Environ) -> bool:
        """Whether a browser asks on behalf of a page that may. Others get Flask's answer, which allows nothing."""
        asks = "HTTP_ACCESS_CONTROL_REQUEST_METHOD" in environ
        return asks and environ.get("HTTP_ORIGIN") in self._for_origin
