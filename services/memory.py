"""Keeping a process's memory flat: glibc gives free memory back by itself only at the top of the heap."""

from __future__ import annotations

import ctypes
import gc
from pathlib import Path

PAGE_BYTES = 4096
SPARE_BYTES = 8 * 2**20
"""What memory may grow by before it is tidied up."""


class Memory:
    """The resident memory of this process. What it holds when it is first asked is taken for needed."""

    def __init__(self) -> None:
        self._kept = 0
        # Another C library has no such function and does not need it.
        self._trim = getattr(ctypes.CDLL(None), "malloc_trim", lambda pad: None)

    def tidied(self) -> int:
        """Bytes held, after what has become free was given back, if they had grown by SPARE_BYTES.

        While Redis is away for seconds, hundreds of requests wait and fail. Their exceptions are garbage that nobody
        looks for until much later (web/gunicorn_conf.py), and what is allocated for long meanwhile lies among their
        buffers. An analysis does the same with its arrays.
        """
        held = resident()
        if self._kept and held > self._kept + SPARE_BYTES:
            gc.collect()
            self._trim(0)
            held = self._kept = resident()
        self._kept = self._kept or held
        return held


def resident() -> int:
    """Bytes of memory that this process holds."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * PAGE_BYTES
