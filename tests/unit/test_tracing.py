"""Traces while they are off, which is where nobody may notice them."""

from __future__ import annotations

import os
import subprocess
import sys

from config import tracing
from tests.support.nowhere import ENVIRONMENT

OURS = (
    "opentelemetry.instrumentation",
    "opentelemetry.exporter",
    "opentelemetry.sdk.trace.export",
    "google",
    "requests",
)
"""What tracing needs and nothing else does: redis-py looks for a part of OpenTelemetry by itself."""


def imported(endpoint: str) -> list[str]:
    """What of it a web and a worker process import, which are this one process."""
    code = f"import sys, wsgi, workers.app; print([name for name in sys.modules if name.startswith({OURS})])"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FAIRBOARD_")}
    environment |= ENVIRONMENT | {"FAIRBOARD_OTLP_ENDPOINT": endpoint}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    return [name.strip(" '[]\n") for name in done.stdout.split(",") if name.strip(" '[]\n")]


def test_nothing_is_imported_while_traces_are_off() -> None:
    assert imported("") == []


def test_what_is_needed_is_imported_where_they_are_on() -> None:
    assert {name.split(".")[0] for name in imported("http://127.0.0.1:9")} >= {"opentelemetry", "google", "requests"}


def test_a_span_that_is_off_is_always_the_same() -> None:
    assert tracing.span("a", db_system_name="redis") is tracing.span("b") is tracing.resumed("c", "d")
    assert tracing.current_ids() == {}
    assert tracing.traceparent() is None
