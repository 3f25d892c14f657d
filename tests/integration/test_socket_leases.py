"""How many sockets a player holds, counted in Redis over all processes."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from services import socket_leases
from services.resources import Resources
from services.socket_leases import LEASE_SECONDS, Lease, hold, key, release, renew

PLAYER = 7


def lease(name: str, player: int = PLAYER) -> Lease:
    return Lease(player, name)


def names(resources: Resources, player: int = PLAYER) -> list[str]:
    held: list[Any] = resources.redis.zrange(key(player), 0, -1)
    return [name.decode() for name in held]


def test_one_more_than_the_limit_is_refused_and_not_counted(resources: Resources) -> None:
    assert [hold(resources, lease(f"a:{n}"), 3) for n in range(5)] == [True, True, True, False, False]
    assert names(resources) == ["a:0", "a:1", "a:2"]
    assert hold(resources, lease("a:0", player=8), 3), "another player has places of their own"


def test_a_place_that_is_given_back_is_free(resources: Resources) -> None:
    for name in ("a:1", "b:1"):
        assert hold(resources, lease(name), 2)
    release(resources, [lease("a:1"), lease("never:held")])
    assert hold(resources, lease("c:1"), 2)
    assert names(resources) == ["b:1", "c:1"]


def test_a_socket_that_is_known_to_have_ended_does_not_count(resources: Resources) -> None:
    for name in ("a:1", "a:2"):
        assert hold(resources, lease(name), 2)
    assert not hold(resources, lease("a:3"), 2, ended=[lease("b:1")])
    assert hold(resources, lease("a:3"), 2, ended=[lease("a:1"), lease("b:1")])
    assert names(resources) == ["a:2", "a:3"]


def test_the_places_of_a_process_that_died_run_out(resources: Resources, monkeypatch: pytest.MonkeyPatch) -> None:
    assert hold(resources, lease("dead:1"), 1)
    assert not hold(resources, lease("b:1"), 1)
    later = time.time() + LEASE_SECONDS + 1
    monkeypatch.setattr(time, "time", lambda: later)
    assert hold(resources, lease("b:1"), 1)
    assert names(resources) == ["b:1"]


def test_a_place_that_is_renewed_stays_also_when_redis_forgot_it(
    resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert hold(resources, lease("a:1"), 1)
    resources.redis.flushdb()
    renew(resources, [lease("a:1"), lease("a:2", player=8)])
    later = time.time() + LEASE_SECONDS - 2
    monkeypatch.setattr(time, "time", lambda: later)
    assert not hold(resources, lease("b:1"), 1)
    assert 0 < resources.redis.ttl(key(PLAYER)) <= LEASE_SECONDS


def test_nobody_is_refused_because_redis_is_away(without: Callable[[str], Resources]) -> None:
    away = without("redis")
    assert hold(away, lease("a:1"), 1)
    assert hold(away, lease("a:2"), 1)
    renew(away, [lease("a:1")])
    release(away, [lease("a:1")])


def test_a_batch_is_one_round_trip(resources: Resources) -> None:
    leases = [lease("a:1", player) for player in range(1, socket_leases.BATCH + 1)]
    renew(resources, leases)
    assert names(resources, socket_leases.BATCH) == ["a:1"]
    release(resources, leases)
    assert not resources.redis.exists(key(1))


def test_asking_twice_for_the_last_place_is_no_second_socket(resources: Resources) -> None:
    """Where a connection was lost on the way, a script may have run already."""
    assert [hold(resources, lease("a:1"), 1) for _ in range(2)] == [True, True]
    assert names(resources) == ["a:1"]
