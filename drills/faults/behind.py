"""Parts of the cluster behind proxies, on which one may wait for a word and then do harm."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from config.settings import PREFIX
from deploy.local.places import BROKER, WEB
from drills.faults.common import cluster
from drills.faults.rolling import restart, step, whole
from drills.link import Link, Links
from drills.scene import Scene
from drills.truth import until

WHOLE_SECONDS = 30.0
"""A drill that failed halfway is to put back the others as well, and to tell of its own failure."""


@contextmanager
def web_behind(scene: Scene, names: Sequence[str] = WEB) -> Iterator[Mapping[str, Link]]:
    """In this block web servers reach the board's master of now by a proxy each, and ask no Sentinel."""
    links = Links()
    try:
        for name in names:
            url = _through(scene, links.add(name, cluster(scene).cluster.ports[cluster(scene).board.name]))
            step(scene, name, lambda name=name, url=url: restart(scene, name, {f"{PREFIX}REDIS_URL": url}))  # type: ignore[misc]
        yield links.named
    finally:
        _past(scene, links, names)


@contextmanager
def worker_behind(scene: Scene, name: str) -> Iterator[tuple[Link, Mapping[str, str]]]:
    """In this block a worker reaches the broker by a proxy. Gives that, and what to start the worker with."""
    links = Links()
    try:
        link = links.add(name, cluster(scene).cluster.ports[BROKER])
        variables = {f"{PREFIX}BROKER_URL": _through(scene, link)}
        step(scene, name, lambda: restart(scene, name, variables))
        yield link, variables
    finally:
        _past(scene, links, [name])


def _past(scene: Scene, links: Links, names: Sequence[str]) -> None:
    """Have parts reach their servers as they did before, one after the other while all is well."""
    links.mend()
    for name in names:
        restart(scene, name)
        until(lambda: whole(scene), WHOLE_SECONDS)
    links.close()


def _through(scene: Scene, link: Link) -> str:
    return f"redis://:{cluster(scene).cluster.places.secrets['REDIS_PASSWORD']}@127.0.0.1:{link.port}/0"
