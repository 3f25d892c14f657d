"""Beat's scheduler: Celery's own, which a clock that is set back does not silence."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

from celery.beat import PersistentScheduler, ScheduleEntry
from celery.utils.time import maybe_make_aware

log = logging.getLogger(__name__)

SLACK = timedelta(seconds=5)
"""So far ahead a last run may lie; waiting for it costs no more than that."""


class SteadyScheduler(PersistentScheduler):
    """Celery's waits until a wall time, and keeps in a file when each task was last sent.

    After a step back by an hour it would be silent for an hour, and a restart would not help.
    """

    _heap: list[Any] | None

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Send what is due. What was last sent in the future was sent just now."""
        ahead = [entry for entry in self.schedule.values() if _is_ahead(entry)]
        for entry in ahead:
            entry.last_run_at = entry.default_now()
        if ahead:
            log.warning("the clock was set back: %d tasks were last sent in the future", len(ahead))
            self._heap = None  # It is made anew from the entries.
        return float(super().tick(*args, **kwargs))


def _is_ahead(entry: ScheduleEntry) -> bool:
    last = entry.last_run_at
    return last is not None and maybe_make_aware(last) > maybe_make_aware(entry.default_now()) + SLACK
