"""From end to end: completions over HTTP, the queue, the channel, and every socket."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import text

from bench.ground import Ground, completion_body
from bench.live.contestants import fairboard_script
from bench.live.crowd import Broadcast, Counts, crowd
from bench.live.meter import clock_offset
from bench.live.probe import percentile
from bench.load import Result, request, run
from config.catalogue import BOARD
from services.leaderboard.keys import BoardKeys
from services.leaderboard.rebuild import rebuild

PLAYERS, TURNS, POINTS = 90, 10, 100
"""Fewer players than points of an action: whoever has the least then passes all others. Limits allow so many turns."""
STEP = 1_000
"""More than anybody earns here, so that players who come later begin above all who came before."""
RATE, CONNECTIONS = 50.0, 8
REST_SECONDS = 3.0


@dataclass(frozen=True)
class Chain:
    """What was seen. Times in seconds."""

    sockets: int
    completions: int
    per_second: float
    statuses: dict[int, int]
    p50: float
    p99: float
    last_p99: float
    """To the last client, over completions."""
    frames: int
    versions: int
    skipped: int
    behind: int
    """Clients that did not end on the newest version."""
    missed: int
    """Completions that no frame ever showed."""
    doubled: int
    closed: int
    client_share: float


def measure(own: Ground, tokens: Sequence[str], program: Path, turns: int = TURNS, *, apart: bool = False) -> Chain:
    """Play at a steady rate, each completion changing the order of the top 10, before all these sockets.

    One web process has both the completions and the sockets, or they have one each.
    """
    players = own.players(PLAYERS)
    requests = _requests(own, players, turns)
    _line_up(own, players)
    with ExitStack() as stack:
        port, _ = stack.enter_context(own.web("wsgi:app"))
        live, _ = stack.enter_context(own.web("wsgi:app")) if apart else (port, None)
        stack.enter_context(own.workers())
        clients = stack.enter_context(crowd(program, live, fairboard_script(tokens)))
        opened = clients.opened()
        _play(port, requests[:PLAYERS])  # A turn to get warm.
        base = _rest(own)
        clients.begin(base)
        played = _play(port, requests[PLAYERS:])
        newest = _rest(own)
        counts = clients.report()
    return _judge(own, players, opened.joined, played, counts, newest - base)


def _requests(own: Ground, players: range, turns: int) -> list[bytes]:
    """Turn by turn, in each the player with the least points first."""
    bearers = {user: own.access_token(user) for user in players}
    return [
        request("POST", "/api/actions/complete", token=bearers[user], body=completion_body(token))
        for user, token in own.action_tokens(players, turns)
    ]


def _line_up(own: Ground, players: range) -> None:
    """Each player a point above the one before."""
    query = (
        "INSERT INTO standings (board, user_id, score, reached_at, version) "
        "SELECT 'global', id, :start + id, now(), 1 FROM unnest(CAST(:ids AS bigint[])) id"
    )
    with own.owner.begin() as connection:
        connection.execute(text(query), {"start": players[0] * STEP, "ids": list(players)})
    rebuild(own.resources, BOARD)


def _play(port: int, requests: list[bytes]) -> Result:
    seconds = len(requests) / RATE + 1
    return run(port, iter(requests), connections=CONNECTIONS, seconds=seconds, rate=RATE)


def _rest(own: Ground) -> int:
    """Wait until nothing is under way. The version that was published last."""
    time.sleep(REST_SECONDS)
    return int(own.resources.redis.hget(BoardKeys(BOARD).published, "version") or 0)


def _judge(own: Ground, players: range, sockets: int, played: Result, counts: Counts, versions: int) -> Chain:
    shown = _first_shown(counts.broadcasts)
    times, last, missed = [], [], 0
    offset, commits = clock_offset(), _commits(own, players)
    for user, score, at in commits:
        version = shown.find(user, score)
        if version is None:
            missed += 1
            continue
        seen = [version.first + late + offset - at for late in version.late]
        times += seen
        last.append(seen[-1])
    newest_everywhere = counts.broadcasts[-1].clients if counts.broadcasts else 0
    return Chain(
        sockets=sockets,
        completions=len(played.latencies),
        per_second=(len(commits) - 1) / (max(at for *_, at in commits) - min(at for *_, at in commits)),
        statuses=dict(played.statuses),
        p50=percentile(times, 0.5),
        p99=percentile(times, 0.99),
        last_p99=percentile(last, 0.99),
        frames=counts.frames,
        versions=versions,
        skipped=counts.skipped,
        behind=sockets - newest_everywhere,
        missed=missed,
        doubled=counts.doubled,
        closed=counts.closed,
        client_share=counts.cpu / counts.seconds,
    )


def _commits(own: Ground, players: range) -> list[tuple[int, int, float]]:
    """Player, score and time of each completion but those of the first turn. The time is that of its statement."""
    query = (
        "SELECT user_id, sum(points) OVER (PARTITION BY user_id ORDER BY seq), extract(epoch FROM created_at)::float8, "
        "row_number() OVER (PARTITION BY user_id ORDER BY seq) FROM ledger_entries WHERE user_id = ANY(:players)"
    )
    with own.owner.connect() as connection:
        rows = connection.execute(text(query), {"players": list(players)}).all()
    return [(user, players[0] * STEP + user + int(points), at) for user, points, at, turn in rows if turn > 1]


@dataclass(frozen=True)
class _Shown:
    """Boards in the order of their versions, and the first of them that shows a player's score."""

    boards: list[tuple[int, Broadcast]]
    """The lowest score of each."""
    first: dict[tuple[int, int], Broadcast]

    def find(self, user: int, score: int) -> Broadcast | None:
        """The first board that shows this, or from which better ones had pushed it out before it was sent."""
        exact = self.first.get((user, score))
        return exact or next((each for lowest, each in self.boards if lowest > score), None)


def _first_shown(broadcasts: Sequence[Broadcast]) -> _Shown:
    shown = _Shown([], {})
    for each in broadcasts:
        if each.text:
            rows = json.loads(each.text)["data"]["leaderboard"]
            shown.boards.append((min(row["score"] for row in rows), each))
            for row in rows:
                shown.first.setdefault((row["userId"], row["score"]), each)
    return shown
