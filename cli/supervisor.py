"""Runs the parts of Fairboard as child processes: prefixed logs, restarts, an orderly end, and no orphans.

Each part leads a process group of its own. A part that ends takes its group with it and is started again. If this
process is killed with -9, the kernel signals the parts and `cli.guard` ends their groups. One thread, one event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from cli.embedded.identity import Identity
from cli.guarded import Guard
from cli.lifetime import adopt_orphans, die_with_parent
from cli.output import Output

FIRST_DELAY, LONGEST_DELAY = 0.5, 10.0
"""Seconds before a part that died is started again: twice as long each time, from the first to the longest."""
STEADY_SECONDS = 30.0
"""A part that ran this long starts with the first delay again."""
LONGEST_LINE = 64 * 1024


@dataclass(frozen=True)
class Part:
    """One process to keep running. `patience` is how many seconds it has to end before it is killed."""

    name: str
    argv: Sequence[str]
    patience: float = 1.0
    stop_signal: signal.Signals = signal.SIGTERM
    death_signal: signal.Signals = signal.SIGKILL
    identity: Identity | None = None
    hides: re.Pattern[str] | None = None
    restart: bool = True
    input: bytes = b""
    """What the process reads; at most what a pipe holds."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """What it gets besides the supervisor's environment."""
    pid_file: Path | None = None
    """Where a server that the process starts, and that leaves its group, keeps its process id."""

    def filled(self, values: Mapping[str, object]) -> Part:
        """The same part with `{name}` in its command replaced by values."""
        return replace(self, argv=[word.format(**values) for word in self.argv])


class PartFailedError(Exception):
    """A part does not start, or a command that had to succeed failed; its lines tell why."""


@dataclass(eq=False)
class Running:
    """A part and its present process."""

    part: Part
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    deaths: int = 0
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    restart: asyncio.TimerHandle | None = None
    rest: bytes = b""


