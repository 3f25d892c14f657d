"""Who plays: names and passwords, kept in a file so that the same players come back after a restart."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import random
import re
import secrets
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, TextIO

from cli.simulate import names


@dataclass(slots=True, eq=False)
class Seat:
    """One player's account. `registered` says whether the server knew it when it was last seen."""

    kind: str
    username: str
    password: str = field(repr=False, default_factory=lambda: secrets.token_urlsafe(18))
    registered: bool = False
    done: set[str] = field(default_factory=set)
    """The `once` actions that this player has completed."""

    @classmethod
    def read(cls, row: Any) -> Self:
        """From the file."""
        return cls(str(row["kind"]), str(row["username"]), str(row["password"]), True, set(row.get("done", ())))

    def row(self) -> dict[str, Any]:
        """For the file."""
        return {"kind": self.kind, "username": self.username, "password": self.password, "done": sorted(self.done)}


class Roster:
    """All seats. Without a path, or where another simulator holds the file, nothing is kept."""

    def __init__(self, path: Path | None, rng: random.Random) -> None:
        self._rng = rng
        self._lock = threading.Lock()
        self._held: TextIO | None = None
        self._known: list[Seat] = []
        self.note = ""
        self.path = path if path is not None and self._hold(path) else None
        if self.path is not None:
            self._known = self._load(self.path)

    def seats(self, kinds: Sequence[str]) -> list[Seat]:
        """A seat for each kind: known players first, then new ones."""
        unseated, taken = list(self._known), {seat.username for seat in self._known}
        chosen = []
        for kind in kinds:
            seat = next((known for known in unseated if known.kind == kind), None)
            if seat is not None:
                unseated.remove(seat)
            else:
                seat = Seat(kind, names.draw(self._rng, kind, taken))
                taken.add(seat.username)
            chosen.append(seat)
        return chosen

    def keep(self, seat: Seat) -> None:
        """Write the seat down, after it was registered or something about it changed."""
        with self._lock:
            if seat not in self._known:
                self._known.append(seat)
            self._save()

    def forget(self, seat: Seat) -> None:
        """Strike the seat, because its account is of no more use."""
        with self._lock:
            self._known = [known for known in self._known if known is not seat]
            self._save()

    def rename(self, seat: Seat, *, plain: bool = False) -> None:
        """A new name and password for the seat: somebody has the name, or the server takes only `plain` ones."""
        base = "player" if plain else re.sub(r"-[0-9]{4}$", "", seat.username)
        with self._lock:
            seat.username = names.another(self._rng, base)
            seat.password = secrets.token_urlsafe(18)
            seat.registered = False

    def close(self) -> None:
        """Let another simulator have the file."""
        if self._held is not None:
            self._held.close()

    def _hold(self, path: Path) -> bool:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._held = path.with_suffix(".lock").open("w", encoding="utf-8")
        try:
            fcntl.flock(self._held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.close()
            self.note = f"{path} belongs to another simulator that is running, so these players are new"
            return False
        return True

    def _load(self, path: Path) -> list[Seat]:
        with contextlib.suppress(FileNotFoundError):
            try:
                return [Seat.read(row) for row in json.loads(path.read_text(encoding="utf-8"))["players"]]
            except (ValueError, KeyError, TypeError):
                path.replace(path.with_suffix(".unreadable"))
                self.note = f"{path} was not readable and is set aside, so these players are new"
        return []

    def _save(self) -> None:
        if self.path is None:
            return
        text = json.dumps({"players": [seat.row() for seat in self._known]}, ensure_ascii=False, indent=1)
        draft = self.path.with_suffix(".new")
        # Made unreadable to others before the passwords are in it, and complete before it takes the name.
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
        draft.replace(self.path)
