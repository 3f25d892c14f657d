"""Completions from a CSV of anybody's making. `fairboard analyse --help` says which columns are understood."""

from __future__ import annotations

import csv
import gzip
import math
import re
import zlib
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING

from services.anticheat.events import Event, Presence, Refusal

if TYPE_CHECKING:
    from _csv import Reader

COLUMNS: dict[str, tuple[str, ...]] = {
    "player": ("user_id", "player_id", "player", "user", "username", "user_name", "account", "account_id", "name"),
    "action": ("action_type", "action", "action_id", "activity", "game", "session"),
    "issued": ("issued_at", "requested_at", "started_at", "issue_time", "start_time", "token_issued_at", "issued"),
    "submitted": (
        "submitted_at", "completed_at", "finished_at", "timestamp", "created_at", "submit_time", "end_time",
        "submitted", "completed", "time", "ts", "at",
    ),
    "claimed": (
        "claimed_ms", "completion_time_ms", "completion_time", "duration_ms", "time_ms", "elapsed_ms", "claimed",
    ),
    "outcome": ("outcome",),
    "address": ("address", "ip", "ip_address", "remote_addr", "address_hash", "ip_hash"),
    "agent": ("agent", "user_agent", "agent_hash", "device"),
}  # fmt: skip
"""What each column may be called, the better names first. Capitals and camelCase do not matter; others are ignored."""
COUNTED = {"", "ok", "counted", "success", "accepted", "completed", "true", "1", "200"}
REPORT_EVERY = 100_000
MOST_FIELD = 1 << 24
LATEST = 1e11
"""Unix seconds beyond this are milliseconds (from 1973 on), beyond its thousandfold microseconds, and so on."""


class FileError(ValueError):
    """The file as a whole cannot be read; the message says why."""


class BadRowError(Exception):
    """A row that cannot be used; the message says why."""


@dataclass
class Player:
    """One player's rows, a few bytes each: a file may have millions."""

    entries: array[int] = field(default_factory=lambda: array("q"))
    submitted: array[float] = field(default_factory=lambda: array("d"))
    issued: array[float] = field(default_factory=lambda: array("d"))
    claimed: array[int] = field(default_factory=lambda: array("q"))
    actions: array[int] = field(default_factory=lambda: array("L"))
    refusals: list[Refusal] = field(default_factory=list)
    seen: dict[tuple[str, str], float] = field(default_factory=dict)
    """When an address and agent were seen first."""

    def presences(self, number: int) -> Iterator[Presence]:
        """Each address and agent once."""
        return (Presence(number, address, agent, at) for (address, agent), at in self.seen.items())


@dataclass
class Contents:
    """What a file holds."""

    players: dict[str, Player] = field(default_factory=dict)
    actions: list[str] = field(default_factory=list)
    columns: dict[str, str] = field(default_factory=dict)
    bad: int = 0

    def events(self, name: str) -> list[Event]:
        """A player's completions in the order of submission."""
        own = self.players[name]
        rows = zip(own.entries, own.actions, own.issued, own.submitted, own.claimed, strict=True)
        events = [Event(e, self.actions[a], None if math.isnan(i) else i, s, c) for e, a, i, s, c in rows]
        return sorted(events, key=lambda event: (event.submitted_at, event.entry_id))


def read(file: Path, complain: Callable[[str], None], progress: Callable[[int], None] = lambda rows: None) -> Contents:
    """All rows; those that cannot be used are counted and complained of. Raises FileError."""
    with _open(file) as stream:
        head = _first_line(stream)
        delimiter = max(",;\t|", key=head.count)
        names = next(csv.reader([head], delimiter=delimiter), [])
        contents = Contents(columns=_columns(names))
        reader = _Reader(contents, {what: names.index(name) for what, name in contents.columns.items()}, file.stem)
        csv.field_size_limit(MOST_FIELD)
        rows = csv.reader(stream, delimiter=delimiter)
        for number, row in enumerate(_readable(rows, complain, contents), start=1):
            try:
                reader.take(number, row)
            except BadRowError as error:
                contents.bad += 1
                complain(f"line {rows.line_num + 1}: {error}")
            if number % REPORT_EVERY == 0:
                progress(number)
    return contents


def _first_line(stream: IO[str]) -> str:
    try:
        return stream.readline().lstrip("\ufeff")
    except (EOFError, OSError, zlib.error) as error:
        raise FileError(f"cannot be read: {error}") from None