class Supervisor:
    """Starts parts, watches them and ends them. Use it inside `asyncio.run`, in the main thread."""

    def __init__(self, output: Output, environment: Mapping[str, str], held_files: Sequence[int] = ()) -> None:
        """`held_files` stay open in the guard until the last group has ended: a lock, for example."""
        self._output = output
        self._environment = dict(environment)
        self._parts: dict[str, Running] = {}
        self._stopping = False
        self._hurried = asyncio.Event()
        self._guard = Guard(held_files)

    def open(self) -> None:
        """Begin to watch child processes."""
        adopt_orphans()
        asyncio.get_running_loop().add_signal_handler(signal.SIGCHLD, self._reap)
        self._start_guard()

    def start(self, part: Part) -> None:
        """Start a part and keep it running until `stop`."""
        running = self._parts[part.name] = Running(part)
        self._spawn(running)

    def deaths(self, name: str) -> int:
        """How often a part has died since it was started, or last ran steadily."""
        return self._parts[name].deaths

    async def run_to_end(self, part: Part) -> None:
        """Run a command that ends by itself. Raises PartFailedError if it fails."""
        self.start(replace(part, restart=False))
        running = self._parts[part.name]
        await running.ended.wait()
        del self._parts[part.name]
        if running.process is None or running.process.returncode:
            raise PartFailedError(f"{part.name} failed")

    async def stop(self, stages: Iterable[Sequence[str]]) -> None:
        """End the parts of each stage together, one stage after the other, and before them whatever is in no stage.

        What a stage leaves of its patience, the later ones may use as well.
        """
        self._stopping = True
        deadline = time.monotonic()
        ordered = [list(stage) for stage in stages]
        others = [name for name in self._parts if name not in itertools.chain(*ordered)]
        for stage in [others, *ordered]:
            ending = [self._parts[name] for name in stage if name in self._parts]
            deadline += max((running.part.patience for running in ending), default=0.0)
            await asyncio.gather(*(self._end(running, deadline) for running in ending))
        self._stop_guard()

    def hurry(self) -> None:
        """Have `stop` wait for nobody any more."""
        self._hurried.set()

    def _spawn(self, running: Running) -> None:
        part = running.part
        running.ended.clear()
        running.started = time.monotonic()
        try:
            running.process = subprocess.Popen(
                part.argv,
                stdin=subprocess.PIPE if part.input else subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env={**self._environment, **part.environment},
                start_new_session=True,
                preexec_fn=die_with_parent(part.death_signal),  # noqa: PLW1509 -- two system calls, and no threads
                **(part.identity.popen_arguments() if part.identity else {}),
            )
        except OSError as error:
            self._output.say(f"{part.name} cannot be started: {error}")
            self._after_death(running, "did not start")
            return
        self._guard.watch(running.process.pid, part.death_signal)
        if part.pid_file:
            self._guard.watch_file(part.pid_file, signal.SIGQUIT)
        self._connect(running, running.process)

    def _connect(self, running: Running, process: subprocess.Popen[bytes]) -> None:
        """Give a new process its input, and follow what it prints."""
        if process.stdin:
            with contextlib.suppress(BrokenPipeError), process.stdin as stdin:
                stdin.write(running.part.input)
        assert process.stdout
        os.set_blocking(process.stdout.fileno(), False)
        asyncio.get_running_loop().add_reader(process.stdout, self._read, running, process)

    def _read(self, running: Running, process: subprocess.Popen[bytes]) -> bool:
        """Print what a part wrote; False if there is nothing more at the moment. Its last line may lack an end."""
        assert process.stdout
        try:
            data = os.read(process.stdout.fileno(), LONGEST_LINE)
        except BlockingIOError:
            return False
        *lines, running.rest = (running.rest + data).split(b"\n")
        if running.rest and (not data or len(running.rest) > LONGEST_LINE):
            lines.append(running.rest)
            running.rest = b""
        for line in lines:
            text = line.decode(errors="replace").rstrip("\r")
            self._output.line(running.part.name, text, hides=running.part.hides)
        if not data:
            asyncio.get_running_loop().remove_reader(process.stdout)
            process.stdout.close()
        return bool(data)

    def _reap(self) -> None:
        """Find out who ended. A part's group is killed while the part's process id cannot be anybody else's."""
        while (pid := _ended_child()) is not None:
            running = next((one for one in self._parts.values() if one.process and one.process.pid == pid), None)
            if running is not None:
                _signal_group(pid, signal.SIGKILL)
            _, status = os.waitpid(pid, 0)
            if running is not None and running.process is not None:
                running.process.returncode = os.waitstatus_to_exitcode(status)
                self._guard.forget(pid)
                self._after_death(running, _manner(running.process.returncode))
            elif (guard := self._guard.process) is not None and guard.pid == pid and not self._stopping:
                guard.returncode = os.waitstatus_to_exitcode(status)
                asyncio.get_running_loop().call_later(FIRST_DELAY, self._start_guard)

    def _after_death(self, running: Running, manner: str) -> None:
        running.ended.set()
        if self._stopping or not running.part.restart:
            return
        if time.monotonic() - running.started > STEADY_SECONDS:
            running.deaths = 0
        delay = min(FIRST_DELAY * 2**running.deaths, LONGEST_DELAY)
        running.deaths += 1
        self._output.say(f"{running.part.name} died ({manner}), restarting in {delay:g} s")
        running.restart = asyncio.get_running_loop().call_later(delay, self._spawn, running)

    async def _end(self, running: Running, deadline: float) -> None:
        if running.restart is not None:
            running.restart.cancel()
        if running.process is not None and not running.ended.is_set():
            running.process.send_signal(running.part.stop_signal)
            if not await self._wait(running, deadline - time.monotonic()):
                self._output.say(f"{running.part.name} did not end in time and is killed")
                _signal_group(running.process.pid, signal.SIGKILL)
                await running.ended.wait()
        self._parts.pop(running.part.name, None)
        self._drain(running)

    async def _wait(self, running: Running, patience: float) -> bool:
        """Whether a part ended before our patience, or the user's, did."""
        ended = asyncio.ensure_future(running.ended.wait())
        hurried = asyncio.ensure_future(self._hurried.wait())
        await asyncio.wait({ended, hurried}, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
        if not ended.done() and hurried.done():
            # Even then, servers that hold data get a moment to close their files.
            await asyncio.wait({ended}, timeout=0.3)
        for future in (ended, hurried):
            future.cancel()
        return running.ended.is_set()

    def _drain(self, running: Running) -> None:
        """Print a part's last words, which are in the pipe by now."""
        process = running.process
        if process and process.stdout and not process.stdout.closed:
            while self._read(running, process):
                pass
            asyncio.get_running_loop().remove_reader(process.stdout)
            process.stdout.close()

    def _start_guard(self) -> None:
        if not self._stopping:
            self._guard.start()

    def _stop_guard(self) -> None:
        asyncio.get_running_loop().remove_signal_handler(signal.SIGCHLD)
        self._guard.stop()


def _ended_child() -> int | None:
    """A child that has ended and was not waited for yet, adopted ones included."""
    try:
        info = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return None
    return info.si_pid if info else None


def _signal_group(group: int, signum: signal.Signals) -> None:
    try:
        os.killpg(group, signum)
    except (ProcessLookupError, PermissionError):
        return


def _manner(returncode: int) -> str:
    return f"signal {-returncode}" if returncode < 0 else f"exit code {returncode}"
