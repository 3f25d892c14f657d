"""The folder of `fairboard up`: who uses it now, its generated secrets, and where its servers can be found."""

from __future__ import annotations

import base64
import fcntl
import os
import secrets
import shlex
import time
from collections.abc import Mapping
from pathlib import Path

from cli.env_file import keep_secrets, write_env_file
from config.settings import DEFAULT_DATA_DIR, PREFIX

READABLE_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"  # pragma: allowlist secret -- letters
"""Without those that are taken for one another."""
HANDOVER_SECONDS = 10.0


class DataDirError(Exception):
    """The folder cannot be used; the message says why."""


class DataDir:
    """One folder, used by one `fairboard up` at a time."""

    def __init__(self, below: str = "") -> None:
        """The folder is FAIRBOARD_DATA_DIR, or `.fairboard` here, or one below it."""
        self.path = Path(os.environ.get(f"{PREFIX}DATA_DIR") or DEFAULT_DATA_DIR).absolute() / below
        self.logs = self.path / "logs"
        self.runtime_file = self.path / "runtime.env"

    def open(self) -> int:
        """Make the folder and take it. Gives a file whose closing in every process says that all parts have ended."""
        try:
            # Others may enter it, because root's PostgreSQL is run by another user; what is secret has its own mode.
            self.path.mkdir(mode=0o755, parents=True, exist_ok=True)
            self.logs.mkdir(mode=0o700, exist_ok=True)
            self._own = os.open(self.path / "up.lock", os.O_RDWR | os.O_CREAT, 0o600)
            parts = os.open(self.path / "parts.lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise DataDirError(f"{self.path} cannot be used: {error.strerror}. Set FAIRBOARD_DATA_DIR.") from error
        if not _try_lock(self._own):
            raise DataDirError(f"Fairboard runs on {self.path} already. Stop it, or set another FAIRBOARD_DATA_DIR.")
        self._wait_for_parts(parts)
        self.withdraw()
        return parts

    def _wait_for_parts(self, lock: int) -> None:
        """After kill -9, the guard of the former run still ends its parts for a moment."""
        deadline = time.monotonic() + HANDOVER_SECONDS
        while not _try_lock(lock):
            if time.monotonic() > deadline:
                raise DataDirError(f"processes of a former run on {self.path} do not end; look for them with ps")
            time.sleep(0.05)

    def secrets(self) -> dict[str, str]:
        """What was generated at the first start: settings under their full names, passwords under short ones."""
        makers = {
            f"{PREFIX}JWT_SECRET": lambda: secrets.token_urlsafe(48),
            f"{PREFIX}TOKEN_KEYS": lambda: base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
            "POSTGRES_OWNER_PASSWORD": lambda: secrets.token_hex(24),
            "POSTGRES_APP_PASSWORD": lambda: secrets.token_hex(24),
            "REDIS_PASSWORD": lambda: secrets.token_hex(24),
            "DEMO_PLAYER_PASSWORD": _readable_password,
            "DEMO_ANALYST_PASSWORD": _readable_password,
        }
        return keep_secrets(self.path / "secrets.env", makers)

    def publish(self, environment: Mapping[str, str]) -> None:
        """Tell other commands the settings of the parts that run."""
        settings = {name: shlex.quote(value) for name, value in environment.items() if name.startswith(PREFIX)}
        write_env_file(self.runtime_file, settings, "Settings of the `fairboard up` that runs now.")

    def withdraw(self) -> None:
        """The parts that were published run no longer."""
        self.runtime_file.unlink(missing_ok=True)


def _try_lock(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _readable_password() -> str:
    groups = ("".join(secrets.choice(READABLE_LETTERS) for _ in range(4)) for _ in range(3))
    return "-".join(groups)
