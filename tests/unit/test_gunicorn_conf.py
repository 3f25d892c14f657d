"""What a web process does with a crowd before the first of it is served."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from cryptography.fernet import Fernet

from web.sockets.loop import BATCH


def test_fewer_sockets_come_in_a_turn_than_are_heard(tmp_path: Path) -> None:
    """In a process of its own, because the settings are about a whole process."""
    environment = {
        "FAIRBOARD_DATA_DIR": str(tmp_path),
        "FAIRBOARD_DATABASE_URL": "postgresql://nowhere/none",
        "FAIRBOARD_REDIS_URL": "redis://nowhere",
        "FAIRBOARD_JWT_SECRET": "a secret that is long enough for HS256",
        "FAIRBOARD_TOKEN_KEYS": Fernet.generate_key().decode(),
    }
    program = """
        from web import gunicorn_conf
        gunicorn_conf.post_fork(None, None)
        from gevent.server import StreamServer
        print(StreamServer.max_accept)
    """
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(line.strip() for line in program.splitlines())],
        env=environment,
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert 0 < int(done.stdout) < BATCH
