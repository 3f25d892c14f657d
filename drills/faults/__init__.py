"""The faults of docs/drills.md, by what they hurt."""

from __future__ import annotations

from drills.faults import clocks, database, edge, memory, tasks
from drills.scene import Drill

ON_ONE_MACHINE: tuple[Drill, ...] = (
    *database.DRILLS,
    *memory.DRILLS,
    *tasks.DRILLS,
    *edge.DRILLS,
    *clocks.DRILLS,
)
"""In the order of the table once they are sorted by their rows."""
