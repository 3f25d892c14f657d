"""What every service works with: one bundle per process, handed in by the edge."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from cryptography.fernet import Fernet, MultiFernet
from redis import Redis
from sqlalchemy import Engine

from config import tracing
from config.catalogue import OnceAction, TimedAction, get_catalogue, points_ceiling
from config.settings import Settings
from models.database import DatabaseUnavailableError, fill_pool, make_engine
from services.redis_client import Commands, RedisUnavailableError, load_script, make_redis, quick_commands

Script = Callable[[Sequence[str], Sequence[str | int | bytes]], Any]


@dataclass(frozen=True)
class Resources:
    """Connections and rules of one process. Everything is opened at its first use, hence after a fork."""

    settings: Settings
    catalogue: dict[str, TimedAction | OnceAction]
    database_deadline: float
    redis_deadline: float
    background: bool = False

    @cached_property
    def engine(self) -> Engine:
        """PostgreSQL, under the application's role."""
        engine = make_engine(
            self.settings.database_url,
            pool_size=self.settings.database_pool_size,
            deadline=self.database_deadline,
            ping=self.background,
        )
        tracing.instrument(engine=engine)
        return engine

    def warm_up(self) -> None:
        """Open what the first requests would otherwise all open at once. What is away now is opened by them."""
        with suppress(DatabaseUnavailableError):
            fill_pool(self.engine, self.settings.database_pool_size)
        with suppress(RedisUnavailableError):
            self.quick.call(("PING",))

    @cached_property
    def replica(self) -> Engine:
        """A standby of PostgreSQL, for what may be a little late; the primary where none follows it."""
        if not self.settings.replica_url:
            return self.engine
        return make_engine(
            self.settings.replica_url,
            pool_size=2,
            deadline=self.database_deadline,
            ping=self.background,
            standby=True,
            primary=self.settings.database_url,
        )

    @cached_property
    def redis(self) -> Redis:
        """The board's Redis."""
        client = make_redis(self.settings.redis_url, deadline=self.redis_deadline)
        tracing.instrument(redis=client)
        return client

    @cached_property
    def broker(self) -> Redis:
        """The Redis of Celery's queues."""
        return make_redis(self.settings.celery_url, deadline=self.redis_deadline)

    @cached_property
    def quick(self) -> Commands:
        """The same Redis for the hottest paths."""
        return quick_commands(self.redis)

    @cached_property
    def fernet(self) -> MultiFernet:
        """Opens and seals action tokens; the first key seals."""
        return MultiFernet([Fernet(key) for key in self.settings.token_keys])

    @cached_property
    def points_ceiling(self) -> int:
        """What nobody can earn more than within a minute."""
        return points_ceiling(self.catalogue.values())

    @cached_property
    def admit_script(self) -> Script:
        """Session and limits: lua/admit.lua."""
        return load_script(self.quick, "admit")

    @cached_property
    def note_refusal_script(self) -> Script:
        """Refused calls for the analysis: lua/note_refusal.lua."""
        return load_script(self.quick, "note_refusal")

    @cached_property
    def refresh_sessions_script(self) -> Script:
        """Sessions in the cache: lua/refresh_sessions.lua."""
        return load_script(self.quick, "refresh_sessions")

    @cached_property
    def hold_socket_script(self) -> Script:
        """A player's sockets: lua/hold_socket.lua."""
        return load_script(self.quick, "hold_socket")

    @cached_property
    def place_script(self) -> Script:
        """A player's place: lua/place.lua."""
        return load_script(self.quick, "place")

    @cached_property
    def publish_script(self) -> Script:
        """The next frame: lua/publish.lua."""
        return load_script(self.quick, "publish")

    @cached_property
    def lift_version_script(self) -> Script:
        """Versions that began anew: lua/lift_version.lua."""
        return load_script(self.quick, "lift_version")

    @cached_property
    def fill_cache_script(self) -> Script:
        """The cached board: lua/fill_cache.lua."""
        return load_script(self.quick, "fill_cache")

    @cached_property
    def finish_rebuild_script(self) -> Script:
        """A rebuild's end: lua/finish_rebuild.lua."""
        return load_script(self.quick, "finish_rebuild")

    @cached_property
    def drop_rebuild_script(self) -> Script:
        """The end of a rebuild that failed: lua/drop_rebuild.lua."""
        return load_script(self.quick, "drop_rebuild")


def for_requests(settings: Settings) -> Resources:
    """Resources of a web process: nothing may wait longer than a request may."""
    return Resources(settings, get_catalogue(), settings.database_deadline, settings.redis_deadline)


def for_background(settings: Settings, database_deadline: float = 60.0) -> Resources:
    """Resources of workers and commands, which may take longer over one statement."""
    return Resources(settings, get_catalogue(), database_deadline, redis_deadline=5.0, background=True)
