"""Two processes that do the same at the same moment, thousands of times."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from typing import Any, Self

from config.settings import Settings
from services.resources import Resources
from tests.support.ground import opened

PROCESSES = 2
PRELOADED = ["tests.attacks.together", "services.scoring", "services.rate_limits"]
_own = ExitStack()
_given: dict[str, Any] = {}


class Pair:
    """The two processes. Work must be a function that is importable by name."""

    def __init__(self, settings: Settings) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(PRELOADED)
        barrier = context.Barrier(PROCESSES)
        self._pool = ProcessPoolExecutor(PROCESSES, context, initializer=_begin, initargs=(settings, barrier))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown()

    def each(self, work: Callable[[Resources, Any], Any], items: Sequence[Any]) -> list[tuple[Any, Any]]:
        """What each process got from each item, both having begun with it at the same moment."""
        futures = [self._pool.submit(_go, work, items) for _ in range(PROCESSES)]
        first, second = (future.result(timeout=600) for future in futures)
        return list(zip(first, second, strict=True))


def _begin(settings: Settings, barrier: Any) -> None:
    _given.update(resources=_own.enter_context(opened(settings)), barrier=barrier)


def _go(work: Callable[[Resources, Any], Any], items: Sequence[Any]) -> list[Any]:
    results = []
    for item in items:
        # Each process takes one piece of work, because it waits here until the other has the same.
        _given["barrier"].wait(timeout=60)
        results.append(work(_given["resources"], item))
    return results
