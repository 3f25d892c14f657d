"""Reading the board by cache-aside: Redis first, then PostgreSQL, filled by one reader at a time."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from datetime import UTC, datetime

from models.database import DatabaseUnavailableError, autocommit
from services.errors import ServiceUnavailable
from services.leaderboard import standings
from services.leaderboard.board import CACHE_SECONDS, TOP, Standing, compact_json, rfc3339
from services.leaderboard.keys import BoardKeys
from services.redis_client import RedisUnavailableError
from services.resources import Resources

FILL_MS = 500
"""How long one reader may keep the others waiting for the cache."""
POLL_SECONDS = 0.01


@dataclass(frozen=True)
class BoardAnswer:
    """A board as JSON, `{leaderboard, updatedAt, version}`, and whether it came from the cache."""

    body: bytes
    cached: bool


@dataclass(frozen=True)
class _Published:
    generation: bytes
    version: int
    entries: str | None
    """None when nothing was published since this Redis was filled."""
    updated_at: str


def read_board(resources: Resources, board: str, limit: int = TOP, cached: bytes | None = None) -> BoardAnswer:
    """The first `limit` players, 1 to 100; `cached` is the cached top 10 if the caller has it at hand.

    Raises ServiceUnavailable when neither Redis nor PostgreSQL can tell.
    """
    if limit == TOP and cached:
        return BoardAnswer(cached, cached=True)
    try:
        if limit == TOP:
            return _read_top10(resources, board)
        return _from_postgresql(resources, board, limit, _published(resources, board))
    except RedisUnavailableError:
        try:
            return _from_postgresql(resources, board, limit, None)
        except DatabaseUnavailableError as error:
            raise ServiceUnavailable from error
    except DatabaseUnavailableError:
        return _last_published(resources, board, limit)


def last_frame(resources: Resources, board: str) -> bytes | None:
    """The board that was published last, letter by letter, however much has changed since. None where that is unknown.

    Raises RedisUnavailableError.
    """
    published = _published(resources, board)
    if published.entries is None:
        return None
    return _body(published.entries, published.updated_at, published.version)


def _read_top10(resources: Resources, board: str) -> BoardAnswer:
    keys = BoardKeys(board)
    deadline = time.monotonic() + FILL_MS / 1000
    while (cached := resources.quick.call(("GET", keys.top10))[0]) is None and time.monotonic() < deadline:
        locked, cached = resources.quick.call(
            ("SET", keys.cache_lock, "1", "NX", "PX", FILL_MS),
            ("GET", keys.top10),  # Once more: whoever held the lock until now has filled it.
        )
        if locked and cached is None:
            return _fill_cache(resources, keys)
        if locked:
            resources.quick.call(("DEL", keys.cache_lock))
        if cached is not None:
            break
        time.sleep(POLL_SECONDS)
    if isinstance(cached, bytes):
        return BoardAnswer(cached, cached=True)
    return _from_postgresql(resources, board, TOP, _published(resources, board))


def _fill_cache(resources: Resources, keys: BoardKeys) -> BoardAnswer:
    """Read from PostgreSQL and cache it, unless the board moved meanwhile."""
    try:
        published = _published(resources, keys.board)
        answer = _from_postgresql(resources, keys.board, TOP, published)
        resources.fill_cache_script(
            (keys.generation, keys.top10, keys.published),
            (published.generation, answer.body, CACHE_SECONDS, published.version),
        )
    finally:
        resources.quick.call(("DEL", keys.cache_lock))
    return answer


def _published(resources: Resources, board: str) -> _Published:
    """What was last published. Read before PostgreSQL, so that a version never labels an older board than its own."""
    keys = BoardKeys(board)
    generation, (version, entries, updated_at) = resources.quick.call(
        ("GET", keys.generation), ("HMGET", keys.published, "version", "entries", "updatedAt")
    )
    shown = entries.decode() if entries is not None else None
    return _Published(generation or b"", int(version or 0), shown, (updated_at or b"").decode())


def _from_postgresql(resources: Resources, board: str, limit: int, published: _Published | None) -> BoardAnswer:
    with autocommit(resources.engine) as connection:
        rows = standings.top(connection, board, limit)
    entries = ",".join(_entry(rank, row) for rank, row in enumerate(rows, start=1))
    same = published is not None and published.entries == entries and published.updated_at
    updated_at = published.updated_at if published and same else rfc3339(datetime.now(UTC))
    return BoardAnswer(_body(entries, updated_at, published.version if published else 0), cached=False)


def _last_published(resources: Resources, board: str, limit: int) -> BoardAnswer:
    """With PostgreSQL away: what everyone saw last, or its beginning; it is no answer to who asks for more."""
    try:
        published = _published(resources, board)
    except RedisUnavailableError as error:
        raise ServiceUnavailable from error
    if limit > TOP or published.entries is None:
        raise ServiceUnavailable
    entries = ",".join(map(compact_json, json.loads(f"[{published.entries}]")[:limit]))
    return BoardAnswer(_body(entries, published.updated_at, published.version), cached=True)


def _entry(rank: int, row: Standing) -> str:
    return compact_json({"rank": rank, "userId": row.user_id, "username": row.username, "score": row.score})


def _body(entries: str, updated_at: str, version: int) -> bytes:
    return f'{{"leaderboard":[{entries}],"updatedAt":"{updated_at}","version":{version}}}'.encode()
