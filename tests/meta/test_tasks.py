"""What the web rings for, and what beat schedules, has a task, a queue and a part that takes from that queue."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

from celery import Celery
from celery.utils.saferepr import saferepr

import celeryconfig
from cli.parts import PARTS, QUEUES
from services import purging
from services.anticheat import together
from tests.processes import ROOT
from web import doorbell
from web.metrics import QUEUES as MEASURED
from workers import app
from workers.anticheat import REASONS
from workers.base import DATABASE_SECONDS, FairboardTask

EXPECTED = {
    "leaderboard.recompute": "leaderboard",
    "anticheat.analyse_player": "anticheat",
    "anticheat.analyse_groups": "anticheat",
    "anticheat.analyse_all": "anticheat",
    "maintenance.reconcile": "maintenance",
    "maintenance.purge_tokens": "maintenance",
}


def tasks() -> dict[str, str]:
    """Our tasks and the queue that each is sent to."""
    app.loader.import_default_modules()
    names = [name for name in app.tasks if not name.startswith("celery.")]
    return {name: app.amqp.router.route({}, name)["queue"].name for name in names}


def consumed() -> set[str]:
    """The queues that a part takes from."""
    return {part.argv[part.argv.index("-Q") + 1] for part in PARTS if "-Q" in part.argv}


def sent_by_name(folder: str) -> set[str]:
    """Every task name that stands in a call of `send_task`."""
    calls = (
        node
        for path in (ROOT / folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "send_task"
    )
    names = (call.args[0] for call in calls)
    return {str(name.value) for name in names if isinstance(name, ast.Constant)}


def test_there_are_the_tasks_that_the_protocol_names() -> None:
    assert tasks().items() >= EXPECTED.items()


def test_architecture_lists_every_task_with_its_queue() -> None:
    text = Path(ROOT, "docs", "architecture.md").read_text("utf-8")
    assert dict(re.findall(r"^\| `([a-z]+\.\w+)` \| `(\w+)` \|", text, re.MULTILINE)) == tasks()


def test_every_bell_has_a_task_on_the_queue_that_it_rings() -> None:
    bells = [value for value in vars(doorbell).values() if isinstance(value, doorbell.Bell)]
    assert bells
    for bell in bells:
        assert tasks()[bell.task] == bell.queue


def test_every_name_that_is_sent_has_a_task() -> None:
    assert sent_by_name("web") | sent_by_name("workers") <= set(tasks())


def test_everything_that_beat_schedules_has_a_task() -> None:
    assert {entry["task"] for entry in celeryconfig.beat_schedule.values()} <= set(tasks())


def test_every_queue_is_consumed_and_measured() -> None:
    assert set(tasks().values()) <= consumed()
    assert consumed() == set(QUEUES) == set(MEASURED)


def test_web_and_workers_talk_through_the_same_settings() -> None:
    other = Celery("probe", config_source="celeryconfig")
    assert other.conf.broker_url == app.conf.broker_url
    assert other.conf.accept_content == ["json"]


def test_a_task_ends_before_it_is_taken_for_lost() -> None:
    """What is restored too early runs twice at once. A retry waits for its time first, unacknowledged all the while."""
    longest = max(together.MOST_SECONDS, 3 * purging.MOST_SECONDS)
    assert longest + 3 * DATABASE_SECONDS < celeryconfig.task_soft_time_limit < celeryconfig.task_time_limit
    waiting = celeryconfig.task_time_limit + FairboardTask.retry_backoff_max
    assert waiting < celeryconfig.broker_transport_options["visibility_timeout"]


def test_what_waits_for_a_worker_outlives_a_difference_of_clocks() -> None:
    """`expires` is a time by beat's clock, and the worker's judges it."""
    schedule: dict[str, Any] = celeryconfig.beat_schedule
    assert min(entry["options"]["expires"] for entry in schedule.values()) >= 120


def test_task_files_are_thin() -> None:
    """Tasks take ids, call a service and return a small dict: no SQL and no Redis command in them."""
    for path in Path(ROOT, "workers").glob("*.py"):
        imported = {
            name.name if isinstance(node, ast.Import) else node.module or ""
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Import | ast.ImportFrom)
            for name in node.names
        }
        assert not [name for name in imported if name.split(".")[0] in {"sqlalchemy", "redis", "psycopg2", "flask"}]


def test_flower_shows_every_reason() -> None:
    """What it shows of a result is what Celery's event says of it, which is cut off at a length of the task's own."""
    reasons = [f"{number}: {'what somebody did, and how often, ' * 9}and so on {number}" for number in range(REASONS)]
    result = {"user": "a" * 32, "verdict": "flag high: regularity, replay", "events": 10_000, "reasons": reasons}
    shown = saferepr(result, app.tasks["anticheat.analyse_player"].resultrepr_maxsize)
    assert all(reason in shown for reason in reasons)
