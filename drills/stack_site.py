"""A site on servers of its own: the tests' stack, with a proxy on every way between its parts."""

from __future__ import annotations

import os
import shutil
import signal
import ssl
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType

import httpx
import psutil

from cli.embedded import EmbeddedServer
from cli.embedded.identity import Identity
from cli.parts import PARTS
from config.settings import Settings
from drills.link import Link, Links
from services.resources import Resources
from tests.processes import ROOT, open_folder
from tests.support.stack import Part, Stack


class LinkedStack(Stack):
    """The stack whose parts reach their servers through links, and run from a source tree that need not be this one."""

    def __init__(self, folder: Path, tree: Path, links: Links | None) -> None:
        self._tree = tree
        self._links = links
        super().__init__(folder)

    def _part(self, name: str, argv: list[str], environment: dict[str, str]) -> Part:
        own = environment | {"PYTHONPATH": str(self._tree)} | self._linked(name)
        return Part(name, argv, own, self.folder / f"{name}.log", root=self._tree)

    def _linked(self, part: str) -> dict[str, str]:
        if self._links is None:
            return {}
        ways = {"DATABASE": self.postgres, "REDIS": self.redis, "BROKER": self.broker}
        return {
            f"FAIRBOARD_{name}_URL": self._through(f"{part}-{name.lower()}", server) for name, server in ways.items()
        }

    def _through(self, name: str, server: EmbeddedServer) -> str:
        assert self._links is not None
        url = server.app_url if server is self.postgres else server.url  # type: ignore[attr-defined]
        return str(url).replace(f":{server.port}/", f":{self._links.add(name, server.port).port}/")


class Watched(ABC):
    """A process whose ends are remembered that no drill asked for: one that is asked for leaves no process behind."""

    def __init__(self) -> None:
        self._told: subprocess.Popen[bytes] | None = None
        self._codes: list[int] = []
        self.odd = False
        """Whether it was started with more in its environment than it has otherwise."""

    @property
    @abstractmethod
    def process(self) -> subprocess.Popen[bytes] | None:
        """The main process, which may have ended. None where it was ended."""

    @property
    def pids(self) -> list[int]:
        """The main process and its children."""
        return family(self.process.pid) if self.process is not None else []

    def end(self, how: Callable[[], None]) -> None:
        """End it as a drill asks."""
        self.look()
        how()
        self.odd = False

    def look(self) -> None:
        """Note whether it has ended by itself. To be called before it is started or ended, which hides that."""
        process = self.process
        if process is not None and process is not self._told and (code := process.poll()) is not None:
            self._told = process
            self._codes.append(code)

    def take_codes(self) -> list[int]:
        """How it has ended by itself since this was asked last."""
        self.look()
        codes, self._codes = self._codes, []
        return codes


