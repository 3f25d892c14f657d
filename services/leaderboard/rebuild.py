"""Rebuilding the board in Redis from PostgreSQL, while both are in use.

A copy is filled from one snapshot, by plain commands, which take half the time of a script. Whoever is placed
meanwhile is noted beside it as well (lua/place.lua). Then, in one step, the notes are put into the copy and the copy
into the board's place (lua/finish_rebuild.lua). Versions decide where the two meet, so the order does not matter.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

from redis.exceptions import OutOfMemoryError
from sqlalchemy import Connection, text

from models.database import DatabaseUnavailableError, autocommit, snapshot
from services import sessions
from services.leaderboard.keys import LAST_MICROSECOND, MAX_USER_ID, BoardKeys
from services.redis_client import RedisUnavailableError, server_of, translate_outage
from services.resources import Resources

log = logging.getLogger(__name__)

CHUNK = 2_000
"""Players in one exchange: two commands, in each of which Redis does nothing else for some 5 ms."""
SEPARATOR = "\x1f"
"""Between arguments, none of which can hold it: JSON escapes it."""
LIFE_MS = 60_000
SPARE = 0.05
"""The part of Redis's memory that a copy leaves free: a full Redis refuses the calls of players."""
BACK_OFF_MS = 60_000
"""How long no rebuild begins by itself after one that did not fit."""
SETTLE_SECONDS = 0.5
MARK_SECONDS, MARK_POLL_SECONDS = 3.0, 0.05
"""Longest wait for a standby to catch up."""
_MARK = text(
    "INSERT INTO boards (name, rebuild_mark) VALUES (:board, :mark) "
    "ON CONFLICT (name) DO UPDATE SET rebuild_mark = excluded.rebuild_mark"
)
_TIMELINE = text("SELECT left(pg_walfile_name(pg_current_wal_lsn()), 8)")
_READ_MARK = text("SELECT rebuild_mark FROM boards WHERE name = :board")
NO_ROOM = (
    "there is no room in Redis for a second copy of the board, which a rebuild needs for a moment; "
    "raise maxmemory of the board's Redis (CONFIG SET does it while it runs), after what its container may hold"
)
Progress = Callable[[int, int], None]
"""Called with the players done and their number."""
AGREED_SECONDS = 60.0
_agreed: dict[str, tuple[int, float]] = {}
"""By board: how many known players were off it when PostgreSQL last agreed that all of them belong off it, and when."""


_COUNT = text("SELECT count(*) FROM standings WHERE board = :board")
_ARGUMENTS = """
    SELECT s.user_id || %(sep)s || s.version || %(sep)s || s.score || %(sep)s || CASE WHEN s.score > 0 AND NOT s.hidden
        THEN lpad((%(last)s - (extract(epoch FROM s.reached_at) * 1000000)::bigint)::text, 16, '0')
        || ':' || lpad((%(highest)s - s.user_id)::text, 12, '0') ELSE '' END || %(sep)s || to_json(u.username)
    FROM standings s JOIN users u ON u.id = s.user_id WHERE s.board = %(board)s ORDER BY s.user_id
"""


class NoRoomError(RedisUnavailableError):
    """The copy does not fit into Redis beside the board that is there."""


def rebuild(resources: Resources, board: str, progress: Progress = lambda done, total: None) -> int | None:
    """Fill the board in Redis from PostgreSQL. Returns the players loaded, or None if another rebuild took over.

    Raises RedisUnavailableError (or, of it, NoRoomError) or DatabaseUnavailableError; the old board stays as it was.
    """
    keys, name = BoardKeys(board), secrets.token_hex(8)
    run_id = redis_run_id(resources, keys)
    # Redis may be another process now, with older data: then what was published since is not known here any more, and
    # its cache may take sessions for good that have ended since.
    forgotten = 0
    if not _is_known(resources, board, run_id):
        forgotten = int(time.time() * 1000)
        sessions.forget_ended_lately(resources)
    with translate_outage(), resources.redis.pipeline(transaction=True) as start:
        # In one step: a rebuild about to finish would else find its notes gone, and miss what was placed meanwhile.
        start.set(keys.rebuilding, name, px=LIFE_MS)
        start.unlink(keys.new_standings, keys.new_players)
        start.execute()
    with _tidied(resources, keys, name):
        done = _load(resources, keys, name, progress)
        if done is None or not _finish(resources, keys, name, forgotten):
            return None
    _remember(resources, board, run_id)
    _agreed.pop(board, None)
    log.info("rebuilt board %s: %d players", board, done)
    return done


