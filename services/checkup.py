"""A look at what Fairboard stands on, for `fairboard doctor`. Each check says how it is, and what to do about it."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import psycopg2
from alembic.script import ScriptDirectory
from sqlalchemy import make_url, text
from sqlalchemy.exc import ProgrammingError

from config.catalogue import BOARD
from config.settings import Settings
from models.database import DatabaseUnavailableError, autocommit
from models.migrate import alembic_config
from models.nodes import split_hosts
from services import task_metrics
from services.leaderboard.keys import BoardKeys
from services.reconcile import outbox_backlog
from services.redis_client import RedisUnavailableError, as_cluster, make_redis, translate_outage
from services.resources import Resources

Level = Literal["ok", "warn", "fail"]
OLDEST_POSTGRES, OLDEST_REDIS = 15, (6, 2)
"""Older ones are not tested, and lack commands that the board uses."""
ANSWER_SECONDS = 3
SKEW_WARN, SKEW_FAIL = 0.5, 5.0
BEAT_SECONDS, OUTBOX_WARN, OUTBOX_FAIL = 30, 10, 30
LAG_SECONDS, LAG_BYTES = 10, 64 * 2**20
DISK_WARN, DISK_FAIL = 0.10, 0.02
MIGRATE = "Run `fairboard migrate` with this version, as the owner of the schema."
_WHERE_IT_IS = """
    SELECT pg_is_in_recovery(),
           pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN coalesce(pg_last_wal_replay_lsn(), '0/0')
                                ELSE pg_current_wal_lsn() END, '0/0'),
           CASE WHEN pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() THEN 0
                ELSE extract(epoch FROM now() - pg_last_xact_replay_timestamp()) END,
           EXISTS (SELECT FROM pg_stat_wal_receiver)
"""


@dataclass(frozen=True)
class Finding:
    """One line of the report. `mend` says what to do unless all is well."""

    check: str
    level: Level
    said: str
    mend: str = ""


def look(resources: Resources) -> Iterator[Finding]:
    """Every check that needs no Celery, in an order in which what fails first explains what fails later."""
    checks: tuple[tuple[str, Callable[[Resources], Finding]], ...] = (
        ("PostgreSQL", postgresql),
        ("Redis", redis),
        ("broker", broker),
        ("clock", clocks),
        ("migrations", migrations),
        ("beat", beat),
        ("outbox", outbox),
        ("board", board),
        ("disk", disk),
    )
    for name, check in checks:
        yield _guarded(name, check, resources)


def _guarded(name: str, check: Callable[[Resources], Finding], resources: Resources) -> Finding:
    """A server that is away was told of already; what rests on it is merely unknown."""
    try:
        return check(resources)
    except (DatabaseUnavailableError, psycopg2.OperationalError) as error:
        return _away(name, "PostgreSQL", "FAIRBOARD_DATABASE_URL", error)
    except ProgrammingError:  # A table or a column that is not there: `migrations` says which schema it is.
        return Finding(name, "warn", "not known, because the schema is not this version's", MIGRATE)
    except RedisUnavailableError as error:
        variable = "FAIRBOARD_BROKER_URL" if name == "broker" else "FAIRBOARD_REDIS_URL"
        return _away(name, "broker" if name == "broker" else "Redis", variable, error)


def _away(name: str, server: str, variable: str, error: Exception) -> Finding:
    if name != server:
        return Finding(name, "warn", f"not known, because {server} does not answer", f"Mend {server} first.")
    reason = " ".join(str(error.__cause__ or error).split())
    return Finding(name, "fail", f"does not answer: {reason}"[:300], f"Start it, or correct {variable}.")


def postgresql(resources: Resources) -> Finding:
    """Each host of the URL: is one the primary, and do the others follow?"""
    urls = split_hosts(resources.settings.database_url)
    hosts = [_host(url, alone=len(urls) == 1) for url in urls]
    head = max((host.at for host in hosts if host.role == "primary"), default=None)
    said = ", ".join(f"{host.name} {host.told(head)}" for host in hosts)
    if head is None:
        return Finding("PostgreSQL", "fail", said, "No host takes writes: look at the failover, or at the URL.")
    oldest = min(host.version for host in hosts if host.version)
    if oldest < OLDEST_POSTGRES:
        return Finding("PostgreSQL", "fail", f"version {oldest}: {said}", f"Use {OLDEST_POSTGRES} or later.")
    if not all(host.is_well(head) for host in hosts):
        return Finding("PostgreSQL", "warn", said, "A standby is away or behind: a failover would have to wait for it.")
    return Finding("PostgreSQL", "ok", f"version {oldest}: {said}")


@dataclass(frozen=True)
class _Host:
    """One PostgreSQL."""

    name: str
    role: Literal["primary", "standby", "away"] = "away"
    at: int = 0
    """Where in the log of writes it is, in bytes."""
    seconds: float = 0.0
    """How old the last thing is that a standby has applied, if it has received more."""
    follows: bool = True
    version: int | None = None

    def told(self, head: int | None) -> str:
        """What it is, and how far behind the primary. One that receives nothing has applied all that it received."""
        if self.role != "standby":
            return self.role
        if not self.follows:
            return "standby, receives nothing"
        if self._missing(head) > LAG_BYTES:
            return f"standby, {self._missing(head) / 2**20:,.0f} MiB behind"
        return f"standby, {self.seconds:.0f} s behind"

    def is_well(self, head: int | None) -> bool:
        """Whether it is the primary, or could become it at once."""
        fresh = self.follows and self.seconds < LAG_SECONDS and self._missing(head) <= LAG_BYTES
        return self.role == "primary" or (self.role == "standby" and fresh)

    def _missing(self, head: int | None) -> int:
        return 0 if head is None else head - self.at


def _name(url: str) -> str:
    address = make_url(url)
    return f"{address.host}:{address.port or 5432}"


def _connect(url: str) -> Any:
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    return psycopg2.connect(plain, connect_timeout=ANSWER_SECONDS, options="-c statement_timeout=3000")


def _host(url: str, *, alone: bool) -> _Host:
    name = _name(url)
    try:
        connection = _connect(url)
    except psycopg2.OperationalError:
        if alone:
            raise
        return _Host(name)
    with connection, connection.cursor() as cursor:
        cursor.execute(_WHERE_IT_IS)
        standby, at, seconds, follows = cursor.fetchone() or (False, 0, 0, False)
    connection.close()
    role: Literal["primary", "standby"] = "standby" if standby else "primary"
    return _Host(name, role, int(at), float(seconds or 0), bool(follows), connection.server_version // 10_000)


def redis(resources: Resources) -> Finding:
    """The board's Redis."""
    with translate_outage():
        return _redis("Redis", _of_the_board(resources, "info"))


