"""A Redis Cluster of three nodes, for tests that keys which belong together are together."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from redis import Redis

from cli.embedded import EmbeddedRedis, free_port
from tests.support.stack import wait_for

SLOTS = 16_384
NODES = 3
PASSWORD = "cluster"


class ClusterNode(EmbeddedRedis):
    """One node; its bus has a port of its own."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory, password=PASSWORD)
        self.bus = free_port()

    @property
    def argv(self) -> list[str]:
        return [
            *super().argv,
            *("--cluster-enabled", "yes", "--cluster-port", str(self.bus), "--masterauth", PASSWORD),
            *("--cluster-node-timeout", "2000"),
        ]


@contextmanager
def running_cluster(folder: Path) -> Iterator[str]:
    """Three nodes that share the slots; gives their URL."""
    nodes = [ClusterNode(folder / f"node{number}") for number in range(NODES)]
    try:
        for node in nodes:
            node.start()
        clients = [Redis.from_url(node.url, protocol=2) for node in nodes]
        _join(nodes, clients)
        wait_for(lambda: all(_is_complete(client) for client in clients), 30, "a complete cluster")
        yield f"redis+cluster://:{PASSWORD}@" + ",".join(f"127.0.0.1:{node.port}" for node in nodes)
        for client in clients:
            client.close()
    finally:
        for node in nodes:
            node.kill()


def _join(nodes: list[ClusterNode], clients: list[Redis]) -> None:
    for number, client in enumerate(clients):
        first, last = SLOTS * number // NODES, SLOTS * (number + 1) // NODES - 1
        client.execute_command("CLUSTER ADDSLOTSRANGE", first, last)
        client.execute_command("CLUSTER SET-CONFIG-EPOCH", number + 1)
    for node in nodes[1:]:
        clients[0].execute_command("CLUSTER MEET", "127.0.0.1", node.port, node.bus)


def _is_complete(client: Redis) -> bool:
    told = client.execute_command("CLUSTER INFO")
    text = told.decode() if isinstance(told, bytes) else str(told)
    return ("cluster_state:ok" in text and f"cluster_known_nodes:{NODES}" in text) or (
        isinstance(told, dict) and told["cluster_state"] == "ok" and told["cluster_known_nodes"] == str(NODES)
    )
