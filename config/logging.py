"""Logging: one line per event with the correlation id of the request or task that caused it, as text or as JSON.

Nothing that a stranger sends can begin a line of its own or move a terminal's cursor, and what looks like a secret is
not written.
"""

from __future__ import annotations

import json
import logging
import re
import time
from typing import Any, Literal

from config.cause import UNKNOWN, cause
from config.tracing import current_ids

LogFormat = Literal["text", "json"]
FORMAT = "%(asctime)s %(levelname)s %(name)s [%(correlation)s] %(message)s"
HIDDEN = "[hidden]"
_SECRETS = re.compile(
    r"(?<=://)[^/@\s]*:[^/@\s]*(?=@)"  # A login in a URL.
    r"|\beyJ[\w-]{8,}\.[\w-]+\.[\w-]*"  # A JWT.
    r"|\bgAAAA[\w-]{30,}={0,2}"  # A Fernet token.
    r"|(?<=\bbearer )\S+",
    re.IGNORECASE,
)
_ENCODE = json.JSONEncoder(default=str).encode
_HINTS = ("://", "eyj", "gaaaa", "bearer")
_CONTROLS = {number: f"\\x{number:02x}" for number in (*range(32), *range(0x7F, 0xA0))}
_CONTROLS |= {10: "\\n", 13: "\\r", 9: "\\t", 0x2028: "\\u2028", 0x2029: "\\u2029"}


class _AddCause(logging.Filter):
    """Notes the cause where the line is written; a handler may write it elsewhere."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.correlation = cause.get().correlation
        return True


class TextLines(logging.Formatter):
    """For people: a line break in a message is shown as it is typed, and a stack trace is indented."""

    def __init__(self) -> None:
        """The time of day is enough; the day is that of the file."""
        super().__init__(FORMAT, datefmt="%H:%M:%S")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 -- logging's own name
        """One line."""
        record.message = escaped(without_secrets(record.message))
        return super().formatMessage(record)

    def formatException(self, ei: Any) -> str:  # noqa: N802 -- logging's own name
        """Several lines, none of which looks like the beginning of another event."""
        lines = without_secrets(super().formatException(ei)).splitlines()
        return "\n".join("    " + escaped(line) for line in lines)


class JsonLines(logging.Formatter):
    """For machines: one object a line. Names are those of the Elastic Common Schema, flat."""

    def __init__(self, service: str) -> None:
        """`service` tells web, worker and beat apart."""
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        """One line of ASCII, so that nothing in it can be taken for the end of the line."""
        line = {
            "@timestamp": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
            + f".{int(record.msecs):03d}Z",
            "log.level": record.levelname.lower(),
            "message": without_secrets(record.getMessage()),
            "log.logger": record.name,
            "service.name": self._service,
            "process.pid": record.process,
            "correlation.id": getattr(record, "correlation", UNKNOWN),
            **current_ids(),
            **getattr(record, "fields", {}),
            **self._error(record),
        }
        return _ENCODE(line)

    def _error(self, record: logging.LogRecord) -> dict[str, str]:
        if not record.exc_info or record.exc_info[0] is None:
            return {}
        kind, error, _ = record.exc_info
        return {
            "error.type": kind.__name__,
            "error.message": without_secrets(str(error)),
            "error.stack_trace": without_secrets(self.formatException(record.exc_info)),
        }


def without_secrets(text: str) -> str:
    """The text without logins in URLs and without tokens. None should be there; this is for the day one is."""
    # Nearly no line has one, and these words are found much quicker than the expression is.
    lower = text.lower()
    return _SECRETS.sub(HIDDEN, text) if any(hint in lower for hint in _HINTS) else text


def escaped(text: str) -> str:
    """The text with its control characters as they would be typed."""
    return text if text.isprintable() else text.translate(_CONTROLS)


def configure_logging(level: str, form: LogFormat = "text", service: str = "fairboard") -> None:
    """Send everything of this process to stderr in our format."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines(service) if form == "json" else TextLines())
    handler.addFilter(_AddCause())
    logging.basicConfig(level=level, handlers=[handler], force=True)
