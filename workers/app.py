"""The Celery application of the workers and beat."""

from __future__ import annotations

import gc
import logging
import sys
from contextlib import suppress
from typing import Any

from billiard.pool import EX_RECYCLE
from celery import Celery
from celery.signals import (
    beat_init,
    before_task_publish,
    setup_logging,
    worker_before_create_process,
    worker_process_init,
    worker_process_shutdown,
)

from config import tracing
from config.cause import UNKNOWN, cause
from config.logging import configure_logging
from config.settings import get_settings
from models.database import use_deadline
from services.redis_client import RedisUnavailableError
from services.resources import for_background
from services.task_metrics import note_beat
from workers.base import DATABASE_SECONDS

log = logging.getLogger(__name__)

app = Celery(
    "fairboard",
    config_source="celeryconfig",
    include=["workers.leaderboard", "workers.anticheat", "workers.maintenance"],
)


@setup_logging.connect
def _log_like_everybody(**_: Any) -> None:
    settings = get_settings()
    configure_logging(settings.log_level, settings.log_format, _service())


@worker_process_init.connect
@beat_init.connect
def _trace(**_: Any) -> None:
    if tracing.start(get_settings(), _service()):
        from opentelemetry.instrumentation.celery import CeleryInstrumentor  # noqa: PLC0415 -- only where traces are on

        CeleryInstrumentor().instrument()


@beat_init.connect
def _tell_that_beat_is_alive(**_: Any) -> None:
    own = for_background(get_settings())

    def note(**_: Any) -> None:
        with suppress(RedisUnavailableError):
            note_beat(own)

    before_task_publish.connect(note, weak=False)


@worker_process_shutdown.connect
def _stop_tracing(**_: Any) -> None:
    tracing.stop()


@worker_process_shutdown.connect
def _say_that_it_was_planned(pid: int, exitcode: int, **_: Any) -> None:
    """Celery says nothing of a process that reached `worker_max_memory_per_child`, and another is there at once."""
    if exitcode == EX_RECYCLE:
        log.warning("process %d ends as planned: it has held as much memory as it may. Another takes over", pid)


def _service() -> str:
    return "beat" if "beat" in sys.argv else "worker"


@before_task_publish.connect
def _carry_on(headers: dict[str, Any], **_: Any) -> None:
    """A task that a task asks for has the same cause."""
    if "correlation" not in headers and cause.get().correlation != UNKNOWN:
        headers.update(cause.get().headers())


@worker_before_create_process.connect
def _share_memory(**_: Any) -> None:
    """The collector writes on whatever it looks at. What is there before the fork it leaves alone: it stays shared."""
    gc.collect()
    gc.freeze()


@worker_process_init.connect
def _never_wait_for_ever(**_: Any) -> None:
    """A frozen PostgreSQL would otherwise hold a worker until it thaws, long after another node took over."""
    use_deadline(DATABASE_SECONDS)
