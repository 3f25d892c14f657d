"""Several real processes that begin the same thing at the same moment, with commits of their own."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from typing import Any

from cli.lifetime import ask_for_signal
from config.settings import Settings
from services.errors import FairboardError
from services.resources import Resources
from tests.support.ground import opened

PROCESSES = 4
PRELOADED = [
    "tests.support.race",
    "services.accounts",
    "services.reconcile",
    "services.review.decisions",
    "services.scoring",
]
_own = ExitStack()
_given: dict[str, Any] = {}


class Race:
    """Four processes that wait for each other before each round. Work must be a function that is importable by name."""

    def __init__(self, settings: Settings) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(PRELOADED)
        barrier = context.Barrier(PROCESSES)
        self._pool = ProcessPoolExecutor(PROCESSES, context, initializer=_begin, initargs=(settings, barrier))

    def run(self, work: Callable[..., Any], *arguments: Any) -> list[Any]:
        """The same in each process: its results, an error of ours being its code."""
        return self.each(work, [arguments] * PROCESSES)

    def each(self, work: Callable[..., Any], arguments: Sequence[tuple[Any, ...]]) -> list[Any]:
        """As `run`, with arguments of its own for each of the four processes."""
        assert len(arguments) == PROCESSES
        return [future.result(timeout=60) for future in [self._pool.submit(_go, work, some) for some in arguments]]

    def close(self) -> None:
        """End the processes."""
        self._pool.shutdown()


def outcome(work: Callable[[], Any]) -> Any:
    """The result of a call, or the code of the error of ours that it met."""
    try:
        return work()
    except FairboardError as error:
        return error.code


def _begin(settings: Settings, barrier: Any) -> None:
    """Open resources in a new process, which ends with the tests."""
    ask_for_signal(signal.SIGKILL)
    _given.update(resources=_own.enter_context(opened(settings)), barrier=barrier)


def _go(work: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    resources: Resources = _given["resources"]
    # Each process takes one piece, because it waits here until all four have one.
    _given["barrier"].wait(timeout=60)
    return outcome(lambda: work(resources, *arguments))
