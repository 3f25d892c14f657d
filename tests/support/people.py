"""Players as the services see them, made without HTTP, and what they do."""

from __future__ import annotations

import hashlib
import itertools
import random
import secrets
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from argon2 import PasswordHasher
from sqlalchemy import text

from config.catalogue import BOARD, TimedAction
from models.database import autocommit
from services import action_tokens, proofs, scoring
from services.accounts import username_key
from services.anticheat.events import Event
from services.leaderboard.board import Placement, Standing, place
from services.leaderboard.keys import MAX_USER_ID, BoardKeys
from services.leaderboard.standings import of_players, top
from services.resources import Resources
from services.scoring import Completion
from services.sessions import Player

PASSWORD = "a passphrase that is long enough"
CHEAP_HASH = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
_numbers = itertools.count(1)

_JOIN = text("""
    WITH u AS (
        INSERT INTO users (username, username_key, password_hash, role)
        VALUES (:username, :key, :hash, :role) RETURNING id
    ), head AS (INSERT INTO ledger_heads (user_id) SELECT id FROM u), session AS (
        INSERT INTO sessions (id, user_id, refresh_id, expires_at)
        SELECT :session_id, id, :refresh_id, now() + interval '1 day' FROM u
    ) SELECT id FROM u
""")

_PLAYED = """
    WITH head AS (SELECT seq FROM ledger_heads WHERE user_id = :id), entries AS (
        INSERT INTO ledger_entries (user_id, seq, board, action_type, kind, points, token_hash, claimed_ms, elapsed_ms,
                                    created_at, previous_hash, hash)
        SELECT :id, head.seq + n, 'global', action, 'timed', 1, sha256(uuid_send(gen_random_uuid())), claimed, elapsed,
               to_timestamp(at), '', ''
        FROM head, unnest(CAST(:actions AS text[]), CAST(:at AS float8[]), CAST(:claimed AS bigint[]),
                          CAST(:elapsed AS bigint[])) WITH ORDINALITY AS played (action, at, claimed, elapsed, n)
        RETURNING seq
    ), standing AS (
        INSERT INTO standings AS s (board, user_id, score, reached_at, version)
        SELECT 'global', :id, count(*), now(), 1 FROM entries
        ON CONFLICT (board, user_id) DO UPDATE SET score = s.score + excluded.score, version = s.version + 1
    ), box AS (INSERT INTO outbox (board, user_id) VALUES ('global', :id))
    UPDATE ledger_heads SET seq = (SELECT max(seq) FROM entries) WHERE user_id = :id
"""


