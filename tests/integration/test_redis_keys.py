"""The table of keys in docs/architecture.md, held against what the services leave in Redis."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress

from config.catalogue import BOARD
from services import accounts, rate_limits, refusals, socket_leases, task_metrics
from services.anticheat import schedule
from services.errors import InvalidCredentials
from services.leaderboard.board import publish
from services.leaderboard.reading import read_board
from services.leaderboard.rebuild import rebuild
from services.resources import Resources
from services.socket_leases import Lease
from tests.processes import ROOT
from tests.support.people import PASSWORD, People

ADDRESS = "192.0.2.1"


def documented() -> Iterator[re.Pattern[str]]:
    """Each name of the table's first column; `...` stands for the beginning of the name before it."""
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8").partition("\n## Keys in Redis\n")[2]
    for cell in re.findall(r"^\| (`[^|]*`) \|", text.partition("\n## ")[0], re.MULTILINE):
        parts: list[str] = []
        for name in re.findall(r"`([^`]+)`", cell):
            own = name.removeprefix("...:").split(":")
            parts = [*parts[: -len(own)], *own] if name.startswith("...:") else own
            yield re.compile(re.sub(r"<[\w ]+>", "[^{}]+", re.escape(":".join(parts)).replace("\\ ", " ")))


def everything_done(resources: Resources, people: People) -> set[str]:
    """All keys that there are meanwhile and at the end."""
    seen: set[str] = set()

    def look(*_: object) -> None:
        seen.update(key.decode() for key in resources.redis.scan_iter())

    player = accounts.register(resources, username="Ada", password=PASSWORD, address=ADDRESS)
    with suppress(InvalidCredentials):
        accounts.log_in(resources, username="Ada", password="wrong, but long", address=ADDRESS)
    look()
    login = accounts.log_in(resources, username="Ada", password=PASSWORD, address=ADDRESS)
    rate_limits.admit(resources, player.user_id, login.player.session_id, "complete")
    for code in ("VALIDATION_ERROR", "ACTION_TOKEN_INVALID"):
        refusals.note(resources, player.user_id, code)
    socket_leases.hold(resources, Lease(player.user_id, "one"), 5)
    task_metrics.note_beat(resources)
    task_metrics.record(resources, "maintenance.reconcile", "success", 0.1)
    schedule.count(resources, "nothing")
    people.complete(people.join())
    publish(resources, BOARD)
    read_board(resources, BOARD)
    rebuild(resources, BOARD, look)
    look()
    return seen


def test_architecture_lists_every_key(resources: Resources, people: People) -> None:
    names = list(documented())
    seen = everything_done(resources, people)
    assert len(seen) > 15, sorted(seen)
    assert [key for key in sorted(seen) if not any(name.fullmatch(key) for name in names)] == []
