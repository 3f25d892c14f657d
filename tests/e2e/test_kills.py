"""`kill -9` of each part while people play: what was acknowledged is in the ledger exactly once."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import pytest

from tests.support.load import Load
from tests.support.stack import Stack, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


def kill_child(name: str) -> Callable[[Stack], None]:
    return lambda stack: os.kill(stack.parts[name].children()[0], signal.SIGKILL)


def kill_parts(*names: str) -> Callable[[Stack], None]:
    def kill(stack: Stack) -> None:
        for name in names:
            stack.parts[name].kill()

    return kill


KILLS: dict[str, Callable[[Stack], None]] = {
    "a worker of gunicorn": kill_child("web"),
    "gunicorn": kill_parts("web"),
    "the leaderboard worker": kill_parts("leaderboard"),
    "the process of the leaderboard worker that works": kill_child("leaderboard"),
    "the maintenance worker": kill_parts("maintenance"),
    "the anticheat worker and beat": kill_parts("anticheat", "beat"),
    "PostgreSQL": lambda stack: stack.postgres.kill(),
    "Redis": lambda stack: stack.redis.kill(),
    "the broker": lambda stack: stack.broker.kill(),
}


@pytest.mark.parametrize("victim", KILLS)
def test_nothing_acknowledged_is_lost_or_doubled(sick: Stack, victim: str) -> None:
    with Load(sick) as load:
        load.wait_for_more(10)
        KILLS[victim](sick)
        sick.restart()
        load.wait_for_more(30)
    assert load.memory.refused == []
    load.settle()
    load.assert_all_in_the_ledger_once()
    sick.wait_until_quiet()
    wait_for(lambda: not sick.differences(), 30, "Redis equal to PostgreSQL")
    verified = sick.command("verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr
