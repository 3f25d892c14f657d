"""Reading what the servers hold: at the end for the checker, and meanwhile to see how soon all is well again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from config.catalogue import BOARD
from drills.history import Entry, History, Truth
from drills.site import Site
from models.database import DatabaseUnavailableError, autocommit
from services.leaderboard.board import Standing
from services.leaderboard.keys import BoardKeys
from services.leaderboard.standings import top
from services.redis_client import RedisUnavailableError, translate_outage

POLL_SECONDS = 0.03
GIVE_UP_SECONDS, QUIET_SECONDS = 30.0, 15.0
KEYS = BoardKeys(BOARD)


@dataclass(frozen=True)
class Recovery:
    """How long after a fault was over something was as it should be; None: not within `GIVE_UP_SECONDS`."""

    redis: float | None
    sockets: float | None


def read_truth(site: Site, players: Sequence[int], *, everything: bool = True) -> Truth:
    """What the ledger, the standings and Redis say of some players, and what the whole board looks like.

    Without `everything` it leaves out what `fairboard verify` says of the whole site.
    """
    ledger = site.ask(
        "SELECT encode(token_hash, 'hex'), user_id, points, extract(epoch FROM created_at)::float8 "
        "FROM ledger_entries WHERE user_id = ANY(%s) AND kind = 'timed' ORDER BY user_id, seq",
        (list(players),),
    )
    entries = tuple(Entry(str(t), int(str(u)), int(str(p)), float(str(at))) for t, u, p, at in ledger)
    query = "SELECT user_id, score, hidden FROM standings WHERE board = %s AND user_id = ANY(%s)"
    rows = site.ask(query, (BOARD, list(players)))
    scores = {int(str(user)): int(str(score)) for user, score, _ in rows}
    hidden = frozenset(int(str(user)) for user, _, away in rows if away)
    differences = tuple(site.differences()) if everything else ()
    return Truth(entries, scores, _scores_in_redis(site, list(scores)), top_of(site), hidden, differences)


def wait_quiet(site: Site, players: Sequence[int], seconds: float = QUIET_SECONDS) -> bool:
    """Return when nothing is on its way any more: an empty outbox, and the players' places those of PostgreSQL."""

    def quiet() -> bool:
        return _outbox_empty(site) and not missing_in_redis(site, standings(site, players))

    return until(quiet, seconds) is not None


def standings(site: Site, players: Sequence[int]) -> list[Standing]:
    """The players' standings as PostgreSQL has them now."""
    query = "SELECT user_id, score, reached_at, version, hidden FROM standings WHERE board = %s AND user_id = ANY(%s)"
    rows = site.ask(query, (BOARD, list(players)))
    return [Standing(user, "", score, at, version, hidden) for user, score, at, version, hidden in rows]  # type: ignore[arg-type]


def missing_in_redis(site: Site, rows: Sequence[Standing]) -> list[int]:
    """Players whom Redis does not have at least as new as these rows, or does not rank."""
    if not rows:
        return []
    with translate_outage():
        pipeline = site.resources().redis.pipeline(transaction=False)
        pipeline.hmget(KEYS.players, [str(row.user_id) for row in rows])
        pipeline.exists(KEYS.loaded)
        known, loaded = pipeline.execute()
    if not loaded:
        return [row.user_id for row in rows]
    return [
        row.user_id for row, one in zip(rows, known, strict=True) if int((one or b"0").split(b"|")[0]) < row.version
    ]


def watch_recovery(site: Site, players: Sequence[int], history: History, followers: int, begun: float) -> Recovery:
    """How long since `begun` until Redis has what PostgreSQL has now, and until each of the followers was shown it.

    The load goes on meanwhile, so "as new as" is asked: versions and scores only grow.
    """
    wanted, scores = _goal(site, players)
    redis = until(lambda: not missing_in_redis(site, wanted), GIVE_UP_SECONDS, begun)
    sockets = until(lambda: all_shown(history, scores, followers), GIVE_UP_SECONDS, begun)
    return Recovery(redis, sockets)


def _goal(site: Site, players: Sequence[int]) -> tuple[list[Standing], list[int]]:
    """The players' standings and the best ten scores. Connections that a fault took may be free only a moment later."""
    goals = []

    def ask() -> bool:
        goals.append((standings(site, players), [score for _, score in top_of(site)]))
        return True

    if until(ask, GIVE_UP_SECONDS) is None:
        raise TimeoutError("PostgreSQL does not answer the judge")
    return goals[0]


def until(found: Callable[[], bool], seconds: float, begun: float | None = None) -> float | None:
    """The seconds until something is true; None if it was not in time. Outages count as "not yet"."""
    begun = time.monotonic() if begun is None else begun
    while time.monotonic() < begun + seconds:
        with suppress(RedisUnavailableError, DatabaseUnavailableError):
            if found():
                return time.monotonic() - begun
        time.sleep(POLL_SECONDS)
    return None


def _outbox_empty(site: Site) -> bool:
    return site.ask("SELECT count(*) FROM outbox") == [(0,)]


def top_of(site: Site) -> tuple[tuple[int, int], ...]:
    """The first ten of the whole board, as PostgreSQL has them."""
    with autocommit(site.resources().engine) as connection:
        return tuple((row.user_id, row.score) for row in top(connection, BOARD, 10))


def _scores_in_redis(site: Site, players: Sequence[int]) -> dict[int, int]:
    """By the sorted set alone: each player's one member, found by the hash."""
    if not players:
        return {}
    redis = site.resources().redis
    with translate_outage():
        known = redis.hmget(KEYS.players, [str(player) for player in players])
        members = [str(one, "utf-8").split("|")[1] if isinstance(one, bytes) else "-" for one in known]
        scores = redis.zmscore(KEYS.standings, members)
    return {player: int(score) for player, score in zip(players, scores, strict=True) if score is not None}


def all_shown(history: History, scores: Sequence[int], followers: int) -> bool:
    """Whether the last board of so many is at least as new as one with these scores: the k-th best only rises."""
    last = {seen.follower: [score for _, score in seen.rows] for seen in list(history.sightings)}
    return len(last) >= followers and all(_dominates(shown, scores) for shown in last.values())


def _dominates(shown: Sequence[int], wanted: Sequence[int]) -> bool:
    return len(shown) >= len(wanted) and all(a >= b for a, b in zip(shown, wanted, strict=False))


def forget_limits(site: Site, players: Iterable[int]) -> None:
    """Let players ask a last time, whose attempts during an outage have used up their calls."""
    keys = [f"ratelimit:{{{player}}}:complete" for player in players]
    if keys:
        with translate_outage():
            site.resources().redis.delete(*keys)
