"""One part of a cluster as a process that can be started, hurt and healed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType

import psutil

from cli import supervisor
from cli.guarded import Guard
from cli.lifetime import die_with_parent

ROOT = Path(__file__).parents[2]
ENDED = (psutil.NoSuchProcess, ProcessLookupError)


class Part:
    """A process with all its descendants, those included that left its group (PostgreSQL under Patroni)."""

    def __init__(
        self,
        plan: supervisor.Part,
        environment: dict[str, str],
        log: Path,
        guard: Guard | None = None,
        root: Path = ROOT,
    ) -> None:
        """Nothing is started. The guard ends what is left should this process be killed.

        `root` is the source tree, which may be another one at the next start.
        """
        self.plan = plan
        self.name = plan.name
        self.log = log
        self.process: subprocess.Popen[bytes] | None = None
        self._environment = environment | dict(plan.environment)
        self._guard = guard
        self.root = root

    def start(self, variables: Mapping[str, str] = MappingProxyType({})) -> None:
        """Start, or start again on the same data, with more in its environment. Harmless while it runs."""
        if self.alive:
            return
        self.kill()
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                found(self.plan.argv[0], *self.plan.argv[1:]),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.root,
                env={"PYTHONPATH": str(self.root), **self._environment, **variables},
                start_new_session=True,
                preexec_fn=die_with_parent(self.plan.death_signal),  # noqa: PLW1509 -- two system calls, no locks
                **(self.plan.identity.popen_arguments() if self.plan.identity else {}),
            )
        if self._guard:
            self._guard.watch(self.process.pid, self.plan.death_signal)
            if self.plan.pid_file:
                self._guard.watch_file(self.plan.pid_file, signal.SIGQUIT)

    @property
    def alive(self) -> bool:
        """Whether its main process runs, frozen or not."""
        return self.process is not None and self.process.poll() is None

    @property
    def pids(self) -> list[int]:
        """All its processes, the main one first."""
        return [process.pid for process in self._processes()]

    def terminate(self, seconds: float | None = None) -> None:
        """End in an orderly way, or within some seconds (by default the part's own patience) in any way."""
        if self.process is not None and self.alive:
            self.process.send_signal(self.plan.stop_signal)
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(timeout=self.plan.patience if seconds is None else seconds)
        self.kill()

    def kill(self) -> None:
        """End all its processes at once, as the loss of a machine does."""
        self._signal_all(signal.SIGKILL)
        if self.process is not None:
            self.process.wait()
            if self._guard:
                self._guard.forget(self.process.pid)
            self.process = None

    def freeze(self) -> None:
        """Stop all its processes: connections hang instead of being refused."""
        self._signal_all(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen part go on."""
        self._signal_all(signal.SIGCONT)

    def text(self) -> str:
        """All that it has logged."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def _signal_all(self, signum: signal.Signals) -> None:
        """Signal every process, and again those that were started meanwhile."""
        done: set[int] = set()
        while left := [process for process in self._processes() if process.pid not in done]:
            for process in left:
                done.add(process.pid)
                with suppress(*ENDED):
                    os.kill(process.pid, signum)

    def _processes(self) -> Iterator[psutil.Process]:
        for root in self._roots():
            with suppress(*ENDED):
                if root.status() != psutil.STATUS_ZOMBIE:
                    yield from [root, *root.children(recursive=True)]

    def _roots(self) -> Iterator[psutil.Process]:
        with suppress(*ENDED):
            if self.process is not None:
                yield psutil.Process(self.process.pid)
        file = self.plan.pid_file
        with suppress(*ENDED, OSError, ValueError, IndexError):
            if file is not None:
                other = psutil.Process(int(file.read_text().split()[0]))
                # The number may be somebody else's by now.
                if any(str(file.parent) in word for word in other.cmdline()):
                    yield other


def found(name: str, *arguments: str) -> list[str]:
    """A command whose program is the one of this environment, and not another on the PATH."""
    program = Path(sys.executable).parent / name  # The name itself, if it is an absolute path.
    return [str(program) if program.exists() else name, *arguments]
