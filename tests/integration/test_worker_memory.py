"""Workers share memory with their parent, and give back what became free."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from services.memory import Memory
from services.resources import Resources
from tests.processes import ROOT
from tests.support.nowhere import ENVIRONMENT
from tests.support.workers import working_for

BEFORE_A_FORK = """
import gc
from celery.signals import worker_before_create_process
from workers.app import app
garbage = []
garbage.append(garbage)
del garbage
worker_before_create_process.send(sender=app)
print(gc.get_freeze_count(), gc.collect())
"""


def test_what_is_there_before_a_fork_is_left_alone_by_the_collector() -> None:
    command = [sys.executable, "-c", BEFORE_A_FORK]
    environment = os.environ | ENVIRONMENT
    told = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=True)
    frozen, garbage = map(int, told.stdout.split())
    assert frozen > 10_000
    assert garbage < frozen / 100, "what was garbage went before"


def test_a_worker_tidies_up_after_each_task(resources: Resources, monkeypatch: pytest.MonkeyPatch) -> None:
    with working_for(resources):
        from workers import base  # noqa: PLC0415 -- it wants settings
        from workers.maintenance import reconcile  # noqa: PLC0415 -- see above

        memory = Memory()
        monkeypatch.setattr(base, "memory", lambda: memory)
        assert memory._kept == 0
        reconcile.apply(throw=True)
        assert memory._kept > 0
