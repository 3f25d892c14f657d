"""`fairboard doctor` beside a running stack that loses its parts."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from services import task_metrics
from tests.support.stack import Stack, wait_for


def examined(stack: Stack) -> tuple[int, dict[str, dict[str, Any]]]:
    done = stack.command("doctor", "--json")
    assert done.stdout, done.stderr
    report = json.loads(done.stdout)
    assert done.returncode == {"ok": 0, "warn": 1, "fail": 2}[report["level"]]
    return done.returncode, {check["check"]: check for check in report["checks"]}


def test_a_running_stack_is_well(stack: Stack) -> None:
    wait_for(lambda: task_metrics.beat_seen(stack.resources()), what="beat")
    _, found = examined(stack)
    bad = {name: check for name, check in found.items() if check["level"] != "ok" and name != "disk"}
    assert not bad
    assert found["queues"]["said"] == "leaderboard 1, anticheat 1, maintenance 1 worker(s)"


def test_for_people_it_is_a_table(stack: Stack) -> None:
    done = stack.command("doctor")
    lines = done.stdout.splitlines()
    assert any(line.split()[:2] == ["✓", "PostgreSQL"] for line in lines), done.stdout
    assert "broken" in lines[-1]


def test_a_queue_that_nobody_takes_from_and_a_dead_beat(sick: Stack) -> None:
    sick.parts["anticheat"].kill()
    sick.parts["beat"].kill()
    sick.resources().redis.set(task_metrics.BEAT, time.time() - 100)
    code, found = examined(sick)
    assert code == 2
    assert found["queues"]["said"] == "nobody takes from anticheat"
    assert "celery -A workers worker -Q anticheat" in found["queues"]["mend"]
    assert found["beat"]["level"] == "fail"
    assert found["PostgreSQL"]["level"] == found["broker"]["level"] == "ok"


@pytest.mark.parametrize("server", ["postgres", "redis", "broker"])
def test_a_dead_server(sick: Stack, server: str) -> None:
    getattr(sick, server).kill()
    code, found = examined(sick)
    assert code == 2
    named = {"postgres": "PostgreSQL", "redis": "Redis", "broker": "broker"}[server]
    # Workers that wait for a server may be slow to say what they take from.
    assert [name for name, check in found.items() if check["level"] == "fail" and name != "queues"] == [named]
    assert found[named]["mend"].startswith("Start it")
