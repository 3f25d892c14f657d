"""OpenTelemetry traces, off by default. While they are off nothing of it is imported, and a span costs one comparison.

The libraries instrument what they know: Flask, Celery, SQLAlchemy, the Redis client (web/app.py, workers/app.py,
services/resources.py). The short cuts of the hot path go past all of them and make their own small spans here.
"""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from config.settings import Settings

if TYPE_CHECKING:
    from redis import Redis
    from sqlalchemy import Engine

EXPORT_SECONDS = 3
"""Longest wait for the collector: a process that ends waits no longer for one that is away."""
_OFF: AbstractContextManager[Any] = nullcontext()
_tracer: Any = None


def endpoint(settings: Settings) -> str:
    """Where spans are sent, or nothing: our own setting, else the one that every OpenTelemetry program knows."""
    return settings.otlp_endpoint or os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT", "")


def start(settings: Settings, service: str) -> bool:
    """Trace this process from now on, and return whether that is wanted. After a fork, because a thread sends."""
    global _tracer  # noqa: PLW0603 -- one per process, like the log
    if not endpoint(settings):
        return False
    from opentelemetry import trace  # noqa: PLC0415 -- a third of a second, for those who want it
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    provider = TracerProvider(resource=Resource.create({"service.name": f"fairboard-{service}"}))
    url = endpoint(settings).rstrip("/") + "/v1/traces"
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=url, timeout=EXPORT_SECONDS)))
    trace.set_tracer_provider(provider)
    _tracer = trace.get_tracer("fairboard")
    return True


def stop() -> None:
    """Send what waits, before the process ends."""
    if _tracer is not None:
        from opentelemetry import trace  # noqa: PLC0415

        trace.get_tracer_provider().shutdown()  # type: ignore[attr-defined]  # It is the one that `start` made.


def is_on() -> bool:
    """Whether this process traces."""
    return _tracer is not None


def span(name: str, **attributes: str) -> AbstractContextManager[Any]:
    """A span around a block, for what no library instruments. Underscores of attributes stand for dots."""
    if _tracer is None:
        return _OFF
    from opentelemetry.trace import SpanKind  # noqa: PLC0415

    named = {key.replace("_", "."): value for key, value in attributes.items()}
    return _tracer.start_as_current_span(name, kind=SpanKind.CLIENT, attributes=named)  # type: ignore[no-any-return]


def instrument(engine: Engine | None = None, redis: Redis | None = None) -> None:
    """Trace what goes through a client, if this process traces."""
    if _tracer is None:
        return
    from opentelemetry.instrumentation.redis import RedisInstrumentor  # noqa: PLC0415
    from opentelemetry.instrumentation.sqlalchemy import SQLAlchemyInstrumentor  # noqa: PLC0415

    if engine is not None:
        # It says that it wants SQLAlchemy before 2.1, and works with it: a test looks for these spans.
        SQLAlchemyInstrumentor().instrument(engine=engine, skip_dep_check=True)
    if redis is not None:
        RedisInstrumentor.instrument_client(redis)


def resumed(name: str, traceparent: str | None) -> AbstractContextManager[Any]:
    """A span that goes on with a trace of another process, named as W3C's Trace Context writes it."""
    if _tracer is None or not traceparent:
        return _OFF
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415

    parent = TraceContextTextMapPropagator().extract({"traceparent": traceparent})
    return _tracer.start_as_current_span(name, context=parent)  # type: ignore[no-any-return]


def traceparent() -> str | None:
    """The span that is current, for another process to go on with."""
    if _tracer is None:
        return None
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415

    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier)
    return carrier.get("traceparent")


def current_ids() -> dict[str, str]:
    """The trace and span that a line of the log belongs to."""
    if _tracer is None:
        return {}
    from opentelemetry import trace  # noqa: PLC0415

    context = trace.get_current_span().get_span_context()
    if not context.is_valid:
        return {}
    return {"trace.id": trace.format_trace_id(context.trace_id), "span.id": trace.format_span_id(context.span_id)}
