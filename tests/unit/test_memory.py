from __future__ import annotations

from services.memory import SPARE_BYTES, Memory, resident


def test_memory_that_became_free_is_given_back() -> None:
    memory = Memory()
    before = memory.tidied()
    blocks = [[bytes(10_000)] for _ in range(10 * SPARE_BYTES // 10_000)]
    for block in blocks:
        block.append(block)  # type: ignore[arg-type]  # Garbage that only the collector finds.
    pinned = bytes(10_000)  # At the top of the heap, so that glibc keeps what is below.
    del blocks, block
    grown = resident()
    assert grown > before + 2 * SPARE_BYTES
    assert memory.tidied() < grown - 2 * SPARE_BYTES
    assert len(pinned) == 10_000
