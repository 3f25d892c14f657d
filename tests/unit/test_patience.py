"""Who waits for a handover, for how long, and that not everybody looks at once."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context

import pytest

from config import cause
from models import database
from models.database import DatabaseUnavailableError, execute_once, make_engine
from models.patience import Patience


def test_waiting_ends_for_all_when_the_server_has_been_away_for_long() -> None:
    patience = Patience(0.15)
    begun = time.monotonic()
    while patience.wait(begun):
        pass
    assert not patience.wait(time.monotonic())
    patience.answered()
    assert patience.wait(time.monotonic())


def test_one_caller_tries_and_its_answer_is_everybodys() -> None:
    patience, tries = Patience(30.0), []

    def ask() -> bool:
        begun = time.monotonic()
        while patience.wait(begun):
            if not patience.waiting:
                return True
            tries.append(time.monotonic())
            if len(tries) == 3:
                patience.answered()
                return True
        return False

    with ThreadPoolExecutor(20) as callers:
        assert all(asked.result(20) for asked in [callers.submit(ask) for _ in range(20)])
    assert len(tries) == 3


def test_what_a_request_has_waited_for_before_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two statements of one request are one wait for who waits for its answer."""
    counted: list[float] = []

    class Noting(Patience):
        def wait(self, begun: float) -> bool:
            counted.append(begun)
            return False

    monkeypatch.setattr(database, "_PATIENCE", Noting(30.0))
    engine = make_engine("postgresql://nobody:none@127.0.0.1:1,127.0.0.1:2/nowhere")

    def request() -> None:
        cause.begin()
        for _ in range(2):
            with pytest.raises(DatabaseUnavailableError):
                execute_once(engine, "SELECT 1", ())

    copy_context().run(request)
    assert counted == [counted[0]] * 2
    assert counted[0] < time.monotonic()
