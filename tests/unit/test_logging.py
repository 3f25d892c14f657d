"""Lines of the log: what is in them, and what nobody can put into them."""

from __future__ import annotations

import json
import logging

import pytest
from cryptography.fernet import Fernet

from config import cause
from config.logging import HIDDEN, JsonLines, TextLines, _AddCause

FORGED = "friend\n12:00:00 INFO web [-] nothing happened\x1b[2J\u2028more\r\x00"


def record(message: str, *arguments: object, error: BaseException | None = None, **extra: object) -> logging.LogRecord:
    exc_info = (type(error), error, error.__traceback__) if error else None
    made = logging.getLogger("web").makeRecord(
        "web", logging.INFO, "file.py", 1, message, arguments, exc_info, extra=extra or None
    )
    _AddCause().filter(made)
    return made


def raised(message: str) -> ValueError:
    try:
        int(message)
    except ValueError as error:
        return error
    raise AssertionError


def test_json_has_the_fields_that_log_stores_know() -> None:
    cause.begin("from-a-proxy-1")
    line = json.loads(JsonLines("web").format(record("%d of %s", 1, "two", fields={"user.id": "7"})))
    assert line["message"] == "1 of two"
    assert (line["log.level"], line["log.logger"], line["service.name"]) == ("info", "web", "web")
    assert (line["correlation.id"], line["user.id"]) == ("from-a-proxy-1", "7")
    assert line["@timestamp"].endswith("Z")
    assert "error.type" not in line


def test_json_of_an_error_has_its_trace() -> None:
    line = json.loads(JsonLines("web").format(record("it failed", error=raised("why"))))
    assert line["error.type"] == "ValueError"
    assert "why" in line["error.message"]
    assert "int(message)" in line["error.stack_trace"]


@pytest.mark.parametrize("formatter", [JsonLines("web"), TextLines()], ids=["json", "text"])
def test_a_message_is_one_line_whatever_is_in_it(formatter: logging.Formatter) -> None:
    line = formatter.format(record("hello %s", FORGED))
    assert len(line.splitlines()) == 1
    assert not any(ord(letter) < 32 for letter in line)


@pytest.mark.parametrize("formatter", [JsonLines("web"), TextLines()], ids=["json", "text"])
def test_no_line_of_a_stack_trace_looks_like_an_event(formatter: logging.Formatter) -> None:
    first, *rest = formatter.format(record("it failed", error=raised(FORGED))).split("\n")
    assert "it failed" in first
    assert all(line.startswith("    ") for line in rest)
    assert not any(ord(letter) < 32 for line in [first, *rest] for letter in line)


def test_what_looks_like_a_secret_is_not_written() -> None:
    token = Fernet(Fernet.generate_key()).encrypt(b"{}").decode()
    jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"
    secrets = ("pass-word", token, jwt, "opaque-one")
    message = f"redis://:pass-word@host:6379/0 token={token} {jwt} Authorization: Bearer opaque-one end"
    for formatter in (JsonLines("web"), TextLines()):
        for line in (formatter.format(record(message)), formatter.format(record("x", error=raised(message)))):
            assert not [secret for secret in secrets if secret in line]
            assert "redis://" + HIDDEN + "@host:6379/0" in line
    assert "end" in TextLines().format(record(message))


@pytest.mark.parametrize("given", ["", "-", "a b", "x" * 65, "a\nb", "ä", "a_b", "-a"])
def test_a_callers_id_that_is_not_plain_is_replaced(given: str) -> None:
    assert cause.begin(given) != given
    assert cause.cause.get().correlation.isalnum()


def test_a_cause_travels_in_headers_and_on_the_channel() -> None:
    cause.begin("abc-1")
    rung = cause.ring()
    assert rung.rung_at is not None
    assert cause.resume(rung.headers()) == rung
    assert cause.resume(json.loads(rung.written())) == rung


@pytest.mark.parametrize("given", [{}, {"correlation": 7}, {"correlation": "a\nb", "rung_at": "soon"}])
def test_nothing_that_comes_with_a_task_is_trusted(given: dict[str, object]) -> None:
    known = cause.resume(given)
    assert known.correlation.isalnum()
    assert known.rung_at is None
