"""Redis: one client per process, short deadlines, and scripts kept in files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import (
    BusyLoadingError,
    ConnectionError as RedisConnectionError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    TimeoutError as RedisTimeoutError,
)
from redis.retry import Retry

LUA = Path(__file__).with_name("lua")
AWAY = (RedisConnectionError, RedisTimeoutError, BusyLoadingError, ReadOnlyError, OutOfMemoryError)


class RedisUnavailableError(Exception):
    """Redis did not answer, not in time, or will not take writes. What was asked may or may not have been done."""


def make_redis(url: str, *, deadline: float = 5.0) -> Redis:
    """A client that gives up after `deadline` seconds.

    One retry, on a lost connection only, because after a restart of Redis each pooled connection fails once.
    """
    return Redis.from_url(
        url,
        socket_timeout=deadline,
        socket_connect_timeout=min(deadline, 1.0),
        retry=Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,)),
        health_check_interval=0,
        protocol=2,
    )


@contextmanager
def translate_outage() -> Iterator[None]:
    """Turn every way in which Redis can be away into RedisUnavailableError."""
    try:
        yield
    except AWAY as error:
        raise RedisUnavailableError(str(error)) from error


def load_script(redis: Redis, name: str) -> Callable[[Sequence[str], Sequence[str | int | bytes]], Any]:
    """The script `lua/<name>.lua` as a function of KEYS and ARGV. Raises RedisUnavailableError."""
    source = (LUA / f"{name}.lua").read_text(encoding="utf-8")
    digest = redis.register_script(source).sha

    def run(keys: Sequence[str], arguments: Sequence[str | int | bytes]) -> Any:
        with translate_outage():
            try:
                return redis.evalsha(digest, len(keys), *keys, *arguments)
            except NoScriptError:
                return redis.eval(source, len(keys), *keys, *arguments)

    return run
