"""Requests a second of one gunicorn worker: completions, tokens and the board, beside an empty route and pgbench."""

from __future__ import annotations

import argparse
import itertools
import json
import os
import re
import shutil
import statistics
import subprocess
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

from sqlalchemy import text

from bench.ground import ACTION, CLAIMED_MS, POINTS, Ground, completion_body
from bench.load import Result, request, run
from services.leaderboard.rebuild import rebuild

CONNECTIONS = 32
SECONDS = 3.0
EACH = 8
"""Tokens per player: below the limit of ten completions a minute."""
PGBENCH = f"""SELECT c.* FROM (SELECT nextval('bench_tokens') AS n) t, LATERAL (
  SELECT user_id AS u FROM bench_spend WHERE id = t.n) s, LATERAL complete_timed(
  sha256(convert_to('bench' || t.n, 'UTF8')), s.u, md5('bench' || s.u)::uuid, 'global', '{ACTION}', {POINTS},
  {CLAIMED_MS}, NULL, NULL, NULL) c;
"""  # noqa: S608 -- constants of ours


def measure(own: Ground, arguments: argparse.Namespace) -> str:
    """A table of medians over interleaved rounds, and the ratios that the project aims at."""
    need = max(3_000, 700 * int(SECONDS) * (arguments.rounds + 1) // EACH)
    players = own.players(need)
    tokens = {user_id: own.access_token(user_id) for user_id in players}
    spendable = own.action_tokens(players, EACH)
    _prepare_pgbench(own, players, arguments.rounds)
    rebuild(own.resources, "global")
    completions = iter([_complete(tokens[user], token) for user, token in spendable])
    with own.web() as (port, process):
        worker = _children(process.pid)[0]
        measures: dict[str, Callable[[], Result]] = {
            "empty route": lambda: run(
                port, itertools.repeat(request("GET", "/empty")), connections=CONNECTIONS, seconds=SECONDS
            ),
            "board": lambda: run(port, _boards(tokens[players[0]]), connections=CONNECTIONS, seconds=SECONDS),
            "request a token": lambda: run(port, _requests(tokens), connections=CONNECTIONS, seconds=SECONDS),
            "complete": lambda: run(port, completions, connections=CONNECTIONS, seconds=SECONDS),
        }
        _warm(port, completions, len(players))
        return _table(measures, own, worker, arguments.rounds)


def _table(measures: dict[str, Callable[[], Result]], own: Ground, worker: int, rounds: int) -> str:
    rates, cpu, p50, p99 = (defaultdict[str, list[float]](list) for _ in range(4))
    statuses: Counter[int] = Counter()
    for number in range(rounds):
        for name, measure_one in measures.items():
            before = _cpu(worker)
            result = measure_one()
            cpu[name].append((_cpu(worker) - before) / len(result.latencies) * 1000)
            rates[name].append(result.per_second)
            p50[name].append(result.percentile(0.5))
            p99[name].append(result.percentile(0.99))
            statuses += result.statuses
        rates["pgbench, the same SQL"].append(_pgbench(own))
        print(f"   round {number + 1} of {rounds}", flush=True)
    lines = ["## Requests", "", f"One gunicorn worker, {CONNECTIONS} connections, medians of {rounds} rounds.", ""]
    lines += ["| | per second | to the empty route | CPU per request, ms | p50 / p99, ms |", "|---|---|---|---|---|"]
    for name in rates:
        ratio = statistics.median(a / b for a, b in zip(rates[name], rates["empty route"], strict=True))
        times = f"{_median(p50[name]):.0f} / {_median(p99[name]):.0f}" if name in p50 else ""
        cost = f"{_median(cpu[name]):.2f}" if name in cpu else ""
        lines.append(f"| {name} | {_median(rates[name]):,.0f} | {ratio:.2f} | {cost} | {times} |")
    share = statistics.median(a / b for a, b in zip(rates["complete"], rates["pgbench, the same SQL"], strict=True))
    lines += ["", f"Completions reach {share:.2f} of pgbench. Answers by status: {dict(statuses)}."]
    return "\n".join(lines)


def _complete(token: str, action_token: str) -> bytes:
    return request("POST", "/api/actions/complete", token=token, body=completion_body(action_token))


def _boards(token: str) -> Iterator[bytes]:
    return itertools.repeat(request("GET", "/api/leaderboard", token=token))


def _requests(tokens: dict[int, str]) -> Iterator[bytes]:
    body = json.dumps({"actionType": ACTION}).encode()
    made = [request("POST", "/api/actions/request", token=token, body=body) for token in tokens.values()]
    return itertools.cycle(made)


def _warm(port: int, completions: Iterator[bytes], players: int) -> None:
    """One completion per player, so that sessions are cached as they are for people who play."""
    run(port, itertools.islice(completions, players), connections=CONNECTIONS, seconds=60)


def _prepare_pgbench(own: Ground, players: range, rounds: int) -> None:
    spend = 3_000 * int(SECONDS) * (rounds + 1)
    with own.owner.begin() as connection:
        connection.execute(text("CREATE SEQUENCE bench_tokens"))
        connection.execute(text("CREATE TABLE bench_spend (id bigint PRIMARY KEY, user_id bigint NOT NULL)"))
        connection.execute(
            text("INSERT INTO bench_spend SELECT n, :first + n % :count FROM generate_series(1, :spend) n"),
            {"first": players[0], "count": len(players), "spend": spend},
        )
        connection.execute(
            text(
                "INSERT INTO action_tokens SELECT sha256(convert_to('bench' || id, 'UTF8')), user_id, :action, "
                "now() - interval '1 minute', now() + interval '1 hour' FROM bench_spend"
            ),
            {"action": ACTION},
        )


def _pgbench(own: Ground) -> float:
    """Transactions a second of the same statement, straight at PostgreSQL."""
    script = own.postgres.link.parent / "complete.sql"
    script.write_text(PGBENCH)
    program = own.postgres.bin / "pgbench"
    argv = [
        str(program if program.exists() else shutil.which("pgbench")),
        "-n",
        "-f",
        str(script),
        "-c",
        "16",
        "-j",
        "1",
    ]
    argv += ["-T", str(int(SECONDS)), "-h", "127.0.0.1", "-p", str(own.postgres.port)]
    environment = os.environ | {"PGPASSWORD": own.postgres.owner_password}
    output = subprocess.run(
        [*argv, "-U", "fairboard", "fairboard"], env=environment, capture_output=True, text=True, check=False
    )
    found = re.search(r"tps = ([\d.]+)", output.stdout)
    if not found:
        raise RuntimeError(f"pgbench failed: {output.stderr}")
    return float(found.group(1))


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _cpu(pid: int) -> float:
    """CPU seconds that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _median(values: list[float]) -> float:
    return statistics.median(values)
