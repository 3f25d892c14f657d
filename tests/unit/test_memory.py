"""Memory that became free, in a process of its own: one that ran other tests has free memory to begin with."""

from __future__ import annotations

import subprocess

from services.memory import SPARE_BYTES
from tests.processes import ROOT, python

GROW_AND_TIDY = """
from services.memory import SPARE_BYTES, Memory, resident

memory = Memory()
before = memory.tidied()
blocks = [[bytes(10_000)] for _ in range(10 * SPARE_BYTES // 10_000)]
for block in blocks:
    block.append(block)  # Garbage that only the collector finds.
pinned = bytes(10_000)  # At the top of the heap, so that glibc keeps what is below.
del blocks, block
grown = resident()
print(before, grown, memory.tidied())
"""


def test_memory_that_became_free_is_given_back() -> None:
    told = subprocess.run(python(GROW_AND_TIDY), cwd=ROOT, check=True, capture_output=True, text=True, timeout=60)
    before, grown, after = map(int, told.stdout.split())
    assert grown > before + 2 * SPARE_BYTES
    assert after < grown - 2 * SPARE_BYTES
