"""Logging: one line per event with the correlation id of the request or task that caused it."""

from __future__ import annotations

import logging
import uuid
from contextvars import ContextVar

correlation_id: ContextVar[str] = ContextVar("correlation_id", default="-")
FORMAT = "%(asctime)s %(levelname)s %(name)s [%(correlation_id)s] %(message)s"


def new_correlation_id() -> str:
    """A fresh id, short enough to read out."""
    return uuid.uuid4().hex[:16]


class _AddCorrelationId(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        record.correlation_id = correlation_id.get()
        return True


class _OneLine(logging.Formatter):
    """Line breaks in a message could forge a line of the log; they are shown as they are typed."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 -- logging's own name
        record.message = record.message.replace("\r", "\\r").replace("\n", "\\n")
        return super().formatMessage(record)


def configure_logging(level: str) -> None:
    """Send everything of this process to stderr in our format."""
    handler = logging.StreamHandler()
    handler.setFormatter(_OneLine(FORMAT, datefmt="%H:%M:%S"))
    handler.addFilter(_AddCorrelationId())
    logging.basicConfig(level=level, handlers=[handler], force=True)
