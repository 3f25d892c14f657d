"""Fixtures on real servers. They are here and not one folder up, so that unit tests cannot reach them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from redis.client import PubSub

from cli.embedded import free_port
from config.catalogue import BOARD
from config.settings import Settings
from services.leaderboard.keys import BoardKeys
from services.reconcile import sweep
from services.resources import Resources
from services.sessions import Player
from tests.support.ground import Servers, make_settings, opened, running_servers
from tests.support.people import People
from tests.support.race import Race

KEYS = BoardKeys(BOARD)


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    """PostgreSQL and Redis, once for each process of pytest-xdist."""
    with running_servers() as running:
        yield running


@pytest.fixture(scope="session")
def settings(servers: Servers) -> Settings:
    """Settings for these servers."""
    return make_settings(servers)


@pytest.fixture(scope="session")
def lasting_resources(settings: Settings) -> Iterator[Resources]:
    """Connections that outlive a test, because opening them takes longer than most tests."""
    with opened(settings) as resources:
        yield resources


@pytest.fixture
def resources(servers: Servers, lasting_resources: Resources) -> Resources:
    """Resources on empty servers whose empty board is loaded."""
    servers.clean()
    sweep(lasting_resources, BOARD)
    return lasting_resources


@pytest.fixture
def people(resources: Resources) -> People:
    """The maker of players."""
    return People(resources)


@pytest.fixture
def player(people: People) -> Player:
    """A player with a session."""
    return people.join()


@pytest.fixture
def analyst(people: People) -> Player:
    """Who decides."""
    return people.join(role="analyst")


@pytest.fixture
def suspect(people: People, player: Player) -> Player:
    """A player with 100, 500 and 250 points."""
    for action in ("reaction", "puzzle", "typing"):
        people.complete(player, action)
    return player


@pytest.fixture(scope="session")
def lasting_race(settings: Settings) -> Iterator[Race]:
    """Four processes beside this one."""
    race = Race(settings)
    yield race
    race.close()


@pytest.fixture
def race(resources: Resources, lasting_race: Race) -> Race:
    """Four processes on empty servers."""
    return lasting_race


@pytest.fixture
def without(servers: Servers, settings: Settings, resources: Resources) -> Iterator[Callable[[str], Resources]]:
    """Resources for which `postgres` or `redis` does not answer, whereas the other does."""
    with ExitStack() as stack:

        def cut(server: str) -> Resources:
            names, port = (
                (("database_url",), servers.postgres.port)
                if server == "postgres"
                else (("redis_url", "broker_url"), servers.redis.port)
            )
            nobody = f":{free_port()}/"
            changes = {name: getattr(settings, name).replace(f":{port}/", nobody) for name in names}
            return stack.enter_context(opened(settings.model_copy(update=changes)))

        yield cut


@pytest.fixture
def frames(resources: Resources) -> Iterator[Callable[[], list[bytes]]]:
    """Gives the frames published on the board's channel since it was last asked."""
    channel: PubSub = resources.redis.pubsub(ignore_subscribe_messages=True)
    channel.subscribe(KEYS.updates)
    channel.get_message(timeout=5)

    def received() -> list[bytes]:
        # The mark comes back after everything that was published before it.
        resources.redis.publish(KEYS.updates, b"mark")
        found: list[bytes] = []
        while True:
            message: dict[str, Any] | None = channel.get_message(timeout=5)
            assert message, "the channel is silent"
            if message["data"] == b"mark":
                return found
            found.append(message["data"])

    yield received
    channel.close()
