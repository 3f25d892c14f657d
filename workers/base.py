"""What every task has: the correlation id of whoever rang, a line in the log with its duration, and the resources."""

from __future__ import annotations

import logging
import time
from functools import lru_cache
from typing import Any

from celery import Task

from config.logging import correlation_id, new_correlation_id
from config.settings import get_settings
from models.database import DatabaseUnavailableError
from services.redis_client import RedisUnavailableError
from services.resources import Resources, for_background

log = logging.getLogger(__name__)

OUTAGES = (DatabaseUnavailableError, RedisUnavailableError)


@lru_cache(maxsize=1)
def resources() -> Resources:
    """The resources of this worker process, opened after its fork."""
    return for_background(get_settings())


class FairboardTask(Task):  # type: ignore[type-arg]  # Celery's Task is generic for type checkers only
    """Retries while a dependency is away, for a while; after that the next doorbell or sweep finds the work."""

    abstract = True
    autoretry_for = OUTAGES
    max_retries = 5
    retry_backoff = 1
    retry_backoff_max = 10
    retry_jitter = True

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run under the caller's correlation id and log how long it took."""
        given = (self.request.get("correlation") or (self.request.headers or {}).get("correlation")) or ""
        token = correlation_id.set(given or new_correlation_id())
        started = time.perf_counter()
        try:
            return super().__call__(*args, **kwargs)
        finally:
            log.debug("%s took %.1f ms", self.name, (time.perf_counter() - started) * 1000)
            correlation_id.reset(token)
