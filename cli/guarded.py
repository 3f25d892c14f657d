"""The process that cleans up after this one, should it be killed with -9; see `cli.guard` for what it does."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path


class Guard:
    """Knows which process groups to end. One per process; start it before the groups."""

    def __init__(self, held_files: Sequence[int] = ()) -> None:
        """`held_files` stay open in the guard until the last group has ended: a lock, for example."""
        self._held_files = held_files
        self._groups: dict[int, int] = {}
        self._files: dict[Path, int] = {}
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start, or start again after it ended, and tell it everything."""
        script = Path(__file__).with_name("guard.py")
        self.process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(script)],
            stdin=subprocess.PIPE,
            bufsize=0,
            pass_fds=self._held_files,
            start_new_session=True,
        )
        for group, signum in self._groups.items():
            self._tell(f"+{group} {signum}")
        for path, signum in self._files.items():
            self._tell(f"@{signum} {path}")

    def watch(self, group: int, signum: int) -> None:
        """A process group has started, and is ended by a signal."""
        self._groups[group] = int(signum)
        self._tell(f"+{group} {int(signum)}")

    def forget(self, group: int) -> None:
        """A process group has ended."""
        self._groups.pop(group, None)
        self._tell(f"-{group}")

    def watch_file(self, path: Path, signum: int) -> None:
        """A file whose first line is the process id of a server that works in the file's folder."""
        self._files[path] = int(signum)
        self._tell(f"@{int(signum)} {path}")

    def stop(self) -> None:
        """Let it end what is left."""
        if self.process is not None and self.process.stdin:
            self.process.stdin.close()
            self.process.wait()
            self.process = None

    def _tell(self, line: str) -> None:
        # If it was killed, the next start tells it everything.
        if self.process and self.process.stdin:
            with contextlib.suppress(BrokenPipeError):
                self.process.stdin.write(f"{line}\n".encode())
