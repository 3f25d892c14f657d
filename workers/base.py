"""What every task has: the correlation id of whoever rang, a line in the log with its duration, and the resources."""

from __future__ import annotations

import logging
import time
from functools import lru_cache
from typing import Any

from celery import Task

from config.cause import resume
from config.settings import get_settings
from models.database import DatabaseUnavailableError
from services.memory import Memory
from services.redis_client import RedisUnavailableError
from services.resources import Resources, for_background
from services.task_metrics import record

log = logging.getLogger(__name__)

DATABASE_SECONDS = 10.0
"""Longest wait of a task for PostgreSQL. After that it tries again, on whichever node is the primary by then."""
OUTAGES = (DatabaseUnavailableError, RedisUnavailableError)


@lru_cache(maxsize=1)
def resources() -> Resources:
    """The resources of this worker process, opened after its fork."""
    return for_background(get_settings(), DATABASE_SECONDS)


@lru_cache(maxsize=1)
def memory() -> Memory:
    """The memory of this worker process."""
    return Memory()


class FairboardTask(Task):  # type: ignore[type-arg]  # Celery's Task is generic for type checkers only
    """Retries while a dependency is away, for a while; after that the next doorbell or sweep finds the work."""

    abstract = True
    autoretry_for = OUTAGES
    max_retries = 5
    retry_backoff = 1
    retry_backoff_max = 10
    retry_jitter = True
    resultrepr_maxsize = 8_192
    """Characters of a result that Flower shows: eight reasons of an analysis are more than Celery's 1,024."""
    started = 0.0
    """When the task that this process is at began; it is at one at a time."""

    def before_start(self, task_id: str, args: Any, kwargs: Any) -> None:  # noqa: ARG002 -- Celery's signature
        """Go on with what the caller began, so that every line says so, Celery's own included."""
        resume({**self.request.__dict__, **(self.request.headers or {})})
        self.started = time.perf_counter()

    def after_return(self, status: str, retval: Any, task_id: str, args: Any, kwargs: Any, einfo: Any) -> None:  # noqa: ARG002 -- Celery's signature
        """Log how it went and how long it took."""
        seconds = time.perf_counter() - self.started
        fields = {"celery.task.name": self.name, "event.outcome": status.lower(), "event.duration": int(seconds * 1e9)}
        record(resources(), self.name, status.lower(), seconds)
        log.info("%s %s %.1f ms", self.name, status.lower(), seconds * 1000, extra={"fields": fields})
        memory().tidied()