@contextmanager
def _tidied(resources: Resources, keys: BoardKeys, name: str) -> Iterator[None]:
    """However a rebuild ends, its copy does not stay. Says why there is no room for it, as a NoRoomError."""
    back_off = 0
    try:
        yield
    except RedisUnavailableError as error:
        if not isinstance(error, NoRoomError) and not isinstance(error.__cause__, OutOfMemoryError):
            raise
        back_off = BACK_OFF_MS
        log.warning("board %s: %s; the next try is in %d s", keys.board, NO_ROOM, back_off // 1000)
        raise NoRoomError(NO_ROOM) from error
    finally:
        copies = (keys.rebuilding, keys.new_standings, keys.new_players, *keys.copy(name), keys.no_room)
        with suppress(RedisUnavailableError):
            resources.drop_rebuild_script(copies, [name, back_off])


def _finish(resources: Resources, keys: BoardKeys, name: str, forgotten: int) -> bool:
    """Put the copy in the board's place. Whether this rebuild still counted."""
    finish = (
        keys.standings,
        keys.players,
        keys.top10,
        keys.generation,
        keys.loaded,
        keys.rebuilding,
        keys.new_standings,
        keys.new_players,
        keys.published,
        *keys.copy(name),
    )
    return bool(resources.finish_rebuild_script(finish, [name, forgotten]))


def is_put_off(resources: Resources, board: str) -> bool:
    """Whether a rebuild did not fit into Redis a moment ago, so that the next one is to wait."""
    (put_off,) = resources.quick.call(("EXISTS", BoardKeys(board).no_room))
    return bool(put_off)


def is_current(resources: Resources, board: str) -> bool:
    """Whether the board in Redis is complete, and Redis is the process that it was loaded into.

    A flush takes the mark away; a restart, a restored file or a failover changes the id.
    """
    keys = BoardKeys(board)
    with translate_outage():
        loaded = resources.redis.exists(keys.loaded)
    if not loaded or not _is_known(resources, board, redis_run_id(resources, keys)):
        return False
    return not _has_lost_players(resources, keys)


def _has_lost_players(resources: Resources, keys: BoardKeys) -> bool:
    """Whether the board ranks fewer players than PostgreSQL did, which is only counted if some known player is off it,

    and not as long as their number is one that PostgreSQL has agreed to lately: who is hidden stays off the board.
    The board is given a moment for those who were on their way to Redis. Who comes meanwhile is not waited for: where
    many do, some are always on their way.
    """
    known, ranked = resources.quick.call(("HLEN", keys.players), ("ZCARD", keys.standings))
    off = known - ranked
    if ranked and (off <= 0 or _is_agreed(keys.board, off)):
        return False
    wanted = _wanted(resources, keys.board)
    if ranked >= wanted:
        _agreed[keys.board] = off, time.monotonic()
    if _ranked(resources, keys) >= wanted:
        return False
    time.sleep(SETTLE_SECONDS)
    return _ranked(resources, keys) < wanted


def _is_agreed(board: str, off: int) -> bool:
    """Not for ever, because one who is lost while another comes back into view leaves the number as it was."""
    number, when = _agreed.get(board, (-1, 0.0))
    return number == off and time.monotonic() - when < AGREED_SECONDS


def _wanted(resources: Resources, board: str) -> int:
    """How many players PostgreSQL ranks."""
    query = text("SELECT count(*) FROM standings WHERE board = :board AND score > 0 AND NOT hidden")
    with autocommit(resources.engine) as connection:
        return int(connection.execute(query, {"board": board}).scalar_one())


def _ranked(resources: Resources, keys: BoardKeys) -> int:
    with translate_outage():
        return int(resources.redis.zcard(keys.standings))


def _is_known(resources: Resources, board: str, run_id: str) -> bool:
    """Whether that is the Redis that the board was last loaded into. Former versions wrote the process alone."""
    query = text("SELECT redis_run_id FROM boards WHERE name = :board")
    with autocommit(resources.engine) as connection:
        known = connection.execute(query, {"board": board}).scalar_one_or_none()
    return known in {run_id, run_id.partition(":")[0]}


def redis_run_id(resources: Resources, keys: BoardKeys) -> str:
    """The ids of the Redis process that holds the board, and of its time as the master, which may not be its first;

    and PostgreSQL's timeline: a primary that took over may lack what Redis was told of before.
    """
    with translate_outage():
        told = server_of(resources.redis, keys.standings, "default")
    with autocommit(resources.engine) as connection:
        timeline = connection.execute(_TIMELINE).scalar_one()
    return f"{told['run_id']}:{told['master_replid']}:{timeline}"


@contextmanager
def _source(resources: Resources, board: str) -> Iterator[Connection]:
    """A snapshot that has all that was committed before this rebuild began: of a standby, else of the primary.

    What is committed later is placed into the copy as well. What was committed before, and is not in the snapshot,
    would be missing for good. So a mark is written on the primary now, and a standby will do once it shows the mark:
    it applies commits in their order. Positions in the log would not do: they say nothing across a failover.
    """
    with ExitStack() as stack:
        connection = _standby(resources, board, stack) if resources.replica is not resources.engine else None
        yield connection or stack.enter_context(snapshot(resources.engine))


def _standby(resources: Resources, board: str, stack: ExitStack) -> Connection | None:
    """A snapshot of a standby that has caught up, which the stack closes. None if there is none in time."""
    mark, deadline = secrets.token_hex(8), time.monotonic() + MARK_SECONDS
    with autocommit(resources.engine) as connection:
        connection.execute(_MARK, {"board": board, "mark": mark})
    try:
        while time.monotonic() < deadline:
            with ExitStack() as attempt:
                # Looked at inside the snapshot, because the next connection may be to another standby.
                connection = attempt.enter_context(snapshot(resources.replica))
                if connection.execute(_READ_MARK, {"board": board}).scalar_one_or_none() == mark:
                    stack.push(attempt.pop_all())
                    return connection
            time.sleep(MARK_POLL_SECONDS)
        log.warning("no standby has caught up within %.0f s, the board is read from the primary", MARK_SECONDS)
    except DatabaseUnavailableError as error:
        log.warning("no standby answers, the board is read from the primary: %s", error)
    return None


def _load(resources: Resources, keys: BoardKeys, name: str, progress: Progress) -> int | None:
    """Returns the players loaded, or None if another rebuild took over.

    While Redis takes in one chunk, the next is read from PostgreSQL.
    """
    done = 0

    def load(values: Sequence[str]) -> bool:
        return _take_in(resources, keys, name, values)

    with _source(resources, keys.board) as connection, ThreadPoolExecutor(1, "rebuild") as redis:
        total = connection.execute(_COUNT, {"board": keys.board}).scalar_one()
        under_way: Future[bool] | None = None
        for rows in _arguments(connection, keys.board):
            if under_way is not None and not under_way.result():
                return None
            under_way = redis.submit(load, SEPARATOR.join(rows).split(SEPARATOR))
            done += len(rows)
            progress(done, total)
        return done if under_way is None or under_way.result() else None


def _take_in(resources: Resources, keys: BoardKeys, name: str, values: Sequence[str]) -> bool:
    """Put players into the copy, five values for each. Whether this rebuild still counts.

    Raises NoRoomError before Redis is full.
    """
    if _is_nearly_full(resources, keys):
        raise NoRoomError(NO_ROOM)
    users, versions, scores, members, names = (values[part::5] for part in range(5))
    ranked = [part for pair in zip(scores, members, strict=True) if pair[1] for part in pair]
    known = map("|".join, zip(versions, members, names, strict=True))
    players = [part for pair in zip(users, known, strict=True) for part in pair]
    standings_copy, players_copy = keys.copy(name)
    commands: list[tuple[Any, ...]] = [("ZADD", standings_copy, *ranked)] if ranked else []
    commands.append(("HSET", players_copy, *players))
    lasting = (standings_copy, players_copy, keys.new_standings, keys.new_players, keys.rebuilding)
    commands += [("PEXPIRE", key, LIFE_MS) for key in lasting]
    *_, owner = resources.quick.call(*commands, ("GET", keys.rebuilding))
    return bool(owner == name.encode())


def _is_nearly_full(resources: Resources, keys: BoardKeys) -> bool:
    """As Redis itself counts, which leaves out what it buffers for replicas."""
    with translate_outage():
        memory = server_of(resources.redis, keys.standings, "memory")
    used = int(memory["used_memory"]) - int(memory.get("mem_not_counted_for_evict", 0))
    return 0 < int(memory.get("maxmemory", 0)) * (1 - SPARE) < used


def _arguments(connection: Connection, board: str) -> Iterator[list[str]]:
    """Every standing as `script_arguments` would write it, in chunks; but PostgreSQL does.

    A million rows that became objects first would take longer than all the rest.
    """
    driver: Any = connection.connection
    with driver.cursor(name="rebuild") as cursor:
        constants = {"sep": SEPARATOR, "last": LAST_MICROSECOND, "highest": MAX_USER_ID}
        cursor.execute(_ARGUMENTS, {"board": board, **constants})
        while rows := cursor.fetchmany(CHUNK):
            yield [row for (row,) in rows]


def _remember(resources: Resources, board: str, run_id: str) -> None:
    with autocommit(resources.engine) as connection:
        connection.execute(
            text(
                "INSERT INTO boards (name, redis_run_id) VALUES (:board, :run_id) "
                "ON CONFLICT (name) DO UPDATE SET redis_run_id = excluded.redis_run_id"
            ),
            {"board": board, "run_id": run_id},
        )
