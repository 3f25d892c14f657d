"""Round trips per request, counted by the servers themselves: Redis by MONITOR, PostgreSQL by its log of statements."""

from __future__ import annotations

import argparse
import json
import threading
from collections import Counter
from collections.abc import Iterator
from typing import Self

from redis import Redis
from sqlalchemy import text

from bench.ground import ACTION, Ground, completion_body
from bench.load import request, run
from services.leaderboard.rebuild import rebuild

CALLS = 40
END = "bench-end"
NOTE = "Each is a round trip, but for the board's two commands, which travel together; workers are not running."


def measure(own: Ground, arguments: argparse.Namespace) -> str:
    """A table of round trips per request, with warm sessions and a board whose top 10 does not move."""
    del arguments
    players = own.players(CALLS)
    tokens = {user_id: own.access_token(user_id) for user_id in players}
    spendable = own.action_tokens(players, 2)
    rebuild(own.resources, "global")
    body = json.dumps({"actionType": ACTION}).encode()
    completions = iter(
        [request("POST", "/api/actions/complete", token=tokens[u], body=completion_body(t)) for u, t in spendable]
    )
    with own.web("wsgi:app") as (port, _):
        _play(port, completions)
        _raise_ten(own)
        _log_statements(own)
        calls = {
            "complete": completions,
            "request a token": iter(
                [request("POST", "/api/actions/request", token=t, body=body) for t in tokens.values()]
            ),
            "board, cached": iter([request("GET", "/api/leaderboard", token=tokens[players[0]])] * CALLS),
            "me": iter([request("GET", "/api/me", token=tokens[players[0]])] * CALLS),
        }
        _play(port, iter([request("GET", "/api/leaderboard", token=tokens[players[0]])]))
        rows = [_count(own, port, name, requests) for name, requests in calls.items()]
    return "\n".join(
        ["## Per request", "", NOTE, "", "| | PostgreSQL statements | Redis commands |", "|---|---|---|", *rows]
    )


def _play(port: int, requests: Iterator[bytes]) -> None:
    batch = [payload for payload, _ in zip(requests, range(CALLS), strict=False)]
    result = run(port, iter(batch), connections=1, seconds=30)
    if set(result.statuses) != {200}:
        raise RuntimeError(f"the calls failed: {result.statuses}")


def _count(own: Ground, port: int, name: str, requests: Iterator[bytes]) -> str:
    statements = _statements(own)
    with _Monitor(own.redis.url) as monitor:
        _play(port, requests)
    sql = (_statements(own) - statements) / CALLS
    return f"| {name} | {sql:.2f} | {monitor.commands / CALLS:.2f} |"


def _statements(own: Ground) -> int:
    """Statements that PostgreSQL has logged so far; in autocommit each is one round trip."""
    return own.postgres.log_path.read_text(encoding="utf-8", errors="replace").count("duration: ")


def _log_statements(own: Ground) -> None:
    with own.owner.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ALTER SYSTEM SET log_min_duration_statement = 0"))
        connection.execute(text("SELECT pg_reload_conf()"))


def _raise_ten(own: Ground) -> None:
    """Ten players whom nobody reaches, so that a completion does not move the top 10."""
    with own.owner.begin() as connection:
        connection.execute(
            text(
                "UPDATE standings SET score = score + 1000000, version = version + 1 WHERE user_id IN "
                "(SELECT user_id FROM standings ORDER BY user_id LIMIT 10)"
            )
        )
    rebuild(own.resources, "global")


class _Monitor:
    """Counts the commands that clients send while it is open; those inside scripts do not travel."""

    def __init__(self, url: str) -> None:
        self._redis = Redis.from_url(url)
        self.commands = 0
        self.seen: Counter[str] = Counter()

    def __enter__(self) -> Self:
        self._monitor = self._redis.monitor().__enter__()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._redis.echo(END)
        self._thread.join(10)

    def _listen(self) -> None:
        for command in self._monitor.listen():
            if END in command["command"]:
                return
            if command["client_type"] != "lua":
                self.commands += 1
                self.seen[command["command"].split()[0]] += 1
