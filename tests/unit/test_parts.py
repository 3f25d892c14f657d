"""What the terminal of `fairboard up` is spared, whichever way the parts log."""

from __future__ import annotations

import logging
import re

import pytest

from cli.parts import CELERY_CHATTER, GUNICORN_CHATTER
from config.logging import JsonLines, TextLines

FORMATS = [TextLines(), JsonLines("fairboard")]
SPARED = [
    (GUNICORN_CHATTER, "fairboard.access", "GET /api/me 200"),
    (GUNICORN_CHATTER, "web.sockets.hub", "socket 7 closed"),
    (CELERY_CHATTER, "workers.base", "done"),
    (CELERY_CHATTER, "celery.app.trace", "Task leaderboard.recompute succeeded"),
    (CELERY_CHATTER, "celery.beat", "Scheduler: Sending due task reconcile"),
]


def line(form: logging.Formatter, level: int, logger: str, message: str) -> str:
    record = logging.LogRecord(logger, level, "", 0, message, None, None)
    record.correlation = "c0ffee"
    return form.format(record)


@pytest.mark.parametrize("form", FORMATS, ids=["text", "json"])
@pytest.mark.parametrize(("hides", "logger", "message"), SPARED, ids=[logger for _, logger, _ in SPARED])
def test_everyday_lines_are_spared_and_others_are_not(
    form: logging.Formatter, hides: re.Pattern[str], logger: str, message: str
) -> None:
    assert hides.search(line(form, logging.INFO, logger, message))
    assert not hides.search(line(form, logging.WARNING, logger, message))
    assert not hides.search(line(form, logging.INFO, "web.doorbell", message))


def test_gunicorn_says_in_json_what_it_says_as_text() -> None:
    def hidden(message: str) -> bool:
        return bool(GUNICORN_CHATTER.search(line(FORMATS[1], logging.INFO, "gunicorn.error", message)))

    assert hidden("Starting gunicorn 23")
    assert not hidden("Listening at: http://127.0.0.1:8000")
    assert not hidden("Booting worker with pid: 7")


def test_nobody_hides_a_line_by_what_they_send() -> None:
    spoof = 'who "log.level": "info", "log.logger": "fairboard.access"'
    assert not GUNICORN_CHATTER.search(line(FORMATS[1], logging.WARNING, "web.problems", spoof))
