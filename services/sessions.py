"""Sessions: a row in PostgreSQL, cached in Redis for as long as it is used.

The cache holds `+status|role|username` for a session that may act and `-CODE` for one that may not. A revocation is
written to PostgreSQL first, so it outlives Redis; in Redis it overwrites, while filling the cache never overwrites,
so a slow reader cannot bring a dead session back.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import uuid
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Connection, text

from config.allowance import Allowance
from models.database import DatabaseUnavailableError, autocommit, execute_once
from services.errors import AccountSuspended, InvalidToken, ServiceUnavailable
from services.redis_client import RedisUnavailableError
from services.resources import Resources

log = logging.getLogger(__name__)

CACHE_SECONDS = 300
ENDED_CHANNEL = "sessions:ended"
"""Where web processes hear whose sockets to close."""
LONGEST_AGENT = 200
MOST_OPEN = 100
"""Sessions of one account; the one that was begun first ends when another would be too many."""
MAX_ASKED = 1_000
"""Sessions that one question to PostgreSQL may name."""
SUSPENDED = "-ACCOUNT_SUSPENDED"
"""What the cache says of a session whose player is suspended."""
ROTATION_GRACE = timedelta(seconds=10)
"""A refresh token that comes twice within this time is a client's race or a lost answer; later, it is a theft."""
DERIVED = 5
"""The version in the id of a refresh token that was made from the one before it."""
_races = Allowance(1)
"""Lines about tokens that come twice within the grace, of which a client can send any number."""

_ENDED_AMONG = text("""
    SELECT asked.id, CASE WHEN s.id IS NULL THEN 'logged out' ELSE 'suspended' END
    FROM unnest(CAST(:ids AS uuid[])) AS asked (id)
    LEFT JOIN sessions s ON s.id = asked.id AND s.revoked_at IS NULL AND s.expires_at > now()
    LEFT JOIN users u ON u.id = s.user_id
    WHERE s.id IS NULL OR u.status = 'suspended'
""")


@dataclass(frozen=True, slots=True)
class Player:
    """Who makes a request."""

    user_id: int
    session_id: uuid.UUID
    username: str
    role: str
    status: str


class Origin(NamedTuple):
    """Where a session was last begun or renewed from."""

    address: str = ""
    """A keyed hash."""
    user_agent: str = ""


NOWHERE = Origin()


def session_key(user_id: int, session_id: uuid.UUID) -> str:
    """The session's key in Redis, in the same slot as the player's limits."""
    return f"session:{{{user_id}}}:{session_id}"


def origin(resources: Resources, address: str, user_agent: str) -> Origin:
    """What is kept of where a session comes from: enough to see that two share it, and no address."""
    key = resources.settings.jwt_secret[0].encode()
    digest = hmac.new(key, b"address " + address.encode(), hashlib.sha256).hexdigest()[:32]
    return Origin(digest if address else "", user_agent[:LONGEST_AGENT].replace("\0", ""))


_END_OLDEST = text("""
    UPDATE sessions SET revoked_at = now() WHERE id IN (
        SELECT id FROM sessions WHERE user_id = :user_id AND revoked_at IS NULL AND expires_at > now()
        ORDER BY created_at DESC OFFSET :most
    ) RETURNING id
""")
_ENDED_LATELY = text("""
    SELECT user_id, array_agg(id) FROM sessions WHERE revoked_at > now() - make_interval(secs => :seconds)
    GROUP BY user_id
""")
_SUSPENDED_LATELY = text("""
    SELECT s.user_id, array_agg(s.id) FROM sessions s JOIN users u ON u.id = s.user_id
    WHERE u.status = 'suspended' AND s.revoked_at IS NULL AND s.expires_at > now() AND s.user_id IN (
        SELECT user_id FROM review_cases
        WHERE status = 'confirmed' AND updated_at > now() - make_interval(secs => :seconds)
    ) GROUP BY s.user_id
""")
_END_OTHERS = text("""
    WITH ended AS (
        UPDATE sessions SET revoked_at = now() WHERE user_id = :user_id AND id <> :keep AND revoked_at IS NULL
        RETURNING id
    )
    SELECT id FROM ended
    UNION SELECT id FROM sessions WHERE user_id = :user_id AND revoked_at > now() - make_interval(secs => :cached)
""")


def open_session(
    connection: Connection, user_id: int, lifetime: timedelta, came_from: Origin
) -> tuple[uuid.UUID, uuid.UUID]:
    """Begin a session. Returns its id and the id of its first refresh token."""
    session_id, refresh_id = uuid.uuid4(), uuid.uuid4()
    connection.execute(
        text(
            "INSERT INTO sessions (id, user_id, refresh_id, expires_at, address, user_agent) "
            "VALUES (:id, :user_id, :refresh_id, now() + :life, :address, :user_agent)"
        ),
        {"id": session_id, "user_id": user_id, "refresh_id": refresh_id, "life": lifetime, **came_from._asdict()},
    )
    return session_id, refresh_id


