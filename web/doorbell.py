"""The doorbell: asks for tasks by name, in the background, so that no request waits for the broker.

A task only says "there is work"; the work itself is in PostgreSQL. So a bell that is lost with this process loses
nothing, and bells for the same task that pile up while the broker is away become one.
"""

from __future__ import annotations

import logging
import threading
from contextvars import Context, copy_context
from typing import NamedTuple

from celery import Celery
from kombu.exceptions import OperationalError

from config import cause
from config.cause import Cause

log = logging.getLogger(__name__)

MAX_WAITING = 10_000
RETRY_SECONDS = 0.5


class Bell(NamedTuple):
    """A task to ask for."""

    task: str
    queue: str


class Wish(NamedTuple):
    """The first of those who asked for a task, and what was current then."""

    cause: Cause
    context: Context


RECOMPUTE = Bell("leaderboard.recompute", "leaderboard")


class Doorbell:
    """One per process; its thread starts with the first ring, hence after gunicorn's fork."""

    def __init__(self) -> None:
        """Nothing is connected yet."""
        self._celery = Celery("fairboard-web", config_source="celeryconfig")
        self._waiting: dict[Bell, Wish] = {}
        self._event = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def ring(self, bell: Bell) -> None:
        """Ask for a task. Returns at once, whatever the broker does."""
        if len(self._waiting) < MAX_WAITING:
            self._waiting.setdefault(bell, Wish(cause.ring(), copy_context()))
        if self._thread is None:
            self._start()
        self._event.set()

    def _start(self) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="doorbell", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        stopped = threading.Event()
        while True:
            self._event.wait()
            self._event.clear()
            while self._waiting and not self._send_all():
                stopped.wait(RETRY_SECONDS)

    def _send_all(self) -> bool:
        """Whether everything that waits was sent."""
        while self._waiting:
            bell = next(iter(self._waiting))
            wish = self._waiting.pop(bell)  # Before it is sent: whoever rings meanwhile wants another one.
            try:
                wish.context.run(self._send, bell, wish.cause)  # A trace goes on with the request's span.
            except (OperationalError, OSError) as error:
                log.warning("the broker is away, will ring again: %s", error)
                self._waiting.setdefault(bell, wish)
                return False
            except Exception:
                log.exception("could not ring %s", bell.task)  # The bell must outlive what one message does to it.
        return True

    def _send(self, bell: Bell, why: Cause) -> None:
        self._celery.send_task(
            bell.task,
            queue=bell.queue,
            headers=why.headers(),
            retry=False,
            ignore_result=True,
        )
