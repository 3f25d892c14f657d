"""One token spent by two processes at the same moment, and one limit met by both, again and again."""

from __future__ import annotations

import hashlib
import uuid
from collections import Counter
from typing import Any

from sqlalchemy import text

from config.settings import Settings
from models.database import autocommit
from services import rate_limits, scoring
from services.errors import FairboardError, RateLimitExceeded
from services.proofs import checksum
from services.resources import Resources
from services.sessions import Player
from tests.attacks.outcome import Clock, Outcome
from tests.attacks.together import Pair
from tests.support.tokens import seal

PER_PLAYER = 9
"""Tokens of one player: what the limits of a minute allow, so that the ceiling on points is not met."""
BATCH = 2_000
CALLS = 8
"""Of each process in a burst: together more than the ten that a minute allows."""
CLAIM = 1_500
POINTS = 100

_PLAYERS = text("""
    WITH u AS (
        INSERT INTO users (username, username_key, password_hash)
        SELECT n, n, '!' FROM unnest(CAST(:names AS text[])) AS n RETURNING id, username
    ), heads AS (INSERT INTO ledger_heads (user_id) SELECT id FROM u)
    INSERT INTO sessions (id, user_id, refresh_id, expires_at)
    SELECT gen_random_uuid(), id, gen_random_uuid(), now() + interval '1 day' FROM u
    RETURNING user_id, id, (SELECT username FROM u WHERE u.id = user_id)
""")
_TOKENS = text("""
    INSERT INTO action_tokens (hash, user_id, action_type, issued_at, expires_at)
    SELECT h, u, 'reaction', now() - interval '1 minute', now() + interval '1 day'
    FROM unnest(CAST(:hashes AS bytea[]), CAST(:users AS bigint[])) AS t (h, u)
""")
_PAID = text("""
    SELECT count(*), count(DISTINCT token_hash), coalesce(sum(points), 0),
           (SELECT coalesce(sum(score), 0) FROM standings WHERE user_id = ANY (:users))
    FROM ledger_entries WHERE user_id = ANY (:users)
""")


def replays(settings: Settings, resources: Resources, tries: int) -> Outcome:
    """So many tokens, each spent by two processes at once: it pays one of them, and the ledger says the same."""
    clock, outcomes, users = Clock(), Counter[str](), list[int]()
    with Pair(settings) as pair:
        for start in range(0, tries, BATCH):
            items = _tokens(resources, min(BATCH, tries - start))
            users += {player.user_id for player, _ in items}
            outcomes.update(" and ".join(sorted(both)) for both in pair.each(spend, items))
    with autocommit(resources.engine) as connection:
        paid, tokens, points, scores = connection.execute(_PAID, {"users": users}).one()
    held = outcomes == {"OK and TOKEN_ALREADY_USED": tries} and paid == tokens == tries
    held = held and points == scores == tries * POINTS
    found = f"{paid:,} entries for {tokens:,} tokens, {points:,} points in the ledger and {scores:,} in the standings; "
    found += ", ".join(f"{what}: {count:,}" for what, count in outcomes.items())
    return Outcome("one token spent in two processes at once", tries, "none pays twice", found, held, clock.seconds)


def bursts(settings: Settings, resources: Resources, tries: int) -> Outcome:
    """So many players, each calling sixteen times at once from two processes: ten are let in."""
    clock, let_in = Clock(), Counter[int]()
    with Pair(settings) as pair:
        for start in range(0, tries, BATCH):
            players = _players(resources, min(BATCH, tries - start))
            let_in.update(first + second for first, second in pair.each(knock, players))
    found = f"let in of {2 * CALLS} calls: " + ", ".join(f"{n} in {count:,} bursts" for n, count in let_in.items())
    return Outcome(
        "bursts against the limits from two processes",
        tries,
        "10 let in",
        found,
        let_in == {10: tries},
        clock.seconds,
    )


def spend(resources: Resources, item: tuple[Player, str]) -> str:
    """Complete with a token: `OK`, or the code of the refusal."""
    player, token = item
    proof = checksum(token, CLAIM, {})
    try:
        scoring.complete_timed(resources, player, action_token=token, completion_time=CLAIM, checksum=proof, data={})
    except FairboardError as error:
        return error.code
    return "OK"


def knock(resources: Resources, player: Player) -> int:
    """Some calls in a row; how many were let in."""
    let_in = 0  # Any other refusal ends the run.
    for _ in range(CALLS):
        try:
            rate_limits.admit(resources, player.user_id, player.session_id, "complete")
        except RateLimitExceeded:
            continue
        let_in += 1
    return let_in


def _players(resources: Resources, count: int) -> list[Player]:
    names = [f"r-{uuid.uuid4().hex[:24]}" for _ in range(count)]
    with autocommit(resources.engine) as connection:
        rows: Any = connection.execute(_PLAYERS, {"names": names}).all()
    return [Player(user, uuid.UUID(str(session)), name, "player", "active") for user, session, name in rows]


def _tokens(resources: Resources, count: int) -> list[tuple[Player, str]]:
    players = _players(resources, -(-count // PER_PLAYER))
    items = [(player, seal(resources, player.user_id, "reaction")) for player in players for _ in range(PER_PLAYER)]
    items = items[:count]
    hashes = [hashlib.sha256(token.encode()).digest() for _, token in items]
    with autocommit(resources.engine) as connection:
        connection.execute(_TOKENS, {"hashes": hashes, "users": [player.user_id for player, _ in items]})
    return items