def parse(cached: bytes, user_id: int, session_id: uuid.UUID) -> Player:
    """A player out of the cache. Raises InvalidToken or AccountSuspended for a session that may not act."""
    if cached.startswith(b"+"):
        status, role, username = cached[1:].decode().split("|", 2)
        return Player(user_id, session_id, username, role, status)
    raise AccountSuspended if cached == SUSPENDED.encode() else InvalidToken


def load(resources: Resources, user_id: int, session_id: uuid.UUID) -> Player:
    """The player of a session by PostgreSQL, cached in Redis if that is there.

    Raises InvalidToken, AccountSuspended or ServiceUnavailable.
    """
    value, life_ms = _from_postgresql(resources, user_id, session_id)
    with suppress(RedisUnavailableError):  # Only the cache is missing; whoever needs Redis for more says so itself.
        resources.quick.call(("SET", session_key(user_id, session_id), value, "NX", "PX", life_ms))
    return parse(value.encode(), user_id, session_id)


def authenticate(resources: Resources, user_id: int, session_id: uuid.UUID) -> Player:
    """The player of a session, from Redis or else PostgreSQL. For reads, which go on while Redis is away."""
    return authenticate_and_get(resources, user_id, session_id)[0]


def authenticate_and_get(
    resources: Resources, user_id: int, session_id: uuid.UUID, *keys: str
) -> tuple[Player, list[bytes | None]]:
    """The player of a session, and what Redis has under some keys, on one round trip; nothing while it is away."""
    try:
        cached, *values = resources.quick.call(
            ("GET", session_key(user_id, session_id)), *(("GET", key) for key in keys)
        )
    except RedisUnavailableError:
        cached, values = None, [None] * len(keys)
    player = parse(cached, user_id, session_id) if cached else load(resources, user_id, session_id)
    return player, values


def rotate(
    resources: Resources, user_id: int, session_id: uuid.UUID, refresh_id: uuid.UUID, came_from: Origin = NOWHERE
) -> uuid.UUID:
    """Spend a refresh token. Returns the id of the next one. Raises InvalidToken for one that was spent, and ends the

    session when that looks like theft (RFC 9700, section 4.14.2).
    """
    player = load(resources, user_id, session_id)
    next_id, *other_next_ids = _successors(resources, refresh_id)
    with autocommit(resources.engine) as connection:
        spent = connection.execute(
            text(
                "UPDATE sessions SET refresh_id = :next, rotated_at = now(), "
                "address = :address, user_agent = :user_agent "
                "WHERE id = :id AND refresh_id = :refresh_id AND revoked_at IS NULL AND expires_at > now()"
            ),
            {"id": player.session_id, "refresh_id": refresh_id, "next": next_id, **came_from._asdict()},
        )
        if spent.rowcount == 1:
            return next_id
        seen = connection.execute(
            text("SELECT rotated_at < now() - :grace AS late, refresh_id FROM sessions WHERE id = :id"),
            {"id": session_id, "grace": ROTATION_GRACE},
        ).one_or_none()
    theft = seen and (
        seen.late or (seen.refresh_id.version == DERIVED and seen.refresh_id not in {next_id, *other_next_ids})
    )
    if theft or _races.take():
        log.warning("refresh token spent twice: user=%s session=%s ended=%s", user_id, session_id, bool(theft))
    if theft:
        revoke(resources, user_id, session_id)
    raise InvalidToken


def _successors(resources: Resources, refresh_id: uuid.UUID) -> list[uuid.UUID]:
    """The id that follows one, by the key that signs now and by those that did.

    It is made from the one before, so that what was spent just now can be told from what was spent long ago.
    """
    message = b"refresh " + refresh_id.bytes
    digests = [hmac.digest(key.encode(), message, "sha256") for key in resources.settings.jwt_secret]
    return [uuid.UUID(bytes=digest[:16], version=DERIVED) for digest in digests]


def revoke(resources: Resources, user_id: int, session_id: uuid.UUID) -> None:
    """End a session for good: first where it lasts, then in the cache. Raises ServiceUnavailable if either is away."""
    log.info("session ends: user=%s session=%s", user_id, session_id)
    try:
        with autocommit(resources.engine) as connection:
            connection.execute(
                text("UPDATE sessions SET revoked_at = now() WHERE id = :id AND revoked_at IS NULL"), {"id": session_id}
            )
    except DatabaseUnavailableError as error:
        raise ServiceUnavailable("You may still be logged in; try again.") from error
    forget_ended(resources, user_id, [session_id])


def end_oldest(connection: Connection, user_id: int) -> list[uuid.UUID]:
    """End, where it lasts, what a player has too many of. Returns what `forget_ended` is to be told of."""
    return list(connection.execute(_END_OLDEST, {"user_id": user_id, "most": MOST_OPEN}).scalars())


