"""What the simulator says: a line for each event, and a summary now and then."""

from __future__ import annotations

import threading
import unicodedata
from collections import Counter

import click

from fairboard_client import Completion

NAME_WIDTH = 16
SHOWN = 10


class Journal:
    """Writes lines from many threads, one at a time, and counts for the summary.

    With `quiet`, completions are only written where they land among the ten that the board shows. `hint` is what to do
    about a server that has never answered.
    """

    def __init__(self, *, quiet: bool = False, hint: str = "") -> None:
        self._quiet = quiet
        self._hint = hint
        self._lock = threading.Lock()
        self._closed = False
        self._away = False
        self._completions = 0
        self._points = 0
        self._refusals: Counter[str] = Counter()

    def say(self, line: str) -> None:
        """Write a line, unless the journal is closed."""
        with self._lock:
            self._write(line)

    def entered(self, name: str, *, new: bool) -> None:
        """A player has logged in."""
        with self._lock:
            if not self._quiet:
                self._write(f"+ {name} is {'new here' if new else 'back'}")

    def completed(self, name: str, action: str, completion: Completion) -> None:
        """A completion counted."""
        with self._lock:
            self._completions += 1
            self._points += completion.score_incr
            if not self._quiet or completion.rank <= SHOWN:
                outcome = f"+{completion.score_incr} -> {completion.new_score:,} (#{completion.rank})"
                self._write(f"{pad(name)} {action} {outcome}")

    def refused(self, name: str, code: str, note: str = "", times: int = 1) -> None:
        """The server saw through a cheat."""
        with self._lock:
            self._refusals[code] += times
            self._write(f"✗ {name}: {code}{f' ({note})' if note else ''}")

    def stumbled(self, name: str, code: str, note: str = "") -> None:
        """A player who means well was refused."""
        with self._lock:
            self._refusals[code] += 1
            self._write(f"· {name}: {code}{f', {note}' if note else ''}")

    def away(self, reason: str) -> None:
        """The server does not answer; said once until it is back."""
        with self._lock:
            if not self._away:
                self._write(f"the server is away ({reason}); the players wait")
                if self._hint:
                    self._write(self._hint)
            self._away = True

    def back(self) -> None:
        """The server answered."""
        with self._lock:
            if self._away:
                self._write("the server is back")
            self._away, self._hint = False, ""

    def summarise(self, seconds: float, playing: int, players: int) -> None:
        """Write what happened since the last summary, and begin to count again."""
        with self._lock:
            refusals = ", ".join(f"{count} {code}" for code, count in self._refusals.most_common()) or "none"
            done = f"{self._completions} completions, {self._points:,} points"
            self._write(f"— {seconds:.0f} s: {done}; refused: {refusals}; {playing} of {players} players are here")
            self._completions = self._points = 0
            self._refusals.clear()

    def close(self) -> None:
        """Write nothing any more; a thread that outlives the main one would be cut off within a line."""
        with self._lock:
            self._closed = True

    def _write(self, line: str) -> None:
        if not self._closed:
            click.echo(line)


def pad(name: str) -> str:
    """The name filled up to a column; wide characters take two places and combining ones none."""
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in name)
    marks = sum(unicodedata.combining(character) > 0 for character in name)
    return name + " " * max(0, NAME_WIDTH - len(name) - wide + marks)
