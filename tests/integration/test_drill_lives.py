"""A run of a drill tells what ended without being asked to: a part, or a child that its part has replaced since."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest
from celery import Celery

from cli.embedded import EmbeddedRedis
from cli.parts import PARTS
from config.settings import PREFIX
from drills.lives import Lives
from drills.stack_site import LinkedStack, OwnPart, ServerPart, StackSite
from services.resources import Resources
from tests.processes import ROOT, open_folder
from tests.support.nowhere import ENVIRONMENT
from tests.support.stack import Part, wait_for

PARENT = """
import os, sys, time
while True:
    child = os.fork()
    if not child:
        time.sleep(600)
    os.waitpid(child, 0)
    {says}
"""
"""Has one child, and forks another when that has ended, as gunicorn and Celery do."""
SAYS = 'print(f"process {child} ends as planned", flush=True)'
Begin = Callable[[str], OwnPart]


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Begin]:
    """Starts programs as parts that end with the test."""
    with ExitStack() as ends:

        def start(program: str) -> OwnPart:
            part = OwnPart(Part("web", [sys.executable, "-c", program], dict(os.environ), tmp_path / "web.log"))
            ends.callback(part.part.kill)
            part.start()
            return part

        yield start


def child(part: OwnPart) -> int:
    return int(wait_for(lambda: part.pids[1:], what="a child")[0])


def kill_child(part: OwnPart) -> None:
    old = child(part)
    os.kill(old, signal.SIGKILL)
    wait_for(lambda: [pid for pid in part.pids[1:] if pid != old], what="another child")


def test_a_part_that_ends_by_itself_is_told_once(begin: Begin) -> None:
    part = begin("raise SystemExit(3)")
    lives = Lives({"web": part})
    assert part.process is not None
    part.process.wait(30)
    assert lives.ended("1") == ["web ended by itself with code 3"]
    assert lives.ended("1") == []


@pytest.mark.parametrize("how", ["start", "kill", "terminate"])
def test_what_hides_the_end_of_a_part_does_not_hide_that_it_was_not_asked_for(begin: Begin, how: str) -> None:
    part = begin("raise SystemExit(3)")
    lives = Lives({"web": part})
    assert part.process is not None
    part.process.wait(30)
    getattr(part, how)()
    assert lives.ended("1") == ["web ended by itself with code 3"]


def test_a_part_that_a_drill_ends_is_not_told(begin: Begin) -> None:
    part = begin(PARENT.format(says=""))
    lives = Lives({"web": part})
    for end in (part.kill, part.terminate):
        end()
        part.start()
        child(part)
    assert lives.ended("1") == []


def test_a_server_that_ends_by_itself_is_told_but_for_the_row_that_ends_it() -> None:
    with open_folder() as folder:
        server = EmbeddedRedis(folder / "redis")
        server.start()
        part = ServerPart(server)
        try:
            lives = Lives({"postgres": part})
            for row, problems in (("1", ["postgres ended by itself with code -9"]), ("7a", [])):
                os.kill(part.pids[0], signal.SIGKILL)
                part.server.process.wait(30)  # type: ignore[union-attr]  # It runs.
                part.start()
                assert lives.ended(row) == problems
            part.kill()
            part.start()
            assert lives.ended("1") == []
        finally:
            server.stop()


def test_a_child_that_was_replaced_is_told_but_for_the_row_that_replaces_it(begin: Begin) -> None:
    part = begin(PARENT.format(says=""))
    child(part)
    lives = Lives({"web": part})
    assert lives.ended("1") == []
    kill_child(part)
    assert lives.ended("1") == ["1 of the processes of web ended by themselves and were replaced"]
    kill_child(part)
    assert lives.ended("13") == []
    assert lives.ended("1") == []


def test_a_child_whose_end_was_planned_is_counted(begin: Begin) -> None:
    part = begin(PARENT.format(says=SAYS))
    child(part)
    lives = Lives({"web": part})
    kill_child(part)
    wait_for(lambda: "as planned" in part.part.text())
    assert lives.ended("1") == []
    assert lives.planned == 1


def test_a_worker_writes_that_a_process_ends_because_of_its_memory(resources: Resources, tmp_path: Path) -> None:
    urls = {"DATABASE_URL": resources.settings.database_url, "REDIS_URL": resources.settings.redis_url}
    environment = {**os.environ, **ENVIRONMENT, **{PREFIX + name: str(value) for name, value in urls.items()}}
    argv = next(part.argv for part in PARTS if part.name == "maintenance")
    part = OwnPart(Part("maintenance", [*argv, "--max-memory-per-child", "1"], environment, tmp_path / "worker.log"))
    with Celery(broker=resources.settings.celery_url) as celery:
        try:
            part.start()
            old = child(part)
            lives = Lives({"maintenance": part})
            celery.send_task("maintenance.purge_tokens", queue="maintenance")
            wait_for(lambda: "as planned" in part.part.text(), 60, "the end of a process")
            problems = lives.ended("1")  # It may run for a moment yet.
            wait_for(lambda: old not in part.pids)
            assert [*problems, *lives.ended("1")] == []
            assert lives.planned == 1
        finally:
            part.part.kill()


def test_a_crash_of_one_process_of_postgresql_is_told() -> None:
    """All others end with it, and its main process starts them again."""
    with open_folder() as folder:
        site = StackSite(LinkedStack(folder, ROOT, None), None)
        site.primary.start()
        try:
            checkpointer = next(pid for pid in site.primary.pids if "checkpointer" in psutil.Process(pid).cmdline()[0])
            lives = Lives(site.parts)
            os.kill(checkpointer, signal.SIGSEGV)
            wait_for(lambda: checkpointer not in site.primary.pids)
            wait_for(site.stack.postgres.is_ready)
            assert lives.ended("16") == ["1 of the processes of postgres ended by themselves and were replaced"]
        finally:
            site.primary.terminate()


def test_what_a_drill_left_goes_with_a_rescue(begin: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_folder() as folder:
        site = StackSite(LinkedStack(folder, ROOT, None), None)
        monkeypatch.setattr(site.stack, "parts", {})
        monkeypatch.setattr(site.stack, "wait_until_ready", lambda: None)
        site.primary.start()
        site.board.start()
        normal, odd = begin(PARENT.format(says="")), begin(PARENT.format(says=""))
        odd.terminate()
        odd.start({"FAKETIME": "+600"})
        site.parts = {"postgres": site.primary, "redis": site.board, "normal": normal, "odd": odd}
        try:
            site.ask("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
            site.ask("SELECT pg_reload_conf()")
            site.resources().redis.config_set("maxmemory", 1)
            site.rescue()
            assert site.ask("SHOW synchronous_standby_names") == [("",)]
            assert site.resources().redis.config_get("maxmemory")["maxmemory"] == str(2**30)
            assert (normal.part.alive, odd.part.alive) == (True, False), "the stack of this test starts no parts"
        finally:
            site.stack.end()