def end_others(resources: Resources, connection: Connection, user_id: int, keep: uuid.UUID) -> list[uuid.UUID]:
    """End all sessions of a player but one, where it lasts. Returns those that `forget_ended` is to be told of.

    Those that ended lately are among them: Redis may have been away when it was to be told.
    """
    parameters = {"user_id": user_id, "keep": keep, "cached": _tombstone_seconds(resources)}
    return list(connection.execute(_END_OTHERS, parameters).scalars())


def forget_ended(resources: Resources, user_id: int, ended: Sequence[uuid.UUID]) -> None:
    """Tell the cache and the sockets of sessions that ended. Raises ServiceUnavailable; the cache then lives on."""
    try:
        if ended:
            resources.quick.call(*_endings(resources, user_id, ended))
    except RedisUnavailableError as error:
        raise ServiceUnavailable("You may still be logged in; try again.") from error


def forget_ended_lately(resources: Resources) -> None:
    """Tell a Redis that may have forgotten it, for it has older data, which sessions ended and who was suspended.

    What its cache holds lives for CACHE_SECONDS, so that what ended before those cannot come back; they are doubled,
    because clocks differ. May be done again. Raises RedisUnavailableError or DatabaseUnavailableError.
    """
    lately = {"seconds": 2 * CACHE_SECONDS}
    with autocommit(resources.engine) as connection:
        ended = connection.execute(_ENDED_LATELY, lately).all()
        suspended = connection.execute(_SUSPENDED_LATELY, lately).all()
    commands = [command for user_id, ids in ended for command in _endings(resources, user_id, ids)]
    for begin in range(0, len(commands), MAX_ASKED):
        resources.quick.call(*commands[begin : begin + MAX_ASKED])
    for user_id, ids in suspended:
        refresh_cache(resources, user_id, dict.fromkeys(ids, datetime.max.replace(tzinfo=UTC)), SUSPENDED)


def refresh_cache(resources: Resources, user_id: int, sessions: Mapping[uuid.UUID, datetime], value: str) -> None:
    """Overwrite what the cache says of a player's sessions that are not revoked, each for no longer than until its end.

    Ends the sockets of a player who is suspended. Raises RedisUnavailableError.
    """
    keys, now = [session_key(user_id, session_id) for session_id in sessions], datetime.now(UTC)
    lives = [min(max((end - now).total_seconds(), 0.001), CACHE_SECONDS) for end in sessions.values()]
    resources.refresh_sessions_script(keys, (value, *(int(life * 1_000) for life in lives)))
    if value == SUSPENDED:
        resources.quick.call(_announcement(user_id, None, "suspended"))


def ended_among(resources: Resources, session_ids: Sequence[str]) -> list[tuple[str, str]]:
    """Which of some sessions, at most MAX_ASKED, may act no more, and why. Raises ServiceUnavailable."""
    try:
        with autocommit(resources.engine) as connection:
            rows = connection.execute(_ENDED_AMONG, {"ids": list(session_ids)}).all()
    except DatabaseUnavailableError as error:
        raise ServiceUnavailable from error
    return [(str(session_id), reason) for session_id, reason in rows]


def cache_value(status: str, role: str, username: str) -> str:
    """What the cache says of a session that is not revoked."""
    return SUSPENDED if status == "suspended" else f"+{status}|{role}|{username}"


def _endings(resources: Resources, user_id: int, ended: Iterable[uuid.UUID]) -> list[tuple[Any, ...]]:
    """The commands that tell the cache and the sockets of sessions that ended."""
    commands: list[tuple[Any, ...]] = []
    for session_id in ended:
        key, seconds = session_key(user_id, session_id), _tombstone_seconds(resources)
        commands += [("SET", key, "-INVALID_TOKEN", "EX", seconds), _announcement(user_id, session_id, "logged out")]
    return commands


def _announcement(user_id: int, session_id: uuid.UUID | None, reason: str) -> tuple[str, str, str]:
    """The command that tells every web process to close a session's sockets, or all of a player's."""
    ended = {"userId": user_id, "sessionId": str(session_id) if session_id else None, "reason": reason}
    return "PUBLISH", ENDED_CHANNEL, json.dumps(ended)


def _tombstone_seconds(resources: Resources) -> int:
    return max(CACHE_SECONDS, resources.settings.access_token_seconds)


def _from_postgresql(resources: Resources, user_id: int, session_id: uuid.UUID) -> tuple[str, int]:
    """What the cache is to say, and for how many milliseconds: a session may not act there for longer than it lives."""
    query = (
        "SELECT u.status, u.role, u.username, greatest(extract(epoch FROM s.expires_at - now()) * 1000, 1)::bigint "
        "FROM sessions s JOIN users u ON u.id = s.user_id "
        "WHERE s.id = %s AND u.id = %s AND s.revoked_at IS NULL AND s.expires_at > now()"
    )
    try:
        row = execute_once(resources.engine, query, (str(session_id), user_id))
    except DatabaseUnavailableError as error:
        raise ServiceUnavailable from error
    longest = CACHE_SECONDS * 1_000
    return (cache_value(*row[:3]), min(row[3], longest)) if row else ("-INVALID_TOKEN", longest)
