"""What embedded servers have in common: they start, answer, stop and can be killed, on one port and one directory."""

from __future__ import annotations

import random
import signal
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from pathlib import Path

from cli.embedded.identity import Identity, home_for
from cli.lifetime import die_with_parent

LOCALHOST = "127.0.0.1"
FIRST_PORT = 10_000
EPHEMERAL_PORTS = Path("/proc/sys/net/ipv4/ip_local_port_range")
START_SECONDS = 60.0

_given: set[int] = set()
"""Ports that this process has been told of: nothing may listen there yet, and a second server must not be given one."""


class EmbeddedServerError(Exception):
    """An embedded server cannot be started; the message says why and what to do."""


class EmbeddedServer(ABC):
    """One server: `prepare` makes its files, `argv` starts it, `is_ready` tells when it answers.

    `fairboard up` runs `argv` under its supervisor; tests call `start`, `stop` and `kill`.
    """

    title: str
    stop_signal: signal.Signals
    """What ends it in an orderly way, and what the kernel sends it when its parent is killed."""

    def __init__(self, directory: Path, port: int | None = None) -> None:
        self.link = directory.absolute()
        self.port = port or free_port()
        self.process: subprocess.Popen[bytes] | None = None

    def prepare(self) -> None:
        """Make what a start needs. Harmless when it is there already."""
        if self.link.is_symlink() and not self.link.exists():
            raise EmbeddedServerError(
                f"the data of {self.link} should be in {self.link.readlink()}, which is not there. "
                f"Mount it or bring it back; or remove {self.link}, to begin with nothing."
            )
        try:
            self.directory, self.identity = home_for(self.link)
            self._prepare()
        except PermissionError as error:
            message = f"{self.title} cannot use {error.filename or self.link}: it belongs to another user."
            raise EmbeddedServerError(f"{message} Was Fairboard started by root before?") from error

    directory: Path
    identity: Identity | None

    @abstractmethod
    def _prepare(self) -> None:
        """As `prepare`, once the directory is there."""

    @property
    @abstractmethod
    def argv(self) -> list[str]:
        """The command that runs the prepared server in the foreground."""

    @abstractmethod
    def is_ready(self) -> bool:
        """Whether the server answers a client now."""

    def after_start(self) -> None:  # noqa: B027 -- not every server needs it
        """What is done on a server that answers, before anybody uses it. Harmless when done already."""

    @property
    def log_path(self) -> Path:
        """Where a server started by `start` writes its log."""
        return self.link.parent / f"{self.link.name}.log"

    def start(self) -> None:
        """Start and return when the server answers; after `kill` or `stop`, on the same port and data."""
        self.prepare()
        deadline = time.monotonic() + START_SECONDS
        while not self._start_once(deadline):
            if time.monotonic() > deadline:
                raise EmbeddedServerError(f"{self.title} did not start:\n{self._log_tail()}")
        self.after_start()

    def _start_once(self, deadline: float) -> bool:
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                self.argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                start_new_session=True,
                preexec_fn=die_with_parent(self.stop_signal),  # noqa: PLW1509 -- two system calls, no locks
                **(self.identity.popen_arguments() if self.identity else {}),
            )
        while not self.is_ready():
            try:
                self.process.wait(timeout=0.02)
            except subprocess.TimeoutExpired:
                if time.monotonic() < deadline:
                    continue
                self.kill()
            if not self.may_start_again(self._log_tail()):
                raise EmbeddedServerError(f"{self.title} did not start:\n{self._log_tail()}")
            return False
        return True

    def may_start_again(self, log: str) -> bool:
        """Whether a start that failed with this log may succeed a moment later."""
        del log
        return False

    def stop(self) -> None:
        """End the server in an orderly way, or within ten seconds in any way. Harmless when it does not run."""
        if self.process is None:
            return
        self.process.send_signal(self.stop_signal)
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.kill()
        self.process = None

    def kill(self) -> None:
        """End the server as a power cut would (kill -9)."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def pause(self) -> None:
        """Freeze the server: connections hang instead of being refused."""
        if self.process is not None:
            self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a frozen server go on."""
        if self.process is not None:
            self.process.send_signal(signal.SIGCONT)

    def _log_tail(self) -> str:
        return "\n".join(self.log_path.read_text(errors="replace").splitlines()[-15:])


def free_port(host: str = LOCALHOST) -> int:
    """A port that nothing listens on now, and that was not given before.

    It is none of those that the kernel gives to outgoing connections: a client that tries again and again to reach a
    killed server on such a port ends up connected to itself, and the server cannot come back.
    """
    ephemeral = EPHEMERAL_PORTS.read_text().split()[0] if EPHEMERAL_PORTS.exists() else "32768"
    for _ in range(200):
        port = random.randrange(FIRST_PORT, max(int(ephemeral), FIRST_PORT + 5000))
        if port not in _given and is_free(port, host):
            _given.add(port)
            return port
    raise EmbeddedServerError(f"no free port was found on {host}")


def is_free(port: int, host: str = LOCALHOST) -> bool:
    """Whether nothing listens on a port now."""
    with socket.socket() as probe:
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True
