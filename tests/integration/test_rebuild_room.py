"""A board that does not fit into Redis a second time: nobody is shut out for it, and nobody tries again at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from click.testing import CliRunner

from cli.board import rebuild as rebuild_command
from config.catalogue import BOARD
from services.leaderboard import rebuild as rebuilding
from services.leaderboard.keys import BoardKeys
from services.leaderboard.rebuild import NoRoomError, rebuild
from services.reconcile import sweep
from services.redis_client import RedisUnavailableError
from services.resources import Resources
from services.verify import redis_differences
from tests.support.people import People
from tests.support.stack import wait_for

KEYS = BoardKeys(BOARD)
PLAYERS = 40_000
LITTLE, BALLAST = 2_000_000, 30_000_000
"""Bytes for a part of the copy and not all of it; and as many more as make what is spared larger than one step."""


@pytest.fixture
def crowd(people: People) -> None:
    """Players with a point each, of whom Redis knows nothing."""
    people.execute(
        """
        WITH crowd AS (
            INSERT INTO users (username, username_key, password_hash)
            SELECT 'crowd ' || n, 'crowd ' || n, '' FROM generate_series(1, :players) AS n RETURNING id
        ) INSERT INTO standings (board, user_id, score, reached_at, version) SELECT :board, id, id, now(), 1 FROM crowd
        """,
        players=PLAYERS,
        board=BOARD,
    )
    people.resources.redis.flushall()


@pytest.fixture
def full(resources: Resources, crowd: None) -> Iterator[None]:
    """A Redis with little memory left."""
    limit = str(resources.redis.config_get("maxmemory")["maxmemory"])
    resources.redis.setrange("ballast", BALLAST, "x")
    used = resources.redis.info("memory")["used_memory"]
    resources.redis.config_set("maxmemory", int((used + LITTLE) / (1 - rebuilding.SPARE)))
    yield
    resources.redis.config_set("maxmemory", limit)


def may_play(resources: Resources) -> bool:
    """As lua/admit.lua counts a call."""
    try:
        resources.quick.call(("RPUSH", "ratelimit:{1}:complete", "1"))
    except RedisUnavailableError:
        return False
    return True


def left_behind(resources: Resources) -> set[bytes]:
    found: Any = resources.redis.keys("leaderboard:*:rebuild*")
    return set(found)


@pytest.mark.usefixtures("full")
def test_players_are_let_in_all_the_time_while_a_rebuild_finds_no_room(
    resources: Resources, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[int] = []

    def play(done: int, total: int) -> None:
        assert may_play(resources)
        seen.append(done)

    with pytest.raises(NoRoomError):
        rebuild(resources, BOARD, play)
    assert 1 < len(seen) < PLAYERS / rebuilding.CHUNK, "it was stopped on the way"
    assert may_play(resources)
    assert left_behind(resources) == {KEYS.no_room.encode()}
    assert "raise maxmemory" in caplog.text


@pytest.mark.usefixtures("full")
def test_a_redis_that_is_full_before_anybody_has_looked_is_cleared_at_once(
    resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rebuilding, "SPARE", -1.0)
    with pytest.raises(NoRoomError):
        rebuild(resources, BOARD)
    assert left_behind(resources) == {KEYS.no_room.encode()}
    wait_for(lambda: may_play(resources))


@pytest.mark.usefixtures("full")
def test_the_command_says_what_to_do_and_that_nobody_else_did_it(
    resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cli.board.get_settings", lambda: resources.settings)
    monkeypatch.setattr("cli.board.for_background", lambda settings: resources)
    done = CliRunner().invoke(rebuild_command)
    assert (done.exit_code, "maxmemory" in done.output) == (2, True), done.output


@pytest.mark.usefixtures("full")
def test_the_sweep_waits_a_minute_and_then_rebuilds_where_there_is_room_now(resources: Resources) -> None:
    with pytest.raises(NoRoomError):
        sweep(resources, BOARD)
    assert sweep(resources, BOARD) is None
    assert 0 < resources.redis.ttl(KEYS.no_room) <= 60
    resources.redis.config_set("maxmemory", 0)
    assert sweep(resources, BOARD) is None
    resources.redis.delete(KEYS.no_room)
    assert sweep(resources, BOARD) == PLAYERS
    assert list(redis_differences(resources, BOARD, lambda *_: None)) == []


@pytest.mark.usefixtures("full")
def test_who_rebuilds_by_hand_need_not_wait(resources: Resources) -> None:
    with pytest.raises(NoRoomError):
        rebuild(resources, BOARD)
    resources.redis.config_set("maxmemory", 0)
    assert rebuild(resources, BOARD) == PLAYERS


def test_a_redis_that_fills_up_at_the_very_end_keeps_the_old_board(resources: Resources, people: People) -> None:
    player = people.join()
    people.complete(player)
    limit = str(resources.redis.config_get("maxmemory")["maxmemory"])
    generation = resources.redis.get(KEYS.generation)

    def fill(done: int, total: int) -> None:
        wait_for(lambda: resources.redis.keys("leaderboard:*:rebuild:*:players") != [])
        resources.redis.config_set("maxmemory", 1_000_000)

    try:
        with pytest.raises(NoRoomError):
            rebuild(resources, BOARD, fill)
    finally:
        resources.redis.config_set("maxmemory", limit)
    assert resources.redis.get(KEYS.generation) == generation
    assert resources.redis.zcard(KEYS.standings) == 1
    assert list(redis_differences(resources, BOARD, lambda *_: None)) == []
