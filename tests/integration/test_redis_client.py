"""The connection of the hottest paths: replies that belong to their commands, and outages that are short and named."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from weakref import ReferenceType, ref

import pytest
from redis.exceptions import ResponseError, TimeoutError as RedisTimeoutError

from config.catalogue import BOARD
from models.patience import Patience
from services import redis_client
from services.leaderboard.board import place
from services.redis_client import QuickConnection, RedisUnavailableError
from services.resources import Resources
from tests.support.ground import Servers
from tests.support.people import a_standing
from tests.support.stack import wait_for

DEADLINE = 0.3


@pytest.fixture
def hurried(resources: Resources) -> Iterator[Resources]:
    """Resources that wait as briefly for Redis as a request does."""
    hasty = Resources(resources.settings, resources.catalogue, 1.0, DEADLINE)
    yield hasty
    hasty.redis.close()


def outcome(call: Callable[[], object]) -> object:
    """The result, or None while Redis is away."""
    with suppress(RedisUnavailableError):
        return call()
    return None


def test_replies_come_in_the_order_of_the_commands(resources: Resources) -> None:
    replies = resources.quick.call(("SET", "key", "value"), ("GET", "key"), ("GET", "other"), ("INCRBY", "n", 5))
    assert replies == [b"OK", b"value", None, 5]


def test_an_error_reply_is_raised_and_what_follows_it_answers_no_later_command(resources: Resources) -> None:
    with pytest.raises(ResponseError, match="not an integer"):
        resources.quick.call(("SET", "key", "value"), ("INCR", "key"), ("GET", "key"))
    assert resources.quick.call(("ECHO", "mine"), ("ECHO", "too")) == [b"mine", b"too"]


def test_an_error_reply_costs_no_connection_and_leaves_no_garbage(resources: Resources) -> None:
    """A Redis that refuses writes says so thousands of times a second."""
    quick = resources.quick
    assert isinstance(quick, QuickConnection)
    quick.call(("PING",))
    connections = list(quick._idle)
    gc.disable()
    try:
        errors = [_error_of(quick, ("SET", "key", "value"), ("INCR", "key"), ("GET", "key")) for _ in range(3)]
        assert [error() for error in errors] == [None] * 3
    finally:
        gc.enable()
    assert quick._idle == connections


def _error_of(quick: QuickConnection, *commands: tuple[str, ...]) -> ReferenceType[ResponseError]:
    try:
        quick.call(*commands)
    except ResponseError as error:
        return ref(error)
    pytest.fail("it was granted")


def test_a_connection_that_died_while_it_was_idle_is_replaced(resources: Resources) -> None:
    resources.quick.call(("PING",))
    resources.redis.client_kill_filter(_type="normal", skipme=True)
    assert resources.quick.call(("PING",)) == [b"PONG"]


def test_connections_may_die_any_number_of_times(resources: Resources) -> None:
    for _ in range(150):
        resources.redis.client_kill_filter(_type="normal", skipme=True)
        assert resources.quick.call(("PING",)) == [b"PONG"]


def test_scripts_that_redis_forgot_are_sent_again(resources: Resources) -> None:
    place(resources, BOARD, [a_standing(1, 1)])
    resources.redis.script_flush()
    assert place(resources, BOARD, [a_standing(1, 2, version=2)]).rank == 1


def test_a_mistake_in_a_script_is_no_outage(resources: Resources) -> None:
    resources.redis.set("leaderboard:{global}:standings", "not a sorted set")
    with pytest.raises(ResponseError, match="WRONGTYPE"):
        place(resources, BOARD, [a_standing(1, 1)])


def test_a_late_reply_answers_no_later_command(hurried: Resources, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_client, "SILENCE_SECONDS", 0.0)
    with pytest.raises(RedisUnavailableError):
        hurried.quick.call(("BLPOP", "nothing", 1))
    assert hurried.quick.call(("ECHO", "mine")) == [b"mine"]


@pytest.mark.parametrize("connected", [True, False])
def test_a_frozen_redis_costs_one_deadline_and_is_back_when_it_goes_on(
    servers: Servers, hurried: Resources, connected: bool
) -> None:
    if connected:
        hurried.quick.call(("PING",))
    servers.redis.pause()
    try:
        started = time.monotonic()
        for _ in range(100):
            with pytest.raises(RedisUnavailableError):
                hurried.quick.call(("PING",))
        assert time.monotonic() - started < 3 * DEADLINE
    finally:
        servers.redis.resume()
    wait_for(lambda: outcome(lambda: hurried.quick.call(("PING",))) == [b"PONG"], seconds=5)


def test_a_late_answer_silences_nobody_where_others_are_answered(resources: Resources) -> None:
    quick = Resources(resources.settings, resources.catalogue, 1.0, 2.0).quick
    quick.call(("PING",))
    with ThreadPoolExecutor(1) as thread:
        late = thread.submit(quick.call, ("BLPOP", "nothing", 4))
        wait_for(lambda: resources.redis.info("clients")["blocked_clients"] == 1)
        quick.call(("PING",))
        with pytest.raises(RedisUnavailableError):
            late.result()
    assert quick.call(("PING",)) == [b"PONG"]
    quick.forget_idle()


def test_a_killed_redis_is_away_and_back_after_its_restart(servers: Servers, resources: Resources) -> None:
    resources.quick.call(("PING",), ("PING",))
    servers.redis.kill()
    try:
        with pytest.raises(RedisUnavailableError):
            resources.quick.call(("PING",))
    finally:
        servers.redis.start()
    assert resources.quick.call(("PING",)) == [b"PONG"]


@pytest.mark.parametrize("setting", ["maxmemory 1", "min-replicas-to-write 1"])
def test_a_redis_that_takes_no_writes_is_away(resources: Resources, setting: str) -> None:
    name, value = setting.split()
    before = str(resources.redis.config_get(name)[name])
    resources.redis.config_set(name, value)
    try:
        with pytest.raises(RedisUnavailableError):
            place(resources, BOARD, [a_standing(1, 1)])
    finally:
        resources.redis.config_set(name, before)
    assert place(resources, BOARD, [a_standing(1, 1)]).rank == 1


def test_a_master_that_hands_over_is_waited_for_and_one_that_does_not_is_not(
    resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    resources.redis.config_set("min-replicas-to-write", 1)
    monkeypatch.setattr(resources.quick, "_patience_of_writers", Patience(0.0))
    with pytest.raises(RedisUnavailableError):
        resources.quick.call(("SET", "key", "lost"))
    monkeypatch.setattr(resources.quick, "_patience_of_writers", patience := Patience(30.0))
    with ThreadPoolExecutor(1) as others:
        waiting = others.submit(resources.quick.call, ("SET", "key", "value"), ("GET", "key"))
        wait_for(lambda: patience.waiting, 10)
        resources.redis.config_set("min-replicas-to-write", 0)
        assert waiting.result(20) == [b"OK", b"value"]
    assert not patience.waiting


def test_who_reads_does_not_make_writers_wait_anew(resources: Resources, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resources.quick, "_patience_of_writers", patience := Patience(0.3))
    resources.redis.config_set("min-replicas-to-write", 1)
    try:
        for _ in range(2):
            with pytest.raises(RedisUnavailableError):
                resources.quick.call(("SET", "key", "value"))
            assert resources.quick.call(("GET", "key")) == [None]
            assert patience.waiting, "it is still away for those who write"
    finally:
        resources.redis.config_set("min-replicas-to-write", 0)
    assert resources.quick.call(("SET", "key", "value")) == [b"OK"]


def test_a_reply_that_is_there_is_taken_however_late_it_is_looked_at(
    hurried: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    hurried.quick.call(("PING",))
    (connection,) = hurried.quick._idle  # type: ignore[attr-defined]
    read = connection.read_response
    late = iter([RedisTimeoutError("held up")])

    def hold_up(**options: bool) -> object:
        for error in late:
            assert connection.can_read(5)
            raise error
        return read(**options)

    monkeypatch.setattr(connection, "read_response", hold_up)
    assert hurried.quick.call(("ECHO", "mine"), ("ECHO", "too")) == [b"mine", b"too"]
