"""The servers that are measured: Fairboard, its peer on Node.js, and the bare loop that shows the kernel's share."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.ground import Ground
from bench.live.board import board, empty_board
from bench.live.build import CannotRunError
from bench.live.crowd import Script, Step
from config.catalogue import BOARD
from services.leaderboard.keys import BoardKeys
from services.leaderboard.rebuild import rebuild

PEER = Path(__file__).parents[1] / "peers" / "socketio"
KEY = "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
NO_NODE = "Node.js and npm were not found, so there is no Socket.IO to compare with. Install Node.js 20 or later."


@dataclass(frozen=True)
class Running:
    """A server that runs. `publish` sends a version and tells when, on the monotonic clock."""

    port: int
    pid: int
    script: Callable[[int], Script]
    publish: Callable[[int], float]
    path: str = ""
    """What HTTP is measured on; nothing where the server has none."""
    own_cpu: Sequence[float] = ()
    """The CPU of each broadcast, where the server itself tells."""


Contestant = Callable[[], AbstractContextManager[Running]]


def upgrade(path: str, *headers: str) -> str:
    """A handshake as it goes over the wire."""
    lines = [f"GET {path} HTTP/1.1", "Host: localhost", "Upgrade: websocket", "Connection: Upgrade", KEY, *headers]
    return "\r\n".join([*lines, "", ""])


def fairboard_script(tokens: Sequence[str]) -> Script:
    """What clients of Fairboard say."""
    join = '{"event":"join","data":{"room":"leaderboard"}}'
    steps = [Step('{"event":"connected"', [join] * len(tokens)), Step('{"event":"leaderboard:initial"')]
    return Script([upgrade("/ws", f"Authorization: Bearer {token}") for token in tokens], steps)


@contextmanager
def fairboard(own: Ground, tokens: Sequence[str]) -> Iterator[Running]:
    """One gunicorn worker."""
    channel, redis = BoardKeys(BOARD).updates, own.resources.redis

    def publish(version: int) -> float:
        body = board(version)
        now = time.monotonic()
        redis.publish(channel, body)
        return now

    rebuild(own.resources, BOARD)
    with own.web("wsgi:app") as (port, process):
        yield Running(port, process.pid, lambda count: fairboard_script(tokens[:count]), publish, "/healthz")


def _socketio_script(tokens: Sequence[str]) -> Script:
    hello = ["40" + json.dumps({"token": token}) for token in tokens]
    join = ['42["join",{"room":"leaderboard"}]'] * len(tokens)
    request = upgrade("/socket.io/?EIO=4&transport=websocket")
    return Script([request] * len(tokens), [Step("0{", hello), Step("40{", join), Step('42["leaderboard:initial"')])


def install_peer(folder: Path) -> Path:
    """Socket.IO from npm, in a folder of its own. Raises CannotRunError where there is no Node.js, or no way to npm."""
    if not shutil.which("node") or not shutil.which("npm"):
        raise CannotRunError(NO_NODE)
    target = folder / "socketio"
    shutil.copytree(PEER, target, ignore=shutil.ignore_patterns("node_modules"))
    done = subprocess.run(
        ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"],  # noqa: S607 -- wherever the machine has it
        cwd=target,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise CannotRunError(f"Socket.IO could not be installed from npm:\n{done.stderr}")
    return target


@contextmanager
def socketio(own: Ground, tokens: Sequence[str], folder: Path) -> Iterator[Running]:
    """One process of Node.js, and another one that emits."""
    environment = {
        **os.environ,
        "NODE_ENV": "production",
        "BENCH_REDIS_URL": own.redis.url,
        "BENCH_JWT_SECRET": own.settings.jwt_secret[0],
    }
    with (
        talking(["node", str(folder / "server.js")], {**environment, "BENCH_BOARD": empty_board()}) as server,
        talking(["node", str(folder / "emit.js")], {**environment, "BENCH_BOARD": board(0)}) as emitter,
    ):
        port = json.loads(_line(server))["port"]
        _line(emitter)
        yield Running(
            port,
            server.pid,
            lambda count: _socketio_script(tokens[:count]),
            lambda version: int(_ask(emitter, str(version))) / 1e9,
            "/healthz",
        )


@contextmanager
def bare(program: Path) -> Iterator[Running]:
    """The loop of `send`, in C."""
    spent: list[float] = []
    with talking([str(program)], dict(os.environ)) as server:
        port = json.loads(_line(server))["port"]

        def publish(version: int) -> float:
            message = f'{{"event":"leaderboard:update","data":{board(version)}}}'
            now = time.monotonic()
            spent.append(json.loads(_ask(server, message))["cpu"])
            return now

        yield Running(port, server.pid, lambda count: Script([upgrade("/")] * count), publish, own_cpu=spent)


@contextmanager
def talking(argv: list[str], environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """A program that is spoken to by lines, and ends with the block."""
    with subprocess.Popen(
        argv, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    line = process.stdout.readline()
    if not line:
        raise RuntimeError(f"{process.args!r} has ended")
    return line


def _ask(process: subprocess.Popen[str], line: str) -> str:
    assert process.stdin
    process.stdin.write(line + "\n")
    process.stdin.flush()
    return _line(process)
