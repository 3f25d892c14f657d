"""The players of a drill: written into PostgreSQL, because hashing thousands of passwords would be all the load."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from config.settings import Settings
from tests.support.tokens import access_token

LIFE_SECONDS = 7_200
Ask = Callable[..., list[tuple[object, ...]]]
"""Asks PostgreSQL something, or changes it, as its owner."""

_JOIN = """
    WITH u AS (
        INSERT INTO users (username, username_key, password_hash)
        SELECT n, n, '!' FROM unnest(%s::text[]) AS n RETURNING id
    ), heads AS (INSERT INTO ledger_heads (user_id) SELECT id FROM u)
    INSERT INTO sessions (id, user_id, refresh_id, expires_at)
    SELECT gen_random_uuid(), id, gen_random_uuid(), now() + interval '1 day' FROM u RETURNING user_id, id::text
"""


@dataclass(frozen=True, slots=True)
class Person:
    """A player with a session."""

    user_id: int
    access: str


def join(ask: Ask, settings: Settings, size: int) -> list[Person]:
    """So many new players."""
    rows = ask(_JOIN, ([f"d-{secrets.token_hex(8)}" for _ in range(size)],))
    return [
        Person(int(str(user)), access_token(settings, int(str(user)), str(session), life=LIFE_SECONDS))
        for user, session in rows
    ]


def retire(ask: Ask, players: Sequence[int]) -> None:
    """Take players off the board, so that those of the next drill can reach its top."""
    ask("UPDATE users SET status = 'suspended' WHERE id = ANY(%s)", (list(players),))
    ask("SELECT set_hidden(id, true) FROM users WHERE id = ANY(%s)", (list(players),))
