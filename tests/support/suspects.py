"""Players whose past is written into PostgreSQL, so that analysts have something to look at."""

from __future__ import annotations

import json
import random
import time
import uuid
from collections.abc import Sequence
from typing import NamedTuple

from tests.support.players import Player
from tests.support.stack import Stack

_PLAY = """
DO $$
DECLARE
    player bigint := {user_id};
    head ledger_heads%ROWTYPE;
    play record;
    at timestamptz;
    token bytea;
    total bigint := 0;
BEGIN
    SELECT * INTO head FROM ledger_heads WHERE user_id = player FOR UPDATE;
    FOR play IN
        SELECT * FROM jsonb_to_recordset('{plays}') AS p(at float8, action text, ms bigint, points bigint) ORDER BY at
    LOOP
        at := to_timestamp(play.at);
        token := sha256(uuid_send(gen_random_uuid()));
        INSERT INTO ledger_entries (user_id, seq, board, action_type, kind, points, token_hash, claimed_ms, elapsed_ms,
                                    created_at, previous_hash, hash)
        VALUES (player, head.seq + 1, 'global', play.action, 'timed', play.points, token, play.ms, play.ms + 400, at,
                head.hash,
                ledger_hash(head.hash, player, head.seq + 1, 'global', play.action, 'timed', play.points, token, NULL,
                            play.ms, play.ms + 400, NULL, at))
        RETURNING hash INTO head.hash;
        head.seq := head.seq + 1;
        total := total + play.points;
    END LOOP;
    UPDATE ledger_heads SET seq = head.seq, hash = head.hash WHERE user_id = player;
    INSERT INTO standings (board, user_id, score, reached_at, version) VALUES ('global', player, total, at, head.seq);
    INSERT INTO anticheat_states (user_id, due_at) VALUES (player, now() + interval '1 hour');
    INSERT INTO outbox (board, user_id) VALUES ('global', player);
END $$
"""


class Play(NamedTuple):
    """A completion of the past: Unix seconds, and what was claimed."""

    at: float
    ms: int
    action: str = "reaction"
    points: int = 100


def write_past(stack: Stack, player: Player, plays: Sequence[Play]) -> list[int]:
    """Completions of a player who has none yet, hashed as the server would have. Gives their entries.

    The detectors look at them in an hour, or when they are asked to. What is due much later they look at at once, for
    it must be the doing of a clock.
    """
    rows = json.dumps([play._asdict() for play in plays])
    stack.ask(_PLAY.format(user_id=player.user_id, plays=rows).replace("%", "%%"))
    found = stack.ask("SELECT id FROM ledger_entries WHERE user_id = %s ORDER BY seq", (player.user_id,))
    return [int(str(row[0])) for row in found]


def look_now(stack: Stack, player: Player) -> None:
    """Let the detectors look at a past that was written."""
    stack.ask("UPDATE anticheat_states SET due_at = now() WHERE user_id = %s", (player.user_id,))


def machine(number: int, *, points: int = 100) -> list[Play]:
    """Somebody who repeats the same eight times, a beat of twenty seconds apart, until just now."""
    times = [4_180, 6_220, 3_940, 8_310, 5_070, 4_660, 7_150, 3_720]
    begun = time.time() - 20 * number - 5
    return [Play(begun + 20 * i + 0.04 * (i % 3), times[i % 8], points=points) for i in range(number)]


def person(number: int, seed: int = 1, *, days: float = 9, points: int = 100) -> list[Play]:
    """Somebody who plays in the evenings, now faster and now slower."""
    chance = random.Random(seed)
    plays: list[Play] = []
    at = time.time() - days * 86_400
    while len(plays) < number:
        at += chance.lognormvariate(3.6, 0.6) if chance.random() > 0.04 else chance.uniform(5, 30) * 3_600
        plays.append(Play(min(at, time.time() - 60), int(chance.lognormvariate(8.6, 0.35)), points=points))
    return plays


class Hint(NamedTuple):
    """A piece of evidence as the detectors would leave it."""

    family: str
    rule: str
    reason: str
    value: float
    threshold: float
    statistic: str
    percentile: float
    severity: str


REPLAY = Hint(
    "C",
    "repeated_times",
    "40 claimed times in a row are exactly those that came before, in the same order.",
    40,
    6,
    "longest run of exact times that came before",
    1e-12,
    "high",
)
STEADY = Hint(
    "A",
    "steady_gaps",
    "The last 30 gaps between completions vary by 0.2 %; of real people, the steadiest varied by 5.2 %.",
    0.0021,
    0.03,
    "coefficient of variation, last 30 gaps",
    1e-9,
    "medium",
)
AWAKE = Hint(
    "D",
    "active_hours",
    "Active in 19 of the last 24 hours; people come to 13 at most.",
    19,
    21,
    "hours with a completion, of the last 24",
    2e-5,
    "low",
)


def accuse(
    stack: Stack, player: Player, hint: Hint, entries: Sequence[int] = (), *, e_value: float | None = None
) -> int:
    """Leave evidence; gives the case. With an e-value it is a finding of the analysis, and the case's version grows."""
    details = {"statistic": hint.statistic, "percentile": hint.percentile, "n": max(len(entries), 30)}
    if e_value is not None:
        details["eValue"] = e_value
    rows = stack.ask(
        "SELECT add_evidence(%s, %s, %s, %s, %s, %s::bigint[], %s, %s, %s, %s)",
        (
            player.user_id,
            hint.rule,
            hint.reason,
            hint.value,
            hint.threshold,
            list(entries),
            json.dumps(details),
            uuid.uuid4().hex,
            hint.family,
            hint.severity,
        ),
    )
    return int(str(rows[0][0]))
