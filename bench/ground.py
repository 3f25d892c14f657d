"""What a benchmark stands on: real servers, one gunicorn worker, and players with tokens to spend at once."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from celery import Celery
from cryptography.fernet import Fernet
from flask import Flask
from flask_jwt_extended import create_access_token
from sqlalchemy import Engine, create_engine, text

from cli.embedded.postgres import EmbeddedPostgres
from cli.embedded.redis import EmbeddedRedis
from cli.embedded.server import free_port
from config.settings import Settings
from models.migrate import upgrade
from services.proofs import checksum
from services.resources import Resources, for_background
from web.tokens import register_jwt

CLAIMED_MS = 1_500
ACTION, POINTS = "reaction", 100
BIN = Path(sys.executable).parent

_PLAYERS = """
    WITH made AS (
        INSERT INTO users (username, username_key, password_hash)
        SELECT 'bench' || n, 'bench' || n, '-' FROM generate_series(:first, :last) n RETURNING id
    ), heads AS (INSERT INTO ledger_heads (user_id) SELECT id FROM made)
    INSERT INTO sessions (id, user_id, refresh_id, expires_at)
    SELECT md5('bench' || id)::uuid, id, gen_random_uuid(), now() + interval '1 day' FROM made
"""


@dataclass
class Ground:
    """Running servers and the settings that find them."""

    postgres: EmbeddedPostgres
    redis: EmbeddedRedis
    settings: Settings
    environment: dict[str, str]
    owner: Engine
    resources: Resources
    signer: Flask

    def players(self, count: int) -> range:
        """The ids of new players, each with a session."""
        with self.owner.begin() as connection:
            last = connection.execute(text("SELECT coalesce(max(id), 0) FROM users")).scalar_one()
            connection.execute(text(_PLAYERS), {"first": last + 1, "last": last + count})
        return range(last + 1, last + 1 + count)

    def access_token(self, user_id: int) -> str:
        """An access token of a player of ours."""
        session = hashlib.md5(f"bench{user_id}".encode(), usedforsecurity=False).hexdigest()
        with self.signer.app_context():
            return str(create_access_token(str(user_id), additional_claims={"sid": session}))

    def action_tokens(self, user_ids: range, each: int) -> list[tuple[int, str]]:
        """Action tokens that were issued a minute ago, so that nobody has to wait."""
        issued = int((time.time() - 60) * 1000)
        pairs = []
        for nonce in range(each):
            for user_id in user_ids:
                payload = {"userId": user_id, "actionType": ACTION, "timestamp": issued, "nonce": f"{nonce:032d}"}
                pairs.append((user_id, self.resources.fernet.encrypt(json.dumps(payload).encode()).decode()))
        self._keep(pairs)
        return pairs

    def _keep(self, pairs: list[tuple[int, str]]) -> None:
        rows = [
            {"hash": hashlib.sha256(token.encode()).digest(), "user": user, "action": ACTION} for user, token in pairs
        ]
        with self.owner.begin() as connection:
            connection.execute(
                text(
                    "INSERT INTO action_tokens (hash, user_id, action_type, issued_at, expires_at) "
                    "VALUES (:hash, :user, :action, now() - interval '1 minute', now() + interval '1 hour')"
                ),
                rows,
            )

    @contextmanager
    def web(self, application: str = "bench.wsgi:app") -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
        """One gunicorn worker. Gives its port and the worker's parent process."""
        port = free_port()
        environment = {**self.environment, "FAIRBOARD_PORT": str(port), "FAIRBOARD_WEB_WORKERS": "1"}
        argv = [str(BIN / "gunicorn"), "--config", "python:web.gunicorn_conf", application]
        with running(argv, environment) as process:
            wait_for(f"http://127.0.0.1:{port}/readyz")
            yield port, process

    @contextmanager
    def workers(self) -> Iterator[None]:
        """The worker of the queue that publishes the board."""
        argv = [
            str(BIN / "celery"),
            "-A",
            "workers",
            "worker",
            "-Q",
            "leaderboard",
            "--concurrency",
            "1",
            "-l",
            "ERROR",
        ]
        celery = Celery("bench", broker=self.settings.celery_url)
        with running(argv, self.environment):
            while not celery.control.ping(timeout=0.5):
                pass  # Each ping waits for its answer.
            yield


@contextmanager
def ground() -> Iterator[Ground]:
    """Servers with durable commits, as in production, and an empty database."""
    with TemporaryDirectory(prefix="fairboard-bench-") as folder, ExitStack() as stack:
        Path(folder).chmod(0o711)  # PostgreSQL runs as another user when we are root.
        postgres, redis = EmbeddedPostgres(Path(folder) / "pg"), EmbeddedRedis(Path(folder) / "redis")
        for server in (postgres, redis):
            stack.callback(server.stop)
            server.start()
        variables = {
            "DATABASE_URL": postgres.app_url,
            "MIGRATION_DATABASE_URL": postgres.owner_url,
            "REDIS_URL": redis.url,
            "JWT_SECRET": "benchmarks sign with this secret",
            "TOKEN_KEYS": Fernet.generate_key().decode(),
            "DATA_DIR": folder,
            "LOG_LEVEL": "ERROR",
        }
        environment = os.environ | {f"FAIRBOARD_{name}": value for name, value in variables.items()}
        os.environ.update(environment)
        settings = Settings()
        upgrade(settings.owner_url)
        signer = Flask("signer")
        register_jwt(signer, settings)
        owner = create_engine(settings.owner_url)
        stack.callback(owner.dispose)
        yield Ground(postgres, redis, settings, environment, owner, for_background(settings), signer)


@contextmanager
def running(argv: list[str], environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """A process that ends with the block."""
    process = subprocess.Popen(argv, env=environment, stdout=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(20)


def wait_for(url: str, seconds: float = 30.0) -> None:
    """Wait until a URL answers 200."""
    give_up = time.monotonic() + seconds
    while True:
        try:
            with urllib.request.urlopen(url, timeout=2):  # noqa: S310 -- our own server's address
                return
        except OSError:
            if time.monotonic() > give_up:
                raise
            time.sleep(0.05)


def completion_body(action_token: str) -> bytes:
    """The body of a completion that counts."""
    proof = {"completionTime": CLAIMED_MS, "checksum": checksum(action_token, CLAIMED_MS, {})}
    return json.dumps({"actionToken": action_token, "proof": proof}).encode()
