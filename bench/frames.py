"""From commit to frame: completions that change the order of the top 10, under half of what one worker can take."""

from __future__ import annotations

import argparse
import itertools
import json
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

from sqlalchemy import text
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from bench.ground import Ground, completion_body
from bench.load import Result, request, run
from services.leaderboard.rebuild import rebuild

PROBES, ROUNDS = 10, 8
LOAD_CONNECTIONS = 16
CROWD = 1_500


def measure(own: Ground, arguments: argparse.Namespace) -> str:
    """p50 and p99 of the time from a commit in PostgreSQL to the frame at a client."""
    del arguments
    probes, crowd = own.players(PROBES), own.players(CROWD)
    probe_tokens = own.action_tokens(probes, ROUNDS + 1)
    spendable = own.action_tokens(crowd, 8)
    tokens = {user_id: own.access_token(user_id) for user_id in (*probes, *crowd)}
    requests = {user: [completion_body(token) for owner, token in probe_tokens if owner == user] for user in probes}
    load = iter(
        [request("POST", "/api/actions/complete", token=tokens[u], body=completion_body(t)) for u, t in spendable]
    )
    rebuild(own.resources, "global")
    _lift(own, probes)
    with own.web("wsgi:app") as (port, _), own.workers():
        run(port, itertools.islice(load, CROWD), connections=LOAD_CONNECTIONS, seconds=60)  # Sessions get warm.
        full = run(port, load, connections=LOAD_CONNECTIONS, seconds=4)
        frames = _Frames(f"ws://127.0.0.1:{port}/ws", tokens[probes[0]])
        background = _Background(port, load, full.per_second / 2)
        for number in range(ROUNDS):
            # The last of the board first, who passes all the others.
            for user in list(probes if number % 2 else reversed(probes)):
                _play(port, request("POST", "/api/actions/complete", token=tokens[user], body=requests[user][number]))
                frames.wait_for(user, (number + 1) * 100)
        half = background.stop()
    return _report(own, probes, frames, half)


def _report(own: Ground, probes: range, frames: _Frames, half: Result) -> str:
    query = text(
        "SELECT user_id, sum(points) OVER (PARTITION BY user_id ORDER BY seq), extract(epoch FROM created_at)::float8 "
        "FROM ledger_entries WHERE user_id = ANY(:probes)"
    )
    with own.owner.connect() as connection:
        commits = {(user, int(score)): at for user, score, at in connection.execute(query, {"probes": list(probes)})}
    # Who ends a round was next already: that changes scores alone, which may wait for a second.
    unmoved = {(probes[0 if number % 2 == 0 else -1], (number + 1) * 100) for number in range(ROUNDS)}
    late = sorted(frames.seen[key] - at for key, at in commits.items() if key in frames.seen and key not in unmoved)
    p50, p99 = (late[min(len(late) - 1, int(share * len(late)))] * 1000 for share in (0.5, 0.99))
    load = f"at half load, {half.per_second:,.0f} completions a second"
    intro = f"{len(late)} changes of the order, {load}."
    return "\n".join(
        [
            "## From commit to frame",
            "",
            intro,
            "",
            "| p50, ms | p99, ms | most, ms |",
            "|---|---|---|",
            f"| {p50:.0f} | {p99:.0f} | {late[-1] * 1000:.0f} |",
        ]
    )


def _play(port: int, payload: bytes) -> None:
    result = run(port, iter([payload]), connections=1, seconds=10)
    if set(result.statuses) != {200}:
        raise RuntimeError(f"a probe failed: {result.statuses}")


def _lift(own: Ground, probes: range) -> None:
    """Put the probes where the crowd cannot reach them: each completion of theirs then changes the order."""
    with own.owner.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO standings (board, user_id, score, reached_at, version) "
                "SELECT 'global', id, 1000000, now(), 1 FROM unnest(CAST(:ids AS bigint[])) id"
            ),
            {"ids": list(probes)},
        )
    rebuild(own.resources, "global")


class _Frames:
    """A socket that notes when it first saw which score."""

    def __init__(self, url: str, token: str) -> None:
        self.seen: dict[tuple[int, int], float] = {}
        self._changed = threading.Condition()
        self._ready = threading.Event()
        threading.Thread(target=self._listen, args=(url, token), daemon=True).start()
        self._ready.wait(10)

    def _listen(self, url: str, token: str) -> None:
        with (
            suppress(ConnectionClosed),
            connect(url, additional_headers={"Authorization": f"Bearer {token}"}) as socket,
        ):
            socket.send(json.dumps({"event": "join", "data": {"room": "leaderboard"}}))
            for raw in socket:
                now, message = time.time(), json.loads(raw)
                self._ready.set()
                with self._changed:
                    for row in message["data"].get("leaderboard", ()):
                        self.seen.setdefault((row["userId"], row["score"] - 1_000_000), now)
                    self._changed.notify_all()

    def wait_for(self, user_id: int, score: int) -> None:
        with self._changed:
            self._changed.wait_for(lambda: (user_id, score) in self.seen, timeout=5)


class _Background:
    """Completions at a steady rate, until it is stopped."""

    def __init__(self, port: int, requests: Iterator[bytes], rate: float) -> None:
        self._stop = threading.Event()
        self._result = Result()
        self._thread = threading.Thread(target=self._run, args=(port, requests, rate), daemon=True)
        self._thread.start()

    def _run(self, port: int, requests: Iterator[bytes], rate: float) -> None:
        self._result = run(
            port, requests, connections=LOAD_CONNECTIONS, seconds=120, rate=rate, stopped=self._stop.is_set
        )

    def stop(self) -> Result:
        self._stop.set()
        self._thread.join(10)
        return self._result
