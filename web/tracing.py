"""OpenTelemetry's own instruments on the web process: Flask, and the tasks that it asks for."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from flask import Flask

UNTRACED = "healthz,readyz,metrics"


def trace_requests(app: Flask, *, believe_callers: bool) -> None:
    """A span for each request and each task asked for. Call it only where traces are on.

    Whoever may name the trace that a request belongs to decides whether it is sampled, so only a proxy of ours may.
    """
    from opentelemetry.instrumentation.celery import CeleryInstrumentor  # noqa: PLC0415 -- see config/tracing.py
    from opentelemetry.instrumentation.flask import FlaskInstrumentor  # noqa: PLC0415

    FlaskInstrumentor().instrument_app(app, excluded_urls=UNTRACED)
    CeleryInstrumentor().instrument()
    if not believe_callers:
        app.wsgi_app = _without_context(app.wsgi_app)  # type: ignore[method-assign]  # Flask's documented way


def _without_context(application: Callable[..., Iterable[bytes]]) -> Callable[..., Iterable[bytes]]:
    def call(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        for name in ("HTTP_TRACEPARENT", "HTTP_TRACESTATE", "HTTP_BAGGAGE"):
            environ.pop(name, None)
        return application(environ, start_response)

    return call
