"""What `fairboard up` prints: one line at a time, each with the name of the part that wrote it."""

from __future__ import annotations

import os
import re
import select
from collections.abc import Iterable
from pathlib import Path
from typing import TextIO

COLOURS = (36, 35, 34, 33, 32, 96, 95, 94, 93)
OWN_NAME = "fairboard"
LONGEST_FILE = 10_000_000
"""Bytes after which a part's log file is begun anew; one earlier file is kept."""
PATIENCE_MS = 200
"""How long a line waits for whoever reads."""


class Output:
    """Lines for a terminal or a file, and a complete log of each part in a folder."""

    def __init__(self, stream: TextIO, names: Iterable[str], logs: Path | None = None) -> None:
        """`names` are all parts, for the width of the column and one colour each."""
        self._stream = stream
        self._names = [OWN_NAME, *(name for name in names if name != OWN_NAME)]
        self._width = max(map(len, self._names))
        self._logs = logs
        self._left_out = 0
        self._coloured = stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"

    def line(self, name: str, text: str, *, hides: re.Pattern[str] | None = None) -> None:
        """A part wrote a line. What `hides` matches goes to the part's log file alone."""
        self._keep(name, text)
        if hides is None or not hides.search(text):
            self._write(f"{self._prefix(name)} {text}".rstrip())

    def say(self, text: str) -> None:
        """A line of our own, in the same column as the parts' lines."""
        self._keep(OWN_NAME, text)
        self._write(f"{self._prefix(OWN_NAME)} {self.bold(text)}")

    def plain(self, text: str = "") -> None:
        """Text without a prefix."""
        self._write(text)

    def bold(self, text: str) -> str:
        """Text that stands out, on a terminal."""
        return f"\x1b[1m{text}\x1b[0m" if self._coloured else text

    def _prefix(self, name: str) -> str:
        text = f"{name:{self._width}} |"
        if not self._coloured:
            return text
        place = self._names.index(name) if name in self._names else 0
        return f"\x1b[{COLOURS[place % len(COLOURS)]}m{text}\x1b[0m"

    def _write(self, text: str) -> None:
        # A terminal that takes nothing (Ctrl-S, a lost connection) must not stop those who look after the parts.
        if not self._takes_more():
            self._left_out += 1
            return
        if self._left_out:
            text, self._left_out = f"... {self._left_out} lines left out; see {self._logs or 'the logs'}\n{text}", 0
        # The terminal may have been closed, and the parts still have to be ended in order.
        try:
            self._stream.write(text + "\n")
            self._stream.flush()
        except (OSError, ValueError):
            return

    def _takes_more(self) -> bool:
        """Whether a line can be written without waiting; a reader who is only slow is given a moment, once."""
        poll = select.poll()
        try:
            poll.register(self._stream.fileno(), select.POLLOUT)
        except (OSError, ValueError):
            return True  # No file at all, or a closed one, of which the writing will tell.
        return bool(poll.poll(0 if self._left_out else PATIENCE_MS))

    def _keep(self, name: str, text: str) -> None:
        if self._logs is None:
            return
        path = self._logs / f"{name}.log"
        try:
            with path.open("a", encoding="utf-8", errors="replace") as file:
                file.write(text + "\n")
                too_long = file.tell() > LONGEST_FILE
            if too_long:
                path.replace(path.with_suffix(".log.1"))
        except OSError:
            # A full disk must not end the parts that still work.
            return
