"""The board's tests once more, on a Redis Cluster of three nodes: keys that a script touches together share a slot.

A node refuses a script that names keys of two slots, so a hash tag that is wrong or missing fails here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from redis.exceptions import RedisClusterException, ResponseError

from cli.embedded import free_port
from config.catalogue import BOARD
from services.leaderboard.keys import BoardKeys
from services.reconcile import drain_outbox, sweep
from services.redis_client import RedisUnavailableError, as_cluster, load_script
from services.resources import Resources
from services.sessions import Player
from tests.integration.test_board_place import *  # noqa: F403 -- every test of it
from tests.integration.test_board_publish import *  # noqa: F403
from tests.integration.test_board_read import *  # noqa: F403
from tests.processes import open_folder
from tests.support.ground import Servers, make_settings, opened
from tests.support.people import People
from tests.support.valkey_cluster import running_cluster


@pytest.fixture(scope="module")
def lasting_resources(servers: Servers) -> Iterator[Resources]:
    with (
        open_folder() as folder,
        running_cluster(folder) as url,
        opened(make_settings(servers, redis_url=url)) as resources,
    ):
        yield resources


@pytest.fixture
def resources(servers: Servers, lasting_resources: Resources) -> Resources:
    servers.clean()
    lasting_resources.redis.flushall()
    sweep(lasting_resources, BOARD)
    return lasting_resources


@pytest.fixture
def without(resources: Resources) -> Iterator[Callable[[str], Resources]]:
    with ExitStack() as stack:

        def cut(server: str) -> Resources:
            name = "database_url" if server == "postgres" else "redis_url"
            away = re.sub(r":[0-9]+(?=[,/]|$)", f":{free_port()}", getattr(resources.settings, name))
            return stack.enter_context(opened(resources.settings.model_copy(update={name: away})))

        yield cut


def test_this_is_a_cluster_whose_nodes_share_the_slots(resources: Resources) -> None:
    redis = as_cluster(resources.redis)
    assert redis
    nodes = {redis.get_node_from_key(f"ratelimit:{{{player}}}:complete").name for player in range(1, 100)}
    assert len(nodes) == 3


def test_nodes_that_are_all_away_are_an_outage_like_any_other(servers: Servers) -> None:
    with open_folder() as folder, ExitStack() as running:
        settings = make_settings(servers, redis_url=running.enter_context(running_cluster(folder)))
        with opened(settings) as own:
            assert own.quick.call(("SET", "key", "value")) == [True]
            running.close()
            for _ in range(3):
                with pytest.raises(RedisUnavailableError):
                    own.quick.call(("GET", "key"))


def test_a_refused_write_keeps_nobody_from_reading(resources: Resources) -> None:
    redis = as_cluster(resources.redis)
    assert redis
    redis.config_set("maxmemory", 1, target_nodes="all")
    try:
        with pytest.raises(RedisUnavailableError):
            resources.quick.call(("SET", "key", "value"))
        assert resources.quick.call(("GET", "key")) == [None]
    finally:
        redis.config_set("maxmemory", 0, target_nodes="all")


def test_a_script_with_keys_of_two_slots_is_refused(resources: Resources) -> None:
    place = load_script(resources.quick, "place")
    keys = [f"key{number}" for number in range(9)]
    with pytest.raises((RedisClusterException, ResponseError)):
        place(keys, [1000, 1, 1, 10, "a", '"ada"'])


def test_players_of_every_node_play_and_the_outbox_follows(resources: Resources, people: People) -> None:
    """The door (session and limits) keeps its keys by player, wherever that is; the board keeps its own together."""
    players: list[Player] = people.several(12)
    for player in players:
        people.complete(player)
    assert len({resources.redis.keyslot(f"{{{player.user_id}}}") for player in players}) > 1  # type: ignore[attr-defined]
    assert drain_outbox(resources) == len(players)
    assert resources.redis.zcard(BoardKeys(BOARD).standings) == len(players)
