"""The production topology on one machine without Docker: `make cluster` runs it, and drills hurt it.

with Cluster(folder) as cluster:
cluster.wait_ready()
cluster.parts["postgres1"].kill()
"""

from __future__ import annotations

from deploy.local.cluster import Cluster
from deploy.local.process import Part

__all__ = ["Cluster", "Part"]
