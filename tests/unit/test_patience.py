"""Who waits for a handover, for how long, and that not everybody looks at once."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

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
