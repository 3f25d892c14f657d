"""Waits before another attempt: bounded, growing, spread."""

from __future__ import annotations

import random
import statistics

from hypothesis import given, strategies as st

from fairboard_client import Backoff

SECONDS = st.floats(0.001, 100.0)


@given(base=SECONDS, limit=SECONDS, seed=st.integers(), attempts=st.integers(1, 60))
def test_every_wait_lies_between_nothing_and_a_ceiling_that_doubles(
    base: float, limit: float, seed: int, attempts: int
) -> None:
    backoff = Backoff(base, limit, random.Random(seed))

    for attempt in range(attempts):
        assert 0 <= backoff.next() <= min(limit, base * 2**attempt)


def test_the_ceiling_holds_after_days_of_failures() -> None:
    backoff = Backoff(0.5, 30.0)
    backoff.attempt = 1_000_000

    assert backoff.ceiling == 30.0


@given(st.integers(1, 40))
def test_reset_begins_again(attempts: int) -> None:
    backoff = Backoff(0.5, 30.0)
    for _ in range(attempts):
        backoff.next()

    backoff.reset()

    assert backoff.ceiling == 0.5


def test_the_waits_fill_the_whole_interval() -> None:
    waits = []
    for seed in range(500):
        backoff = Backoff(1.0, 8.0, random.Random(seed))
        backoff.attempt = 10
        waits.append(backoff.next())

    assert min(waits) < 0.5
    assert max(waits) > 7.5
    assert 3.5 < statistics.mean(waits) < 4.5
