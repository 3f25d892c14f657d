"""What several faults need."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager

import psycopg2
from psycopg2.extensions import connection as Connection  # noqa: N812 -- a class with a lower-case name

from drills.scene import Scene
from drills.stack_site import StackSite
from drills.truth import forget_limits

PLACING = b"leaderboard:{global}:rebuilding"
"""What only the placing of a player names among all that the web says to Redis."""
COMPLETING = b"FROM complete_timed("
"""What only the score transaction says to PostgreSQL."""


def argument(value: int) -> bytes:
    """A number as an argument of a command to Redis."""
    return f"\r\n{value}\r\n".encode()


def machine(scene: Scene) -> StackSite:
    """The site of a drill that needs links or processes of one machine."""
    assert isinstance(scene.site, StackSite)
    return scene.site


@contextmanager
def owner(scene: Scene) -> Iterator[Connection]:
    """A connection to PostgreSQL as its owner, in a transaction that is rolled back."""
    url = scene.site.settings.owner_url.replace("+psycopg2", "")
    with closing(psycopg2.connect(url, connect_timeout=5)) as connection:
        yield connection
        connection.rollback()


def settled(scene: Scene, tokens: dict[str, int]) -> None:
    """Ask again about tokens of spare players, each by its place in the list."""
    forget_limits(scene.site, [scene.spare[number].user_id for number in tokens.values()])
    for token, number in tokens.items():
        answer = scene.load.ask_again(scene.spare[number], token)
        scene.require(f"an answer about a token: {answer.status} {answer.code}", holds=answer.acknowledged)