def broker(resources: Resources) -> Finding:
    """The Redis of the queues."""
    client = make_redis(resources.settings.celery_url, deadline=ANSWER_SECONDS)
    with translate_outage():
        found = client.info()
    client.close()
    return _redis("broker", found)


def _redis(name: str, info: dict[str, Any]) -> Finding:
    version, policy = str(info["redis_version"]), info.get("maxmemory_policy", "noeviction")
    said = f"{info.get('server_name', 'redis')} {info.get('valkey_version', version)}, {info['role']}"
    if tuple(int(part) for part in version.split(".")[:2]) < OLDEST_REDIS:
        return Finding(name, "fail", said, "Use Redis 6.2 or later, or Valkey.")
    if info["role"] != "master":
        return Finding(name, "fail", said, "It takes no writes: the URL must lead to the master.")
    if policy != "noeviction":
        return Finding(name, "warn", f"{said}, evicts ({policy})", "Set maxmemory-policy to noeviction.")
    if info.get("maxmemory") == 0:
        return Finding(
            name, "warn", f"{said}, no maxmemory", "Set maxmemory, or the kernel ends it when memory is short."
        )
    if info.get("maxmemory") and info["used_memory"] > 0.9 * info["maxmemory"]:
        return Finding(
            name, "warn", f"{said}, memory nearly full", "Raise maxmemory: writes are refused when it is full."
        )
    return Finding(name, "ok", f"{said}, {info['used_memory_human']}")


def clocks(resources: Resources) -> Finding:
    """How far this machine, PostgreSQL with its nodes, and Redis are apart, half the time of asking taken off."""
    with autocommit(resources.engine) as connection:
        there = _skew(
            lambda: float(connection.execute(text("SELECT extract(epoch FROM clock_timestamp())")).scalar_one())
        )
    with translate_outage():
        skews = {"PostgreSQL": there, "Redis": _skew(lambda: _redis_time(resources))}
    skews |= _skews_of_nodes(resources)
    said = ", ".join(f"{name} {skew:+.2f} s" for name, skew in skews.items()) + " from this machine"
    worst = max(abs(skew) for skew in skews.values())
    level: Level = "fail" if worst > SKEW_FAIL else "warn" if worst > SKEW_WARN else "ok"
    return Finding("clock", level, said, "" if level == "ok" else "Let NTP (chrony) set the clock on every machine.")


def _skews_of_nodes(resources: Resources) -> dict[str, float]:
    """By node, where there are several: each may be the next primary. One that is away was told of already."""
    urls, skews = split_hosts(resources.settings.database_url), {}
    for url in urls if len(urls) > 1 else ():
        with (
            suppress(psycopg2.OperationalError),
            closing(_connect(url)) as connection,
            connection.cursor() as cursor,
        ):
            skews[_name(url)] = _skew(partial(_node_time, cursor))
    return skews


