"""Beat's scheduler on a real broker, when the clock of its machine is set back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from services.resources import Resources
from tests.support.stack import wait_for
from tests.support.workers import working_for


@pytest.fixture
def scheduler(resources: Resources, tmp_path: Path) -> Iterator[Callable[[], Any]]:
    """Makes the scheduler that Celery's settings name, each time on the same file."""
    with working_for(resources):
        from celery.utils.imports import symbol_by_name  # noqa: PLC0415 -- Celery wants settings

        from workers.app import app  # noqa: PLC0415 -- see above

        yield lambda: symbol_by_name(app.conf.beat_scheduler)(app=app, schedule_filename=str(tmp_path / "schedule"))


def sent(resources: Resources) -> bool:
    """Whether something was asked of the maintenance worker."""
    return bool(resources.broker.llen("maintenance"))


def sends(resources: Resources, beat: Any) -> Callable[[], bool]:
    """Lets beat look at its clock; whether it has sent something."""

    def turn() -> bool:
        beat.tick()
        return sent(resources)

    return turn


def set_back(beat: Any) -> None:
    """Let all that beat knows of the past lie an hour ahead, as after a step of the clock."""
    for entry in beat.schedule.values():
        entry.last_run_at += timedelta(hours=1)
    beat.populate_heap()


def test_a_clock_that_is_set_back_silences_beat_no_longer_than_usual(
    resources: Resources, scheduler: Callable[[], Any]
) -> None:
    with closing(scheduler()) as beat:
        beat.tick()
        set_back(beat)
        wait_for(sends(resources, beat), 4, "reconcile")


def test_nor_does_it_silence_a_beat_that_starts_afterwards(resources: Resources, scheduler: Callable[[], Any]) -> None:
    with closing(scheduler()) as before:
        before.tick()
        set_back(before)
    with closing(scheduler()) as beat:
        wait_for(sends(resources, beat), 4, "reconcile")


def test_what_was_sent_lately_is_not_sent_again(resources: Resources, scheduler: Callable[[], Any]) -> None:
    with closing(scheduler()) as beat:
        for entry in beat.schedule.values():
            entry.last_run_at += timedelta(seconds=3)
        assert 0 < beat.tick() <= 1
        assert not sent(resources)
