"""`fairboard doctor` on real servers, of which each time something is taken away or put out of joint."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from services import checkup, task_metrics
from services.checkup import Finding
from services.leaderboard.keys import BoardKeys
from services.resources import Resources
from tests.support.ground import Servers, make_settings, opened
from tests.support.people import People

Without = Callable[[str], Resources]
KEYS = BoardKeys("global")


def looked(resources: Resources) -> dict[str, Finding]:
    return {finding.check: finding for finding in checkup.look(resources)}


def levels(resources: Resources) -> dict[str, str]:
    return {name: finding.level for name, finding in looked(resources).items() if name != "disk"}


def test_all_is_well(resources: Resources, people: People) -> None:
    people.complete(people.join(), "reaction")
    task_metrics.note_beat(resources)
    found = looked(resources)
    assert {finding.level for name, finding in found.items() if name != "disk"} == {"ok"}, found
    assert found["board"].said.startswith("1 players")
    assert all(finding.level == "ok" or finding.mend for finding in found.values())


def test_without_postgresql_what_rests_on_it_is_unknown(without: Without) -> None:
    found = looked(without("postgres"))
    assert found["PostgreSQL"].level == "fail"
    assert "FAIRBOARD_DATABASE_URL" in found["PostgreSQL"].mend
    assert [found[name].level for name in ("clock", "migrations", "outbox", "board")] == ["warn"] * 4
    assert (found["Redis"].level, found["broker"].level) == ("ok", "ok")


def test_without_redis_what_rests_on_it_is_unknown(without: Without) -> None:
    found = looked(without("redis"))
    assert (found["Redis"].level, found["broker"].level) == ("fail", "fail")
    assert [found[name].level for name in ("clock", "beat", "board")] == ["warn"] * 3
    assert [found[name].level for name in ("PostgreSQL", "migrations", "outbox")] == ["ok"] * 3


def test_a_password_is_in_no_finding(without: Without) -> None:
    for server in ("postgres", "redis"):
        resources = without(server)
        for url in (resources.settings.database_url, resources.settings.redis_url):
            password = url.rpartition("@")[0].rpartition(":")[2]
            assert not [finding for finding in looked(resources).values() if password in str(finding)]


def test_a_schema_of_another_version(resources: Resources, servers: Servers) -> None:
    (before,) = servers.superuser("SELECT version_num FROM alembic_version")[0]
    servers.superuser("UPDATE alembic_version SET version_num = '0000' RETURNING 1")
    try:
        found = checkup.migrations(resources)
    finally:
        servers.superuser("UPDATE alembic_version SET version_num = %s RETURNING 1", before)
    assert found.level == "fail"
    assert "0000" in found.said
    assert "fairboard migrate" in found.mend


def test_an_empty_database_is_told(servers: Servers) -> None:
    servers.new_database("empty")
    url = servers.postgres.app_url.rpartition("/")[0] + "/empty"
    with opened(make_settings(servers, database_url=url)) as resources:
        found = looked(resources)
    assert (found["migrations"].level, found["migrations"].said) == ("fail", "the database is empty")
    for name in ("outbox", "board"):
        assert (found[name].level, found[name].mend) == ("warn", checkup.MIGRATE)
        assert "the schema is not this version's" in found[name].said


def test_a_beat_that_is_gone_or_never_was(resources: Resources) -> None:
    assert (checkup.beat(resources).level, checkup.beat(resources).said) == ("fail", "was never seen")
    resources.redis.set(task_metrics.BEAT, time.time() - 100)
    assert "100 s ago" in checkup.beat(resources).said
    assert f"--schedule {resources.settings.data_dir}/beat-schedule" in checkup.beat(resources).mend
    assert checkup.beat(resources).level == "fail"
    resources.redis.set(task_metrics.BEAT, time.time() + 100)
    assert "100 s ahead of this machine's time" in checkup.beat(resources).said
    assert checkup.beat(resources).level == "fail"


@pytest.mark.parametrize(("age", "level"), [(1, "ok"), (15, "warn"), (40, "fail")])
def test_an_outbox_that_nobody_drains(resources: Resources, people: People, age: int, level: str) -> None:
    people.complete(people.join(), "reaction")
    people.execute("UPDATE outbox SET created_at = now() - make_interval(secs => :age) RETURNING id", age=age)
    assert checkup.outbox(resources).level == level


def test_a_board_that_lost_players_or_itself(resources: Resources, people: People) -> None:
    people.complete(people.join(), "reaction")
    resources.redis.delete(KEYS.standings)
    assert (checkup.board(resources).level, checkup.board(resources).said) == (
        "warn",
        "Redis ranks 0 players, PostgreSQL 1",
    )
    resources.redis.delete(KEYS.loaded)
    assert checkup.board(resources).level == "fail"


def test_clocks_that_differ(resources: Resources, monkeypatch: pytest.MonkeyPatch) -> None:
    real = time.time
    for step, level in ((0, "ok"), (2, "warn"), (-60, "fail")):
        monkeypatch.setattr(time, "time", lambda step=step: real() + step)
        assert checkup.clocks(resources).level == level, step


def test_a_redis_that_evicts_or_follows(resources: Resources) -> None:
    info = dict(resources.redis.info())
    assert checkup._redis("Redis", info).level == "ok"
    assert checkup._redis("Redis", info | {"maxmemory_policy": "allkeys-lru"}).level == "warn"
    assert checkup._redis("Redis", info | {"maxmemory": 100, "used_memory": 99}).level == "warn"
    assert checkup._redis("Redis", info | {"maxmemory": 0}).level == "warn"
    assert checkup._redis("Redis", info | {"role": "slave"}).level == "fail"
    assert checkup._redis("Redis", info | {"redis_version": "5.0.14"}).level == "fail"
