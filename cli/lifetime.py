"""How processes end together on Linux, even where the one above them is killed with -9.

Elsewhere these calls do nothing, and `cli.guard` alone cleans up.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Callable

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36

# Loaded here, because a child between fork and exec should do as little as possible.
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def die_with_parent(signum: int = signal.SIGKILL) -> Callable[[], None]:
    """A `preexec_fn` after which the kernel sends `signum` to the child when the thread that started it ends.

    Call it in the process that will be the parent, and start the child from its main thread.
    """
    parent = os.getpid()

    def in_child() -> None:
        ask_for_signal(signum)
        # The parent may have ended before the kernel knew.
        if os.getppid() != parent:
            os._exit(1)

    return in_child


def ask_for_signal(signum: int) -> None:
    """Have the kernel send `signum` to this process when its parent ends."""
    if _libc is not None:
        _libc.prctl(PR_SET_PDEATHSIG, int(signum), 0, 0, 0)


def adopt_orphans() -> None:
    """Become the parent of descendants whose own parent ends, so that they can be waited for here."""
    if _libc is not None:
        _libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
