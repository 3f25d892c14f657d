"""Rebuilding the board in Redis from PostgreSQL, while both are in use.

A copy is filled from one snapshot while every placement goes to the copy as well (lua/place.lua), and then takes the
board's place in one step. Versions decide wherever the two meet, so the order does not matter.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Iterator, Sequence
from itertools import islice

from sqlalchemy import Connection, text

from models.database import autocommit, snapshot
from services.leaderboard.board import Standing, script_arguments
from services.leaderboard.keys import BoardKeys
from services.redis_client import translate_outage
from services.resources import Resources

log = logging.getLogger(__name__)

CHUNK = 2_000
"""Players in one script call: some 5 ms in which Redis does nothing else."""
LIFE_MS = 60_000
Progress = Callable[[int, int], None]
"""Called with the players done and their number."""


def rebuild(resources: Resources, board: str, progress: Progress = lambda done, total: None) -> int | None:
    """Fill the board in Redis from PostgreSQL. Returns the players loaded, or None if another rebuild took over.

    Raises RedisUnavailableError or DatabaseUnavailableError; the old board then stays as it was.
    """
    keys, name = BoardKeys(board), secrets.token_hex(8)
    run_id = redis_run_id(resources)
    with translate_outage():
        # First the name: else a rebuild about to finish would find its copy gone and put nothing in the board's place.
        resources.redis.set(keys.rebuilding, name, px=LIFE_MS)
        resources.redis.unlink(keys.new_standings, keys.new_players)
    done = _load(resources, keys, name, progress)
    finish = (
        keys.standings,
        keys.players,
        keys.top10,
        keys.generation,
        keys.loaded,
        keys.rebuilding,
        keys.new_standings,
        keys.new_players,
    )
    if done is None or not resources.finish_rebuild_script(finish, [name]):
        return None
    _remember(resources, board, run_id)
    log.info("rebuilt board %s: %d players", board, done)
    return done


def is_current(resources: Resources, board: str) -> bool:
    """Whether the board in Redis is complete, and Redis is the process that it was loaded into.

    A flush takes the mark away; a restart, a restored file or a failover changes the run id.
    """
    with translate_outage():
        loaded = resources.redis.exists(BoardKeys(board).loaded)
    with autocommit(resources.engine) as connection:
        known = connection.execute(
            text("SELECT redis_run_id FROM boards WHERE name = :board"), {"board": board}
        ).scalar_one_or_none()
    return bool(loaded) and known == redis_run_id(resources)


def redis_run_id(resources: Resources) -> str:
    """The id of the Redis server process that answers."""
    with translate_outage():
        return str(resources.redis.info("server")["run_id"])


def _load(resources: Resources, keys: BoardKeys, name: str, progress: Progress) -> int | None:
    """Returns the players loaded, or None if another rebuild took over."""
    done = 0
    with snapshot(resources.engine) as connection:
        total = connection.execute(
            text("SELECT count(*) FROM standings WHERE board = :board"), {"board": keys.board}
        ).scalar_one()
        for chunk in chunks(all_standings(connection, keys.board), CHUNK):
            script_keys = (keys.new_standings, keys.new_players, keys.rebuilding)
            if not resources.load_script(script_keys, [name, LIFE_MS, *script_arguments(chunk)]):
                return None
            done += len(chunk)
            progress(done, total)
    return done


def all_standings(connection: Connection, board: str) -> Iterator[Standing]:
    """Every standing of a board in the order of user ids, streamed."""
    query = text(
        "SELECT s.user_id, u.username, s.score, s.reached_at, s.version, s.hidden "
        "FROM standings s JOIN users u ON u.id = s.user_id WHERE s.board = :board ORDER BY s.user_id"
    )
    rows = connection.execution_options(yield_per=CHUNK).execute(query, {"board": board})
    return (Standing(*row) for row in rows)


def chunks(rows: Iterator[Standing], size: int) -> Iterator[Sequence[Standing]]:
    """Rows in lists of at most `size`."""
    while chunk := list(islice(rows, size)):
        yield chunk


def _remember(resources: Resources, board: str, run_id: str) -> None:
    with autocommit(resources.engine) as connection:
        connection.execute(
            text(
                "INSERT INTO boards (name, redis_run_id) VALUES (:board, :run_id) "
                "ON CONFLICT (name) DO UPDATE SET redis_run_id = excluded.redis_run_id"
            ),
            {"board": board, "run_id": run_id},
        )
