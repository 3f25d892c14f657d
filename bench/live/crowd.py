"""The crowd of clients: the program in C, its orders and its answers."""

from __future__ import annotations

import json
import selectors
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, Self

IN_FLIGHT = 32
"""Handshakes under way at a time."""
SILENCE = "the crowd says nothing"


@dataclass(frozen=True)
class Step:
    """What a message of the server begins with, and what each socket answers to it; nothing where there is none."""

    expects: str
    answers: Sequence[str] = ()


@dataclass(frozen=True)
class Script:
    """What every socket says: the request of its handshake, then an answer to each step."""

    requests: Sequence[str]
    steps: Sequence[Step] = ()

    def text(self) -> str:
        """As the program reads it, each string ended by NUL."""
        strings = [str(len(self.steps)), *(step.expects for step in self.steps)]
        for number, request in enumerate(self.requests):
            strings.append(request)
            strings += (step.answers[number] if step.answers else "" for step in self.steps)
        return "\0".join([*strings, ""])


@dataclass(frozen=True)
class Broadcast:
    """How one version came: when the first and the last client had it, and in percents of clients how much later."""

    version: int
    clients: int
    first: float
    last: float
    late: Sequence[float]
    text: str


@dataclass(frozen=True)
class Counts:
    """What the crowd saw since it was told to begin. Times are those of the monotonic clock, in seconds."""

    open: int
    closed: int
    cpu: float
    seconds: float
    frames: int
    doubled: int
    skipped: int
    behind: int
    newest: int
    pings: int
    bytes: int
    why: str
    """What the first socket that ended was told."""
    broadcasts: Sequence[Broadcast]

    @classmethod
    def read(cls, answer: dict[str, Any]) -> Self:
        """From the program's answer."""
        broadcasts = [
            Broadcast(
                each["version"],
                each["clients"],
                each["first"] / 1e9,
                each["last"] / 1e9,
                [late / 1e6 for late in each["late"]],
                each["text"],
            )
            for each in answer.pop("broadcasts")
        ]
        return cls(broadcasts=broadcasts, **answer)


@dataclass(frozen=True)
class Opened:
    """How the handshakes went."""

    joined: int
    failed: int
    refused: int
    """Handshakes that had to be tried again."""
    seconds: float
    why: str

    @property
    def per_second(self) -> float:
        """Sockets that joined, a second."""
        return self.joined / self.seconds if self.seconds else 0.0


@dataclass
class Crowd:
    """A running program."""

    process: subprocess.Popen[bytes]
    _selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)
    _buffer: bytes = b""

    def __post_init__(self) -> None:
        """Answers are waited for with a deadline."""
        assert self.process.stdout
        self._selector.register(self.process.stdout, selectors.EVENT_READ)

    def opened(self, seconds: float = 300.0) -> Opened:
        """Wait until each handshake has ended in one way or the other."""
        answer = self._answer("opened", seconds)
        if answer is None:
            raise TimeoutError(f"the handshakes took longer than {seconds:.0f} seconds")
        lost = answer["failed"] + answer["closed"]
        return Opened(answer["opened"], lost, answer["refused"], answer["seconds"], answer["why"])

    def begin(self, base: int) -> None:
        """Forget what was counted. From now on versions above this one count."""
        self._order(f"begin {base}")
        if self._answer("began", 60.0) is None:
            raise TimeoutError(SILENCE)

    def wait_for(self, version: int, seconds: float = 20.0) -> bool:
        """Wait until all have a version. False if some have not in time."""
        give_up = time.monotonic() + seconds
        while (left := give_up - time.monotonic()) > 0:
            answer = self._answer("all", left)
            if answer and answer["all"] >= version:
                return True
        return False

    def report(self) -> Counts:
        """What was counted."""
        self._order("report")
        answer = self._answer("broadcasts", 60.0)
        if answer is None:
            raise TimeoutError(SILENCE)
        return Counts.read(answer)

    def _order(self, line: str) -> None:
        assert self.process.stdin
        self.process.stdin.write(line.encode() + b"\n")

    def _answer(self, key: str, seconds: float) -> dict[str, Any] | None:
        """The next answer that has this key; others are passed over."""
        give_up = time.monotonic() + seconds
        while True:
            line, end, rest = self._buffer.partition(b"\n")
            if end:
                self._buffer = rest
                if key in (answer := json.loads(line)):
                    return dict(answer)
            elif not self._selector.select(max(0.0, give_up - time.monotonic())):
                return None
            else:
                self._read()

    def _read(self) -> None:
        assert self.process.stdout
        more = self.process.stdout.read(1 << 20)
        if not more:
            raise RuntimeError("the crowd has ended")
        self._buffer += more


@contextmanager
def crowd(program: Path, port: int, script: Script) -> Iterator[Crowd]:
    """Clients that begin their handshakes at once, and are cut off at the end of the block."""
    with NamedTemporaryFile("w", encoding="utf-8", newline="") as file:
        file.write(script.text())
        file.flush()
        argv = [str(program), str(port), str(len(script.requests)), str(IN_FLIGHT), file.name]
        with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as process:
            try:
                yield Crowd(process)
            finally:
                process.kill()
