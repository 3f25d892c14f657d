"""Long rounds over many sockets, during which everybody else of the process is still served."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

import gevent
from gevent import monkey

T = TypeVar("T")

CHUNK = 64
"""Sends before it is asked whether somebody waits: about a third of a millisecond."""
LONGEST = 64
"""Chunks after which timers get their turn in any case."""
PAUSE = 0.0001
"""Not 0: that would only let those run who are ready already, and would look for no others."""


def in_turns(items: Sequence[T]) -> Iterator[T]:
    """Each item in turn. In between, others of the process run as soon as something waits for them to read it."""
    pace = Pace()
    for start in range(0, len(items), CHUNK):
        yield from items[start : start + CHUNK]
        pace.rest()


class Pace:
    """Of one who goes through many."""

    def __init__(self) -> None:
        """Nothing has been done yet."""
        self._waiting = _watch()
        self._chunks = 0

    def rest(self) -> None:
        """After a chunk: let others run if something waits for them, or if it was long ago that they could."""
        self._chunks += 1
        if self._chunks % LONGEST == 0 or self._waiting():
            gevent.sleep(PAUSE)


def _watch() -> Any:
    """A function that tells, in a microsecond, whether gevent would find something ready if it looked."""
    number = gevent.get_hub().loop.fileno()
    if number is None or number < 0:
        return lambda: True  # An event loop that cannot be watched.
    poll = monkey.get_original("select", "poll")()
    poll.register(number, 1)
    return lambda: bool(poll.poll(0))
