"""Which processes ended although no drill asked them to: the parts of a site, and the children that those replace."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import psutil

from drills.stack_site import OwnPart, ServerPart, Watched

PLANNED = re.compile(r"process (\d+) ends as planned")
"""What a worker's process writes that has held as much memory as it may (workers/app.py)."""
CHECKPOINTER = "postgres: checkpointer"
"""Ends with all others when one process of PostgreSQL crashes. Its other children come and go with connections."""
ENDING: Mapping[str, frozenset[str]] = {"7a": frozenset({"postgres"}), "13": frozenset({"web"})}
"""Rows whose harm ends a part or its children: PostgreSQL does not survive a full disk, and row 13 asks for it."""


@dataclass(frozen=True)
class Life:
    """A part's main process, and its children that are there to stay."""

    main: int
    children: frozenset[int]


class Lives:
    """What has ended on a site since it was asked last."""

    def __init__(self, parts: Mapping[str, OwnPart | ServerPart]) -> None:
        self._parts = parts
        self._known = self._look()
        self.planned = 0
        """Children that ended because they had held as much memory as they may."""

    def ended(self, row: str) -> list[str]:
        """The problems of a run of this row, in words."""
        before, self._known = self._known, self._look()
        told = {name: [*_own(name, part), *self._lost(name, before.get(name))] for name, part in self._parts.items()}
        return [problem for name in told if name not in ENDING.get(row, ()) for problem in told[name]]

    def _lost(self, name: str, before: Life | None) -> Iterator[str]:
        """Children that are no more, but for those whose end was planned. A part that was started anew has others."""
        now = self._known.get(name)
        if before is None or now is None or now.main != before.main:
            return
        gone = before.children - now.children
        planned = gone & self._said(name) if gone else frozenset()
        self.planned += len(planned)
        if gone - planned:
            yield f"{len(gone - planned)} of the processes of {name} ended by themselves and were replaced"

    def _said(self, name: str) -> frozenset[int]:
        """The processes that wrote that their end was planned, be it while they still ran when they were looked at."""
        part = self._parts[name]
        if not isinstance(part, OwnPart):
            return frozenset()
        with part.part.log.open(encoding="utf-8", errors="replace") as log:
            return frozenset(int(found[1]) for line in log if (found := PLANNED.search(line)))

    def _look(self) -> dict[str, Life]:
        return {name: _life(part, pids) for name, part in self._parts.items() if (pids := part.pids)}


def _own(name: str, part: Watched) -> Iterator[str]:
    yield from (f"{name} ended by itself with code {code}" for code in part.take_codes())


def _life(part: OwnPart | ServerPart, pids: Sequence[int]) -> Life:
    """Of a server's children, those that come and go with its clients and its work are left out."""
    own = isinstance(part, OwnPart)
    return Life(pids[0], frozenset(pid for pid in pids[1:] if own or _name(pid).startswith(CHECKPOINTER)))


def _name(pid: int) -> str:
    """What a process calls itself; nothing if it is no more."""
    with suppress(psutil.Error):
        return " ".join(psutil.Process(pid).cmdline())
    return ""
