"""Programs that tests start: what they print can be waited for, and none of their descendants is left."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self

ROOT = Path(__file__).parents[1]
MARK = "FAIRBOARD_TEST_MARK"


class Program:
    """A running program. Every descendant is known by a mark in its environment, whoever its parent is by now."""

    def __init__(self, argv: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
        self.mark = uuid.uuid4().hex
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("FAIRBOARD_")}
        self.process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=ROOT,
            env={**inherited, "PYTHONUNBUFFERED": "1", "PYTHONPATH": str(ROOT), **(environment or {}), MARK: self.mark},
            start_new_session=True,
        )
        self.text = ""
        self._seen = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """End what is left, the program first, so that it restarts nothing."""
        self.process.kill()
        self.process.wait()
        for pid in self.pids():
            signal_quietly(pid, signal.SIGKILL)
        assert self.process.stdout
        self.process.stdout.close()

    def wait_for(self, pattern: str, seconds: float = 30.0) -> re.Match[str]:
        """The next place in the output that matches, after the one found before."""
        deadline = time.monotonic() + seconds
        while not (match := re.compile(pattern, re.MULTILINE).search(self.text, self._seen)):
            if not self._read(deadline):
                raise AssertionError(f"{pattern!r} was not printed:\n{self.text}")
        self._seen = match.end()
        return match

    def finish(self, seconds: float = 30.0) -> int:
        """Read to the end of the output; the exit code."""
        deadline = time.monotonic() + seconds
        while self._read(deadline):
            pass
        return self.process.wait(timeout=max(0.1, deadline - time.monotonic()))

    def send(self, signum: signal.Signals) -> None:
        """Signal the program itself."""
        self.process.send_signal(signum)

    def pids(self) -> list[int]:
        """The program and all its living descendants. PostgreSQL overwrites its mark, but its parent does not."""
        needle = f"{MARK}={self.mark}".encode()
        parents = {pid: _parent(pid) for pid in _all_pids()}
        found = {pid for pid in parents if needle in _read_quietly(pid, "environ")}
        while more := {pid for pid, parent in parents.items() if parent in found} - found:
            found |= more
        return sorted(found)

    def find(self, *words: str) -> list[int]:
        """Those of `pids` whose command line holds all words, the oldest first."""
        commands = {pid: _read_quietly(pid, "cmdline").replace(b"\0", b" ").decode() for pid in self.pids()}
        return sorted(pid for pid, command in commands.items() if all(word in command for word in words))

    def _read(self, deadline: float) -> bool:
        assert self.process.stdout
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([self.process.stdout], [], [], left)[0]:
            return False
        data = os.read(self.process.stdout.fileno(), 65536)
        self.text += data.decode(errors="replace")
        return bool(data)


@contextmanager
def open_folder() -> Iterator[Path]:
    """A new folder that every user may enter, for servers that root runs as another user.

    pytest's `tmp_path` is closed again by each pytest that starts beside this one.
    """
    with tempfile.TemporaryDirectory(prefix="fairboard-test-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


def python(code: str, *arguments: str) -> list[str]:
    """The command that runs a piece of Python."""
    return [sys.executable, "-c", code, *arguments]


def wait_gone(pids: Iterable[int], seconds: float) -> list[int]:
    """Wait until processes have ended, whoever's children they are; those that have not in time."""
    deadline = time.monotonic() + seconds
    return [pid for pid in pids if not _ends_before(pid, deadline)]


def signal_quietly(pid: int, signum: signal.Signals) -> None:
    """Signal a process that may have ended."""
    try:
        os.kill(pid, signum)
    except ProcessLookupError:
        return


def _ends_before(pid: int, deadline: float) -> bool:
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([handle], [], [], max(0.0, deadline - time.monotonic()))[0])
    finally:
        os.close(handle)


def _all_pids() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]


def _parent(pid: int) -> int:
    match = re.search(rb"^PPid:\s+(\d+)", _read_quietly(pid, "status"), re.MULTILINE)
    return int(match[1]) if match else 0


def _read_quietly(pid: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""