@dataclass(frozen=True)
class People:
    """Makes players and lets them play, through the services of one bundle of resources."""

    resources: Resources

    def join(self, username: str | None = None, role: str = "player") -> Player:
        """A player with a session. The name is taken as it is, without the checks of a registration."""
        name, session_id = username or f"player {next(_numbers)}", uuid.uuid4()
        parameters = {
            "username": name,
            "key": username_key(name),
            "hash": CHEAP_HASH,
            "role": role,
            "session_id": session_id,
            "refresh_id": uuid.uuid4(),
        }
        with autocommit(self.resources.engine) as connection:
            user_id = connection.execute(_JOIN, parameters).scalar_one()
        return Player(user_id, session_id, name, role, "active")

    def several(self, number: int) -> list[Player]:
        """Players in the order of their ids."""
        return [self.join() for _ in range(number)]

    def token(self, player: Player, action_type: str = "reaction", *, age_ms: int = 60_000) -> str:
        """An action token that was issued a while ago."""
        action = self.resources.catalogue[action_type]
        assert isinstance(action, TimedAction)
        token = action_tokens.issue(self.resources, player.user_id, action).token
        self.age(token, age_ms)
        return token

    def age(self, token: str, age_ms: int) -> None:
        """Let time pass for a token."""
        self.execute(
            "UPDATE action_tokens SET issued_at = issued_at - :age, expires_at = expires_at - :age WHERE hash = :hash",
            age=timedelta(milliseconds=age_ms),
            hash=hashlib.sha256(token.encode()).digest(),
        )

    def spend(self, player: Player, token: str, ms: int = 5_000, **changes: Any) -> Completion:
        """Complete with a token; the checksum is right if none is given."""
        data = changes.get("data", {})
        return scoring.complete_timed(
            self.resources,
            player,
            action_token=token,
            completion_time=ms,
            checksum=changes.get("checksum") or proofs.checksum(token, ms, data),
            data=data,
        )

    def complete(self, player: Player, action_type: str = "reaction", ms: int = 5_000) -> Completion:
        """A timed action from its request to its points."""
        return self.spend(player, self.token(player, action_type), ms)

    def earn(self, player: Player, points: int) -> None:
        """Points in the ledger that Redis has not heard of: as after a crash between commit and placement."""
        self.execute(
            "SELECT append_entry(:id, :board, :action, 'once', :points, NULL, NULL, NULL, NULL, '{}')",
            id=player.user_id,
            action=f"bonus_{secrets.token_hex(8)}",
            board=BOARD,
            points=points,
        )

    def have_played(self, player: Player, events: Iterable[Event]) -> None:
        """Completions in the ledger as if they had happened then, with hashes that only `verify` looks at."""
        rows = [
            (event.action_type, event.submitted_at, event.claimed_ms, event.submitted_at - (event.issued_at or 0.0))
            for event in events
        ]
        actions, at, claimed, elapsed = zip(*rows, strict=True)
        self.execute(
            _PLAYED,
            id=player.user_id,
            actions=list(actions),
            at=list(at),
            claimed=list(claimed),
            elapsed=[int(seconds * 1_000) for seconds in elapsed],
        )

    def place(self, *players: Player) -> Placement:
        """Tell Redis where PostgreSQL has these players."""
        with autocommit(self.resources.engine) as connection:
            rows = of_players(connection, BOARD, [player.user_id for player in players])
        return place(self.resources, BOARD, rows)

    def suspect(
        self, player: Player, *entries: int, rule: str = "test_rule", family: str = "G", severity: str = "low"
    ) -> int:
        """Evidence that names entries of the player's ledger, and a flag as at the door; gives the case."""
        rows = self.execute(
            "SELECT add_evidence(:id, :rule, 'Looks odd.', 1, 2, :entries, '{}', :fingerprint, :family, :severity)",
            id=player.user_id,
            rule=rule,
            family=family,
            severity=severity,
            entries=list(entries),
            fingerprint=uuid.uuid4().hex,
        )
        self.execute("UPDATE users SET status = 'flagged' WHERE id = :id AND status = 'active'", id=player.user_id)
        return int(rows[0][0])

    def hide(self, player: Player, *, hidden: bool) -> None:
        """Suspend a player, or take that back, without telling Redis."""
        status = "suspended" if hidden else "active"
        self.execute("UPDATE users SET status = :status WHERE id = :id", status=status, id=player.user_id)
        self.execute("SELECT set_hidden(:id, :hidden)", id=player.user_id, hidden=hidden)

    def entries(self, player: Player) -> list[int]:
        """The ids of a player's ledger entries, the oldest first."""
        return [
            row[0]
            for row in self.execute("SELECT id FROM ledger_entries WHERE user_id = :id ORDER BY seq", id=player.user_id)
        ]

    def standing(self, player: Player) -> Standing:
        """What PostgreSQL says of a player."""
        with autocommit(self.resources.engine) as connection:
            return of_players(connection, BOARD, [player.user_id])[0]

    def status(self, player: Player) -> str:
        """The status of the account."""
        return str(self.execute("SELECT status FROM users WHERE id = :id", id=player.user_id)[0][0])

    def top(self, limit: int = 10) -> list[tuple[int, int]]:
        """User ids and scores in PostgreSQL's order."""
        with autocommit(self.resources.engine) as connection:
            return [(row.user_id, row.score) for row in top(connection, BOARD, limit)]

    def execute(self, statement: str, **parameters: object) -> list[Any]:
        """A statement under the application's role."""
        with autocommit(self.resources.engine) as connection:
            result = connection.execute(text(statement), parameters)
            return list(result) if result.returns_rows else []


def steady(start: float, number: int) -> list[Event]:
    """Somebody about as steady as the steadiest people."""
    rng, at, events = random.Random(1), start, []
    for n in range(number):
        at += 30 * rng.gauss(1, 0.065)
        claim = min(rng.lognormvariate(2.0, 0.4), 20.0)
        events.append(Event(n, "puzzle", at - claim - 0.2, at, round(claim * 1_000)))
    return events


def user_id_of(name: str) -> int:
    """The player that a member of the sorted set stands for."""
    return MAX_USER_ID - int(name.rpartition(":")[2])


def ranking(resources: Resources) -> list[tuple[int, int]]:
    """User ids and scores in the order of Redis."""
    rows: Any = resources.redis.zrevrange(BoardKeys(BOARD).standings, 0, -1, withscores=True)
    return [(user_id_of(name.decode()), int(score)) for name, score in rows]


def a_standing(
    user_id: int, score: int, *, micros: int = 0, version: int = 1, name: str = "", hidden: bool = False
) -> Standing:
    """A standing out of thin air, reached `micros` after the epoch of these tests."""
    return Standing(user_id, name or f"user {user_id}", score, EPOCH + timedelta(microseconds=micros), version, hidden)