def _node_time(cursor: Any) -> float:
    cursor.execute("SELECT extract(epoch FROM clock_timestamp())")
    return float(cursor.fetchone()[0])


def _redis_time(resources: Resources) -> float:
    seconds, micros = _of_the_board(resources, "time")
    return float(seconds) + float(micros) / 1e6


def _of_the_board(resources: Resources, command: str) -> Any:
    """What the Redis that holds the board answers, which is one of several in a Redis Cluster."""
    cluster = as_cluster(resources.redis)
    if cluster is None:
        return getattr(resources.redis, command)()
    return getattr(cluster, command)(target_nodes=cluster.get_node_from_key(BoardKeys(BOARD).standings))


def _skew(ask: Callable[[], float]) -> float:
    ask()  # The first answer may include connecting.
    before = time.time()
    theirs = ask()
    return theirs - (before + time.time()) / 2


def migrations(resources: Resources) -> Finding:
    """Whether the schema is that of this version."""
    head = ScriptDirectory.from_config(alembic_config("")).get_current_head()
    with autocommit(resources.engine) as connection:
        if not connection.execute(text("SELECT to_regclass('alembic_version') IS NOT NULL")).scalar_one():
            return Finding("migrations", "fail", "the database is empty", MIGRATE)
        current = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()
    if current == head:
        return Finding("migrations", "ok", f"at {head}, the newest")
    return Finding("migrations", "fail", f"the database is at {current}, this version wants {head}", MIGRATE)


def beat(resources: Resources) -> Finding:
    """Whether beat has sent something lately."""
    seen = task_metrics.beat_seen(resources)
    start = f"Start it: celery -A workers beat --schedule {resources.settings.data_dir / 'beat-schedule'}"
    if seen is None:
        return Finding("beat", "fail", "was never seen", start)
    age = time.time() - seen
    if age < -BEAT_SECONDS:
        said = f"last seen {-age:,.0f} s ahead of this machine's time"
        return Finding("beat", "fail", said, "Let NTP (chrony) set the clocks; then look again whether beat runs.")
    if age > BEAT_SECONDS:
        return Finding("beat", "fail", f"last seen {age:,.0f} s ago", start)
    return Finding("beat", "ok", f"seen {max(0.0, age):.0f} s ago")


def outbox(resources: Resources) -> Finding:
    """Whether what was committed reaches Redis."""
    rows, age = outbox_backlog(resources)
    level: Level = "fail" if age > OUTBOX_FAIL else "warn" if age > OUTBOX_WARN else "ok"
    said = f"{rows:,} rows, the oldest {age:.0f} s old" if rows else "empty"
    return Finding("outbox", level, said, "" if level == "ok" else "Look at beat and the maintenance worker.")


def board(resources: Resources) -> Finding:
    """Whether the board is loaded and ranks as many players as PostgreSQL. `fairboard verify` compares each."""
    keys, query = BoardKeys(BOARD), "SELECT count(*) FROM standings WHERE board = :board AND score > 0 AND NOT hidden"
    with translate_outage():
        loaded, ranked = resources.redis.exists(keys.loaded), resources.redis.zcard(keys.standings)
    with autocommit(resources.engine) as connection:
        players = connection.execute(text(query), {"board": BOARD}).scalar_one()
    if not loaded:
        return Finding(
            "board", "fail", "is not in Redis", "Run `fairboard rebuild`; the next reconciliation does, too."
        )
    if ranked != players:
        said = f"Redis ranks {ranked:,} players, PostgreSQL {players:,}"
        return Finding(
            "board", "warn", said, "Ask again; if it stays so, run `fairboard verify`, then `fairboard rebuild`."
        )
    return Finding("board", "ok", f"{players:,} players, the same in Redis and PostgreSQL")


def disk(resources: Resources) -> Finding:
    """Room for the data."""
    return disk_of(resources.settings)


def disk_of(settings: Settings) -> Finding:
    """The same, without servers. A PostgreSQL that this machine does not run has a disk that nobody sees from here."""
    folder = settings.data_dir
    own = next((path for path in folder.glob("postgres*") if path.is_dir()), None)  # Of `up` and of `make cluster`.
    place = own or next((path for path in (folder, *folder.absolute().parents) if path.exists()), folder)
    usage = shutil.disk_usage(place)
    free = usage.free / usage.total
    level: Level = "fail" if free < DISK_FAIL else "warn" if free < DISK_WARN else "ok"
    said = f"{usage.free / 2**30:,.1f} GiB free ({free:.0%}) at {place}"
    said += "" if own else "; PostgreSQL's own disk is not seen from here"
    return Finding("disk", level, said, "" if level == "ok" else "Make room: PostgreSQL stops when its disk is full.")
