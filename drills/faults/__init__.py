"""The faults of docs/drills.md, by what they hurt."""

from __future__ import annotations

from drills.faults import (
    clocks,
    database,
    edge,
    memory,
    memory_nodes,
    nodes,
    odd_nodes,
    partition,
    task_nodes,
    tasks,
)
from drills.scene import Drill

ON_ONE_MACHINE: tuple[Drill, ...] = (
    *database.DRILLS,
    *memory.DRILLS,
    *tasks.DRILLS,
    *edge.DRILLS,
    *clocks.DRILLS,
)
"""What can be done to one of each."""

ON_THE_CLUSTER: tuple[Drill, ...] = (
    *nodes.DRILLS,
    *memory_nodes.DRILLS,
    *task_nodes.DRILLS,
    *partition.DRILLS,
    *odd_nodes.DRILLS,
)
"""What needs several nodes."""