def _readable(rows: Reader, complain: Callable[[str], None], contents: Contents) -> Iterator[list[str]]:
    """The rows that are CSV and not empty."""
    while True:
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            contents.bad += 1
            complain(f"line {rows.line_num + 1}: {error}")
            continue
        except (EOFError, OSError, zlib.error) as error:
            contents.bad += 1
            complain(f"after line {rows.line_num + 1} the file cannot be read: {error}")
            return
        if row:
            yield row


def _columns(names: Sequence[str]) -> dict[str, str]:
    """Which of our columns are there, and under what name. Raises FileError if the needed ones are not."""
    known = {_plain(name): name for name in reversed(names)}
    found = {what: known[alias] for what, aliases in COLUMNS.items() for alias in reversed(aliases) if alias in known}
    if "submitted" not in found or not {"claimed", "issued"} & set(found):
        needed = f"one of {', '.join(COLUMNS['submitted'])}; and one of {', '.join(COLUMNS['claimed'])}"
        raise FileError(
            f"line 1: missing columns: needed are {needed} (or an issue time). Found: {', '.join(names)[:200]}"
        )
    return found


def _plain(name: str) -> str:
    """`completionTime` and `Completion Time` as `completion_time`."""
    return re.sub(r"[\s.-]+", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name.strip())).lower()


def _open(file: Path) -> IO[str]:
    with file.open("rb") as stream:
        zipped = stream.read(2) == b"\x1f\x8b"
    if zipped:
        return gzip.open(file, "rt", encoding="utf-8", errors="replace", newline="")
    return file.open(encoding="utf-8", errors="replace", newline="")


class _Reader:
    """Puts rows into `contents`."""

    def __init__(self, contents: Contents, places: dict[str, int], only: str) -> None:
        """`places` are our columns' places; `only` is the player's name where the file does not name any."""
        self._contents, self._places, self._only = contents, places, only
        self._actions: dict[str, int] = {}

    def take(self, number: int, row: list[str]) -> None:
        """One row. Raises BadRowError."""
        name = self._get(row, "player") if "player" in self._places else self._only
        if not name:
            raise BadRowError(f"{self._contents.columns['player']} is empty")
        submitted = self._seconds(row, "submitted")
        issued = self._seconds(row, "issued") if self._get(row, "issued") else math.nan
        outcome = self._get(row, "outcome")
        counts = outcome.lower() in COUNTED
        claimed = self._claimed(row, submitted - issued) if counts else 0
        player = self._contents.players.setdefault(name, Player())
        mark = (self._get(row, "address"), self._get(row, "agent"))
        if any(mark):
            player.seen[mark] = min(player.seen.get(mark, submitted), submitted)
        if not counts:
            player.refusals.append(Refusal(submitted, outcome.upper()))
            return
        player.entries.append(number)
        player.submitted.append(submitted)
        player.issued.append(issued)
        player.claimed.append(claimed)
        player.actions.append(self._action(self._get(row, "action")))

    def _get(self, row: list[str], what: str) -> str:
        place = self._places.get(what)
        if place is None:
            return ""
        if place >= len(row):
            raise BadRowError("the row has too few fields")
        return row[place].strip()

    def _action(self, name: str) -> int:
        if name not in self._actions:
            self._actions[name] = len(self._contents.actions)
            self._contents.actions.append(name)
        return self._actions[name]

    def _seconds(self, row: list[str], what: str) -> float:
        try:
            return seconds(self._get(row, what))
        except ValueError as error:
            raise BadRowError(f"{self._contents.columns[what]} {error}") from None

    def _claimed(self, row: list[str], elapsed: float) -> int:
        """Whole milliseconds; what the server saw where nothing is claimed."""
        value = self._get(row, "claimed")
        try:
            number = float(value) if value else elapsed * 1_000
        except ValueError:
            number = math.nan
        if not 0 <= number < 1e12:
            raise BadRowError(f"{self._contents.columns.get('claimed', 'the claimed time')} is no time: {value[:40]!r}")
        return round(number)


def seconds(value: str) -> float:
    """Unix seconds, from those, from milli-, micro- or nanoseconds, or from RFC 3339; UTC where no zone is given.

    Raises ValueError.
    """
    try:
        number = float(value)
    except ValueError:
        try:
            moment = datetime.fromisoformat(value.upper())
        except ValueError:
            raise ValueError(f"is neither Unix time nor RFC 3339: {value[:40]!r}") from None
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    for _ in range(3):
        number = number / 1_000 if number >= LATEST else number
    if not 0 <= number < LATEST:
        raise ValueError(f"is out of range: {value[:40]!r}")
    return number
