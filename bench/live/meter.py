"""What the kernel knows about a server: its CPU and its memory, with all processes that it started."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Memory:
    """Bytes: `own` of the processes (shared pages in proportion), `kernel` of all sockets and files of the machine."""

    own: int
    kernel: int


def family(pid: int) -> list[int]:
    """A process and all that descend from it."""
    pids = [pid]
    for parent in pids:
        with suppress(OSError):
            for task in Path(f"/proc/{parent}/task").iterdir():
                pids += [int(child) for child in (task / "children").read_text().split()]
    return pids


def cpu_seconds(pid: int) -> float:
    """User and system time of a process and its descendants, those that have ended included."""
    return sum(_cpu(each) for each in family(pid))


def memory(pid: int) -> Memory:
    """What a process and its descendants hold now, and what the kernel holds for sockets."""
    return Memory(sum(_pss(each) for each in family(pid)), _kernel())


def clock_offset() -> float:
    """Seconds to add to the monotonic clock for the time of day."""
    return time.time() - time.monotonic()


def _cpu(pid: int) -> float:
    with suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[11:15])) / TICK
    return 0.0


def _pss(pid: int) -> int:
    with suppress(OSError):
        return _kibibytes(Path(f"/proc/{pid}/smaps_rollup").read_text(), "Pss")
    return 0


def _kernel() -> int:
    """Buffers of TCP, and the slabs that sockets, files and the like are made of."""
    buffers = Path("/proc/net/sockstat").read_text().partition("TCP:")[2].partition(" mem ")[2].split()[0]
    return int(buffers) * PAGE + _kibibytes(Path("/proc/meminfo").read_text(), "SUnreclaim")


def _kibibytes(text: str, name: str) -> int:
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith(f"{name}:")) * 1024
