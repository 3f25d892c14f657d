"""Sliding limits, exact under concurrency: one script checks every window before it counts in any."""

from __future__ import annotations

import math
import uuid
from collections.abc import Sequence
from contextlib import suppress

from config.catalogue import COMPLETIONS_A_MINUTE
from services import sessions
from services.errors import RateLimitExceeded, ServiceUnavailable
from services.redis_client import RedisUnavailableError, translate_outage
from services.resources import Resources
from services.sessions import Player

Window = tuple[int, int]
"""Calls allowed, and the seconds in which they are counted."""
PLAYER_LIMITS: tuple[Window, ...] = ((COMPLETIONS_A_MINUTE, 60), (100, 3_600), (500, 86_400))


def admit(resources: Resources, user_id: int, session_id: uuid.UUID, call: str) -> Player:
    """Check the session and count one call of a kind (`request` or `complete`) against the player's limits.

    One round trip to Redis. Raises InvalidToken, AccountSuspended, RateLimitExceeded, or ServiceUnavailable: without
    Redis nobody is let in, because a limit that fails open is none.
    """
    keys = (f"ratelimit:{{{user_id}}}:{call}", sessions.session_key(user_id, session_id))
    try:
        cached, wait_ms = resources.admit_script(keys, _PLAYER_ARGUMENTS)
        if not cached:
            sessions.load(resources, user_id, session_id)
            cached, wait_ms = resources.admit_script(keys, _PLAYER_ARGUMENTS)
    except RedisUnavailableError as error:
        raise ServiceUnavailable from error
    if not cached:  # Redis can be read and takes no writes: the session is good, but nothing could be counted.
        raise ServiceUnavailable
    player = sessions.parse(cached, user_id, session_id)
    _refuse(wait_ms)
    return player


def count(resources: Resources, key: str, limits: Sequence[Window]) -> None:
    """Count one call under a key such as an address. Raises RateLimitExceeded or ServiceUnavailable."""
    if not limits or not limits[0][0]:
        return
    try:
        _, wait_ms = resources.admit_script((f"ratelimit:{{{key}}}",), _arguments(limits))
    except RedisUnavailableError as error:
        raise ServiceUnavailable from error
    _refuse(wait_ms)


def count_address(resources: Resources, call: str, address: str) -> None:
    """Count one call that costs a hash, such as `login`, from an address. Raises as `count` does."""
    count(resources, f"{call}:{address}", ((resources.settings.auth_address_limit, 60),))


def forgive(resources: Resources, key: str) -> None:
    """Take the newest call under a key back, as a login that turned out to be right."""
    with suppress(RedisUnavailableError), translate_outage():
        resources.redis.rpop(f"ratelimit:{{{key}}}")


def remember(resources: Resources, place: str, seconds: int) -> None:
    """Note that somebody proved themselves from a place; forgotten after some time, or with Redis."""
    with suppress(RedisUnavailableError):
        resources.quick.call(("SET", f"known:{{{place}}}", "1", "EX", seconds))


def is_remembered(resources: Resources, place: str) -> bool:
    """Whether `remember` was called for a place. Raises ServiceUnavailable."""
    try:
        (found,) = resources.quick.call(("EXISTS", f"known:{{{place}}}"))
    except RedisUnavailableError as error:
        raise ServiceUnavailable from error
    return bool(found)


def _arguments(limits: Sequence[Window]) -> list[str | int | bytes]:
    arguments: list[str | int | bytes] = [max(limit for limit, _ in limits)]
    for limit, seconds in limits:
        arguments += (limit, seconds * 1000)
    return arguments


def _refuse(wait_ms: int) -> None:
    if wait_ms:
        seconds = math.ceil(wait_ms / 1000)
        raise RateLimitExceeded(f"Too many requests; try again in {seconds} s.", retry_after=seconds)


_PLAYER_ARGUMENTS = _arguments(PLAYER_LIMITS)
