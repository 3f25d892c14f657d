"""What `fairboard up` and `make cluster` have in common: from the first part to an orderly end, until Ctrl-C."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

from cli.data_dir import DataDir
from cli.output import Output
from cli.supervisor import Part, PartFailedError, Supervisor
from config.settings import PREFIX

READY_SECONDS = 120.0
HOPELESS_DEATHS = 3
"""A part that died this often before the first page is not going to start."""
DEMO_ACCOUNTS = {"demo": "player", "analyst": "analyst"}
"""Names and roles. A database that is not ours gets none: their passwords would be its secret."""
MIGRATIONS = "migrations"
NONE: Mapping[str, str] = MappingProxyType({})


@dataclass
class Session(ABC):
    """All parts of one run, from their start to their end."""

    data: DataDir
    secrets: dict[str, str]
    output: Output
    supervisor: Supervisor
    stop_stages: Sequence[Sequence[str]]
    ended: bool = field(default=False, init=False)

    @abstractmethod
    async def start(self) -> None:
        """Start everything, and say where it is."""

    async def run(self) -> None:
        """Start everything, and end it when a signal asks for that. Raises PartFailedError if it does not start."""
        self._handle_signals(asyncio.current_task())
        try:
            self.supervisor.open()
            await self.start()
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.output.say("stopping; Ctrl-C again stops without waiting")
        finally:
            self.ended = True
            await self._end()

    def _handle_signals(self, task: asyncio.Task[None] | None) -> None:
        def handle() -> None:
            if self.ended or task is None or task.cancelling():
                self.supervisor.hurry()
            else:
                task.cancel()

        for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            # Under nohup, a closed terminal is none of our business.
            if signal.getsignal(signum) is not signal.SIG_IGN or signum != signal.SIGHUP:
                asyncio.get_running_loop().add_signal_handler(signum, handle)

    async def _end(self) -> None:
        begun = time.monotonic()
        self.data.withdraw()
        await self.supervisor.stop(self.stop_stages)
        self.output.say(f"everything has ended, after {time.monotonic() - begun:.1f} s")

    async def command(self, name: str, *arguments: str, text: str = "", settings: Mapping[str, str] = NONE) -> None:
        """Run a `fairboard` command to its end, with other settings besides those of the parts."""
        own = {PREFIX + setting: value for setting, value in settings.items()}
        part = Part(name, ("fairboard", *arguments), input=text.encode(), environment=own)
        await self.supervisor.run_to_end(found(part))

    async def make_account(self, name: str, role: str) -> None:
        """An account to try things with."""
        arguments = ("create-user", name, "--role", role, "--password-stdin", "--if-missing")
        # Its password is ours, whatever length others have to choose.
        await self.command(name, *arguments, text=self.password(role) + "\n", settings={"PASSWORD_MIN_LENGTH": "8"})

    def password(self, role: str) -> str:
        """The generated password of an account to try things with."""
        return self.secrets[f"DEMO_{role.upper()}_PASSWORD"]

    def check_hope(self, name: str, begun: float) -> None:
        """Raise PartFailedError if a part that is waited for since `begun` is not going to answer."""
        if self.supervisor.deaths(name) >= HOPELESS_DEATHS:
            raise PartFailedError(f"{name} does not start; see {self.data.logs / name}.log")
        if time.monotonic() - begun > READY_SECONDS:
            raise PartFailedError(f"{name} did not answer within {READY_SECONDS:.0f} s")

    def summarise(self, rows: Sequence[tuple[str, str]], seconds: float) -> None:
        """Tell where everything is, and that it is ready."""
        self.output.plain()
        for label, value in [*rows, ("Logs", str(self.data.logs)), ("Stop", "Ctrl-C; the data is kept")]:
            self.output.plain(f"  {label:<18} {self.output.bold(value)}")
        self.output.plain()
        self.output.say(f"started in {seconds:.1f} s")
        self.output.plain("Fairboard is ready")


def found(part: Part) -> Part:
    """The same part, its program being the one of this environment and not another on the PATH."""
    program = Path(sys.executable).parent / part.argv[0]  # The name itself, if it is an absolute path.
    argv = [str(program), *part.argv[1:]] if program.exists() else list(part.argv)
    return replace(part, argv=argv)
