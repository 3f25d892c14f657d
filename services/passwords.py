"""Passwords: Argon2id, off the event loop, and a policy of length rather than composition (NIST SP 800-63B)."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError
from gevent.threadpool import ThreadPool

from services.errors import Crowded

T = TypeVar("T")
MAX_LENGTH = 256
HASHER = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1, type=Type.ID)
"""19 MiB, two passes, one lane: OWASP's minimum for Argon2id."""
COMMON = Path(__file__).with_name("common_passwords.txt")


MAX_WAITING = 400
"""Whoever comes when so many wait for a thread would wait for four seconds or more, and is sent away instead."""
_waiting: set[object] = set()


@lru_cache(maxsize=1)
def _pool() -> ThreadPool:
    """Native threads, because hashing would hold up the event loop; two, because there are not more cores to gain."""
    return ThreadPool(2)


@lru_cache(maxsize=1)
def _common_passwords() -> frozenset[str]:
    """The 30,000 commonest of leaks, which zxcvbn brings, and those that a leaderboard invites."""
    from zxcvbn.frequency_lists import FREQUENCY_LISTS  # noqa: PLC0415 -- a tenth of a second, for registrations only

    return frozenset(FREQUENCY_LISTS["passwords"]) | frozenset(COMMON.read_text(encoding="utf-8").split())


@lru_cache(maxsize=1)
def _decoy(hasher: PasswordHasher) -> str:
    """The hash that is compared with when there is no such account, so that both cases take the same time."""
    return hasher.hash("no account has this password")


def refusal(password: str, username: str, min_length: int) -> str | None:
    """Why a password is not accepted, or None. Any characters will do; only length and commonness count."""
    if len(password) < min_length:
        return f"must have at least {min_length} characters"
    if len(password) > MAX_LENGTH:
        return f"must have at most {MAX_LENGTH} characters"
    lowered = password.casefold()
    if lowered == username.casefold():
        return "must not be the username"
    if lowered in _common_passwords() or len(set(lowered)) < 3:
        return "is one of the first that anyone would try; choose another"
    return None


def hash_password(password: str) -> str:
    """The Argon2id hash, in its own notation with salt and parameters. Takes some 20 ms of a thread.

    Raises Crowded while too many wait, as `verify_password` does.
    """
    return _in_turn(HASHER.hash, password)


def verify_password(password: str, password_hash: str | None) -> bool:
    """Whether the password fits. None stands for an unknown account, and takes as long as a known one."""
    return _in_turn(_verify, password, password_hash) and password_hash is not None


def needs_rehash(password_hash: str) -> bool:
    """Whether the hash was made with weaker parameters than today's."""
    return HASHER.check_needs_rehash(password_hash)


def _in_turn(work: Callable[..., T], *arguments: Any) -> T:
    if len(_waiting) >= MAX_WAITING:
        raise Crowded("Too many people log in just now; try again in a moment.")
    ticket = object()
    _waiting.add(ticket)
    try:
        done: T = _pool().apply(work, arguments)
        return done
    finally:
        _waiting.discard(ticket)


def _verify(password: str, password_hash: str | None) -> bool:
    decoy = _decoy(HASHER)  # In any case: else the first unknown name would take longer than the first known one.
    try:
        return HASHER.verify(password_hash or decoy, password)
    except (VerificationError, InvalidHashError):
        return False
