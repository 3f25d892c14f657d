"""Looks once a second whether each PostgreSQL node and the board's Redis answer, so that a loss is known early.

What fails twice in a row is lost: a frozen machine is seen within five seconds, long before its lease at etcd ends.
A lost node is not tried any more when somebody connects (`models.nodes`), so requests fail at once and not in turn.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Literal

import psycopg2
from sqlalchemy import text

from models.database import autocommit
from models.nodes import Node, Nodes, answered, fall_silent, split_hosts
from services.redis_client import RedisUnavailableError, translate_outage
from services.resources import Resources

log = logging.getLogger(__name__)

PERIOD_SECONDS, LOST_PERIOD_SECONDS = 1.0, 0.25
"""What is lost is looked at more often, because everybody waits for it."""
MISSES = 2
"""In a row, after which something is lost."""
Role = Literal["primary", "standby", "up", "unknown", "lost"]
Report = Callable[[str, Role], None]
"""Called with the name of what was looked at, and what it is."""


class Watch:
    """Looks at one thing, in a thread of its own."""

    def __init__(self, name: str, look: Callable[[], Role], report: Report) -> None:
        """`look` raises OSError when there is no answer in time. Whatever else it raises is no answer either."""
        self.name = name
        self.role: Role = "unknown"
        self._look, self._report = look, report
        self._misses = 0

    def start(self) -> None:
        """Look for as long as the process lives."""
        threading.Thread(target=self._run, name=f"watch {self.name}", daemon=True).start()

    def _run(self) -> None:
        while True:
            begun = time.monotonic()
            try:
                self.look_once()
            except Exception:
                log.exception("the watch of %s failed", self.name)  # It must live as long as the process.
            period = LOST_PERIOD_SECONDS if self.role == "lost" else PERIOD_SECONDS
            time.sleep(max(0.0, period - (time.monotonic() - begun)))

    def look_once(self) -> None:
        """Look, and tell what is seen."""
        try:
            role, self._misses = self._look(), 0
        except Exception as error:  # Whatever it is, nothing was seen.
            self._misses += 1
            role = "lost" if self._misses >= MISSES else self.role
            if self._misses == MISSES:
                surprise = not isinstance(error, OSError)
                log.warning("%s is lost: %s", self.name, str(error).strip(), exc_info=surprise)
        if role not in {self.role, "lost"}:
            log.info("%s is %s", self.name, role)
        self.role = role
        self._report(self.name, role)


class NodeLook:
    """Asks one PostgreSQL what it is, over a connection that is kept."""

    def __init__(self, url: str) -> None:
        """Nothing is connected yet."""
        self._nodes = Nodes(url, {"connect_timeout": 2, "application_name": "fairboard prober"})
        self._connection: Any = None

    @property
    def node(self) -> Node:
        """Which one."""
        return self._nodes.addresses[0]

    def __call__(self) -> Role:
        """What it is now. Raises OSError, and then leaves the node alone for a moment."""
        try:
            role = self._ask()
        except psycopg2.Error as error:
            self._drop()
            fall_silent(self.node)
            raise OSError(str(error)) from error
        answered(self.node)
        return role

    def _ask(self) -> Role:
        if self._connection is None:
            self._connection = self._nodes.connect()
            self._connection.autocommit = True
        with self._connection.cursor() as cursor:
            cursor.execute("SELECT pg_is_in_recovery()")
            return "standby" if cursor.fetchone()[0] else "primary"

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(psycopg2.Error):
                connection.close()


class Prober:
    """All watches of one process. They start once, after its fork."""

    def __init__(self, resources: Resources, report: Report = lambda name, role: None) -> None:
        """Nothing is started yet."""
        looks = [NodeLook(url) for url in split_hosts(resources.settings.database_url)]
        self._nodes: Sequence[Watch] = [Watch(f"{look.node.host}:{look.node.port}", look, report) for look in looks]
        self._redis = Watch("redis", lambda: _ping(resources), report)

    def start(self) -> None:
        """Begin to look."""
        for watch in (*self._nodes, self._redis):
            watch.start()

    def look_once(self) -> None:
        """Look at everything, one after the other; for a process without threads."""
        for watch in (*self._nodes, self._redis):
            watch.look_once()

    @property
    def primary(self) -> str | None:
        """The node that is the primary now, as far as is known; None if there is none."""
        return next((watch.name for watch in self._nodes if watch.role == "primary"), None)

    @property
    def primary_lost(self) -> bool:
        """Whether every node was looked at, and none is the primary."""
        return self.primary is None and all(watch.role != "unknown" for watch in self._nodes)


def standbys(resources: Resources) -> tuple[int, int] | None:
    """How many receive what the primary writes, and how many should; None where one node is all there is.

    The application may not see what they are doing: one that is just being made, or a backup, counts as well.
    Raises DatabaseUnavailableError.
    """
    wanted = len(split_hosts(resources.settings.database_url)) - 1
    if not wanted:
        return None
    with autocommit(resources.engine) as connection:
        return connection.execute(text("SELECT count(*) FROM pg_stat_replication")).scalar_one(), wanted


def _ping(resources: Resources) -> Role:
    try:
        with translate_outage():
            resources.redis.ping()
    except RedisUnavailableError as error:
        raise OSError(str(error)) from error
    return "up"
