"""What several faults need."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress

import psycopg2
from psycopg2.extensions import connection as Connection  # noqa: N812 -- a class with a lower-case name

from drills.cluster_site import ClusterSite
from drills.history import ALREADY_USED, Attempt, Outcome
from drills.people import Person
from drills.scene import Scene
from drills.stack_site import StackSite
from drills.truth import forget_limits
from services.redis_client import RedisUnavailableError

PLACING = b"leaderboard:{global}:rebuilding"
"""What only the placing of a player names among all that the web says to Redis."""
COMPLETING = b"FROM complete_timed("
"""What only the score transaction says to PostgreSQL."""

POSTS = 200
FORGET_SECONDS = 0.002


def argument(value: int) -> bytes:
    """A number as an argument of a command to Redis."""
    return f"\r\n{value}\r\n".encode()


def machine(scene: Scene) -> StackSite:
    """The site of a drill that needs links or processes of one machine."""
    assert isinstance(scene.site, StackSite)
    return scene.site


def cluster(scene: Scene) -> ClusterSite:
    """The site of a drill that needs several nodes."""
    assert isinstance(scene.site, ClusterSite)
    return scene.site


@contextmanager
def owner(scene: Scene) -> Iterator[Connection]:
    """A connection to PostgreSQL as its owner, in a transaction that is rolled back."""
    url = scene.site.settings.owner_url.replace("+psycopg2", "")
    with closing(psycopg2.connect(url, connect_timeout=5, target_session_attrs="read-write")) as connection:
        yield connection
        connection.rollback()


def settled(scene: Scene, tokens: dict[str, int]) -> None:
    """Ask again about tokens of spare players, each by its place in the list."""
    forget_limits(scene.site, [scene.spare[number].user_id for number in tokens.values()])
    for token, number in tokens.items():
        answer = scene.load.ask_again(scene.spare[number], token)
        scene.require(f"an answer about a token: {answer.status} {answer.code}", holds=answer.acknowledged)


def post_together(scene: Scene, person: Person, token: str) -> list[Attempt]:
    """200 posts of one token at once, of which the limit of ten a minute keeps none from the ledger."""
    over = threading.Event()
    thread = threading.Thread(target=_keep_forgetting, args=(scene, person, over))
    thread.start()
    try:
        return scene.load.post_together(token, person, POSTS)
    finally:
        over.set()
        thread.join()


def _keep_forgetting(scene: Scene, person: Person, over: threading.Event) -> None:
    while not over.wait(FORGET_SECONDS):
        with suppress(RedisUnavailableError):
            forget_limits(scene.site, [person.user_id])


def contest(scene: Scene, attempts: Sequence[Attempt]) -> str:
    """How many of them were paid, and how many told that another one was; more than the limit have to get that far."""
    paid = sum(attempt.outcome is Outcome.OK for attempt in attempts)
    late = sum(attempt.code == ALREADY_USED for attempt in attempts)
    scene.require(f"posts that met in the ledger: {paid + late}", holds=paid + late > 10 or scene.quick)
    scene.require(f"one post that is paid, at most: {paid}", holds=paid <= 1)
    return f"{paid} paid, {late} told of it"
