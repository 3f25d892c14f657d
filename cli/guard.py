"""Cleans up after a supervisor that was killed with -9; run by path, on its own, so that it stays small.

It reads lines from its standard input: `+PGID SIGNAL` for each process group that starts, `-PGID` for each that ended,
and `@SIGNAL PATH` for a file that has the process id of a server in its first line, which is in no group of ours.
When the input ends, so has the supervisor: every group that is left gets its signal and, a little later, SIGKILL.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

PATIENCE = 5.0
"""Seconds that a group has between its signal and SIGKILL."""


def main() -> None:
    """Watch until the supervisor ends, then end what it left."""
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, signal.SIG_IGN)
    groups, files = read_groups()
    # Whoever started these servers goes first, or would start them again.
    end_groups(groups)
    end_groups({group: signum for path, signum in files.items() for group in group_in(path)})


def read_groups() -> tuple[dict[int, int], dict[str, int]]:
    """The groups that are left when the input ends, and the files, with the signal for each."""
    groups: dict[int, int] = {}
    files: dict[str, int] = {}
    for line in sys.stdin:
        word, _, rest = line.rstrip("\n").partition(" ")
        if word.startswith("+"):
            groups[int(word)] = int(rest)
        elif word.startswith("@"):
            files[rest] = int(word[1:])
        else:
            groups.pop(-int(word), None)
    return groups, files


def group_in(path: str) -> list[int]:
    """The process group of the server that a file names, if it still runs in the file's folder."""
    try:
        pid = int(Path(path).read_text().split()[0])
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
        return [os.getpgid(pid)] if os.fsencode(Path(path).parent) in command else []
    except (OSError, ValueError, IndexError):
        return []


def end_groups(groups: dict[int, int]) -> None:
    """Signal every group; return when none is left."""
    left = {group for group, signum in groups.items() if send(group, signum)}
    deadline = time.monotonic() + PATIENCE
    while left and time.monotonic() < deadline:
        # These are not our children, so there is nothing to wait on but the clock.
        time.sleep(0.02)
        left = {group for group in left if send(group, 0)}
    for group in left:
        send(group, signal.SIGKILL)


def send(group: int, signum: int) -> bool:
    """Signal a process group; False if it has no member any more."""
    try:
        os.killpg(group, signum)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


if __name__ == "__main__":
    main()