class OwnPart(Watched):
    """A process of Fairboard."""

    def __init__(self, part: Part) -> None:
        super().__init__()
        self.part = part

    @property
    def process(self) -> subprocess.Popen[bytes] | None:
        """The main process."""
        return self.part.process

    def kill(self) -> None:
        """As `kill -9` of it and of what it leaves."""
        self.end(self.part.kill)

    def terminate(self) -> None:
        """As a supervisor does."""
        self.end(self.part.stop)

    def freeze(self) -> None:
        """Stop it and its children."""
        signal_all(self.pids, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        signal_all(self.pids, signal.SIGCONT)

    def start(self, variables: Mapping[str, str] = MappingProxyType({})) -> None:
        """Start it where it does not run, with more in its environment."""
        self.look()
        if self.part.process is None or self.part.process.poll() is not None:
            self.part.kill()
            self.part.start(variables)
            self.odd = bool(variables)


class ServerPart(Watched):
    """PostgreSQL or a Redis."""

    def __init__(self, server: EmbeddedServer) -> None:
        super().__init__()
        self.server = server

    @property
    def process(self) -> subprocess.Popen[bytes] | None:
        """The main process."""
        return self.server.process

    def kill(self) -> None:
        """As `kill -9` of the main process; PostgreSQL's others see it and end."""
        self.end(self.server.kill)

    def terminate(self) -> None:
        """In an orderly way."""
        self.end(self.server.stop)

    def freeze(self) -> None:
        """Stop it and its children."""
        Stack.freeze(self.server)

    def thaw(self) -> None:
        """Let it go on."""
        Stack.thaw(self.server)

    def start(self, variables: Mapping[str, str] = MappingProxyType({})) -> None:
        """Start it where it does not run, with more in its environment, and return when it answers."""
        self.look()
        if self.server.process is None or self.server.process.poll() is not None:
            with environment(variables):
                self.server.start()
            self.odd = bool(variables)


class StackSite:
    """The stack as a Site."""

    name = "one machine"
    trust: ssl.SSLContext | None = None

    def __init__(self, stack: LinkedStack, links: Links | None) -> None:
        self.stack = stack
        self.links: Mapping[str, Link] = links.named if links is not None else {}
        self._links = links
        self.primary, self.board, self.broker = (
            ServerPart(server) for server in (stack.postgres, stack.redis, stack.broker)
        )
        own: dict[str, OwnPart | ServerPart] = {name: OwnPart(part) for name, part in stack.parts.items()}
        self.parts = {"postgres": self.primary, "redis": self.board, "broker": self.broker, **own}

    @property
    def urls(self) -> Sequence[str]:
        """The one web server, which has two processes."""
        return (self.stack.url,)

    @property
    def settings(self) -> Settings:
        """Past all links."""
        return self.stack.settings

    @property
    def identity(self) -> Identity | None:
        """Of the one server."""
        return self.stack.postgres.identity

    def second(self, name: str) -> OwnPart:
        """Another process of the kind of a part, which does not run yet."""
        argv = list(next(part for part in PARTS if part.name == name).argv)
        folder = self.stack.folder / "second"
        folder.mkdir(exist_ok=True)
        filled = [word.format(data_dir=folder) for word in argv]
        return OwnPart(self.stack._part(f"{name}-2", filled, self.stack.environment))  # noqa: SLF001 -- our own subclass

    def restart(self, name: str, clock: int = 0) -> None:
        """End a part and start it again, with a clock that is off by some seconds."""
        self.parts[name].terminate()
        self.parts[name].start(other_clock(self.stack.folder, clock) if clock else {})

    def ask(self, query: str, parameters: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
        """As the owner, past all links."""
        return self.stack.ask(query, parameters)

    def resources(self) -> Resources:
        """Past all links."""
        return self.stack.resources()

    def ready(self) -> bool:
        """As the web server says."""
        try:
            return httpx.get(f"{self.stack.url}/readyz", timeout=3, trust_env=False).status_code == 200
        except httpx.TransportError:
            return False

    def whole(self) -> bool:
        """There is one of each."""
        return True

    def heal(self) -> None:
        """All that `Stack.restart` does, and open links."""
        if self._links is not None:
            self._links.mend()
        for part in self.parts.values():
            part.thaw()
            part.look()
        self.stack.restart()

    def rescue(self) -> None:
        """Heal after a drill that failed halfway: what it set at PostgreSQL, Redis and clocks goes with a restart."""
        for part in self.parts.values():
            part.thaw()
            if part.odd or part in {self.primary, self.board}:
                part.terminate()
        # Before the start, which would wait for ever for a standby that a drill has asked for.
        changed = self.stack.postgres.data / "postgresql.auto.conf"
        changed.write_text("", encoding="utf-8")
        self.heal()

    def differences(self) -> list[str]:
        """On the whole site."""
        return self.stack.differences()

    def command(self, *arguments: str) -> str:
        """Past all links."""
        done = self.stack.command(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@contextmanager
def stack_site(tree: Path = ROOT, *, linked: bool = True) -> Iterator[StackSite]:
    """A running site in a folder that is removed afterwards."""
    links = Links() if linked else None
    try:
        with open_folder() as folder, LinkedStack(folder, tree, links) as stack:
            yield StackSite(stack, links)
    finally:
        if links is not None:
            links.close()


@contextmanager
def environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Have processes that are started in this block inherit some variables."""
    os.environ.update(variables)
    try:
        yield
    finally:
        for name in variables:
            del os.environ[name]


def other_clock(folder: Path, seconds: int) -> dict[str, str]:
    """What makes a process see another time of day; what takes how long stays. Puts a library into a folder."""
    library = folder / "libfaketime.so.1"
    if not library.exists():  # A copy, because servers may run as a user who cannot see the original.
        package = find_spec("libfaketime")
        assert package is not None
        assert package.origin is not None
        shutil.copyfile(Path(package.origin).with_name("vendor") / "libfaketime/src/libfaketime.so.1", library)
        library.chmod(0o755)
    return {"LD_PRELOAD": str(library), "FAKETIME": f"{seconds:+d}", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}


def family(pid: int) -> list[int]:
    """A process and its descendants."""
    with suppress(psutil.NoSuchProcess):
        return [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]
    return []


def signal_all(pids: Sequence[int], signum: signal.Signals) -> None:
    """Signal processes, some of which may have ended."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signum)
