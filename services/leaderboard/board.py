"""Placing players on the board in Redis, and publishing its top 10."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from config.cause import cause
from services.leaderboard.keys import MAX_USER_ID, BoardKeys, member
from services.redis_client import RedisUnavailableError
from services.resources import Resources

TOP = 10
CACHE_SECONDS = 5
DOORBELL_MS = 1_000
"""How long a lost doorbell stays silent; after that the next change rings it again."""
SCORE_FRAME_MS = 1_000
"""Least time between frames in which only scores changed."""


class Standing(NamedTuple):
    """A player's place as PostgreSQL has it."""

    user_id: int
    username: str
    score: int
    reached_at: datetime
    version: int
    hidden: bool = False

    @property
    def ranked(self) -> bool:
        """Whether the player is on the board at all."""
        return self.score > 0 and not self.hidden


@dataclass(frozen=True)
class Placement:
    """What became of a placement. `rank` is None when Redis cannot tell; `ring`: a recomputation is to be asked for."""

    rank: int | None
    moved: bool
    ring: bool


@dataclass(frozen=True)
class Publication:
    """What became of a recomputation. `retry_ms` is set when this caller is to schedule the next one."""

    outcome: str
    version: int
    retry_ms: int | None


def compact_json(value: object) -> str:
    """JSON as it is written everywhere on the board: no spaces, letters as they are."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def rfc3339(moment: datetime) -> str:
    """A moment in UTC with milliseconds, as clients see it."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def script_arguments(standings: Sequence[Standing]) -> list[str | int]:
    """Five arguments per player, as place.lua takes them."""
    arguments: list[str | int] = []
    for row in standings:
        name = member(row.user_id, row.reached_at) if row.ranked else ""
        arguments += (row.user_id, row.version, row.score, name, compact_json(row.username))
    return arguments


def place(resources: Resources, board: str, standings: Sequence[Standing]) -> Placement:
    """Put players where PostgreSQL has them. The rank is that of the last one, or would be if they were not held.

    Raises RedisUnavailableError.
    """
    keys, last = BoardKeys(board), standings[-1] if standings else None
    held = member(last.user_id, last.reached_at) if last and last.hidden and last.score > 0 else ""
    loaded, moved, ring, rank = resources.place_script(
        (
            keys.standings,
            keys.players,
            keys.top10,
            keys.generation,
            keys.loaded,
            keys.doorbell,
            keys.rebuilding,
            keys.new_standings,
            keys.new_players,
        ),
        [DOORBELL_MS, held, *script_arguments(standings)],
    )
    return Placement(rank if loaded and rank else None, bool(moved), bool(ring))


def rank_by_redis(resources: Resources, board: str, *, user_id: int, score: int, reached_at: datetime) -> int | None:
    """The rank of a standing, in logarithmic time. None if Redis is away, incomplete, or has the player elsewhere."""
    keys, name = BoardKeys(board), member(user_id, reached_at)
    try:
        loaded, known, place = resources.quick.call(
            ("EXISTS", keys.loaded), ("ZSCORE", keys.standings, name), ("ZREVRANK", keys.standings, name)
        )
    except RedisUnavailableError:
        return None
    # On a cluster these are three round trips, between which the player may move.
    here = loaded and place is not None and known is not None and int(known) == score
    return int(place) + 1 if here else None


def rank_if_shown(resources: Resources, board: str, standing: Standing) -> int | None:
    """The rank that a held player would have, in logarithmic time. None if Redis is away or incomplete."""
    # No version is older than 0, so nobody is placed, and no change of the top 10 is noticed here and told to nobody.
    with suppress(RedisUnavailableError):
        return place(resources, board, [standing._replace(version=0, hidden=True)]).rank
    return None


def publish(resources: Resources, board: str) -> Publication:
    """Publish the top 10 if it is not what was last published. Raises RedisUnavailableError."""
    keys, now = BoardKeys(board), datetime.now(UTC)
    outcome, number, *schedule = resources.publish_script(
        (
            keys.standings,
            keys.players,
            keys.top10,
            keys.published,
            keys.loaded,
            keys.doorbell,
            keys.deferred,
            keys.updates,
            keys.causes,
        ),
        [rfc3339(now), int(now.timestamp() * 1000), SCORE_FRAME_MS, CACHE_SECONDS, MAX_USER_ID, cause.get().written()],
    )
    if outcome == b"later":
        return Publication("later", 0, int(number) if schedule[0] else None)
    return Publication(outcome.decode(), int(number), None)


def publish_above(resources: Resources, board: str, version: int) -> bool:
    """Publish anew above a version that clients have seen, if Redis counts below it. Whether it did.

    Redis that has lost its memory counts from the clock of a worker, which may have been set back. Raises
    RedisUnavailableError.
    """
    keys = BoardKeys(board)
    lifted = bool(resources.lift_version_script((keys.published, keys.top10), [version]))
    if lifted:
        publish(resources, board)
    return lifted
