"""How tasks went, as processes count it together in Redis."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from services import task_metrics
from services.redis_client import RedisUnavailableError
from services.resources import Resources
from tests.support.people import People
from web.collectors import Kept

Without = Callable[[str], Resources]


@pytest.fixture(autouse=True)
def nothing_pending() -> None:
    task_metrics._pending.clear()


def test_runs_add_up(resources: Resources) -> None:
    for seconds, outcome in ((0.004, "success"), (0.02, "success"), (700, "failure")):
        task_metrics.record(resources, "leaderboard.recompute", outcome, seconds)
    found = task_metrics.read(resources)["leaderboard.recompute"]
    assert found.outcomes == {"success": 2, "failure": 1}
    assert found.seconds == pytest.approx(700.024)
    assert found.within == {0.005: 1, 0.025: 1}
    assert found.last > 0


def test_what_happens_while_redis_is_away_is_told_afterwards(resources: Resources, without: Without) -> None:
    task_metrics.record(without("redis"), "maintenance.reconcile", "failure", 0.1)
    assert task_metrics.read(resources) == {}
    task_metrics.record(resources, "maintenance.reconcile", "success", 0.1)
    assert task_metrics.read(resources)["maintenance.reconcile"].outcomes == {"failure": 1, "success": 1}
    with pytest.raises(RedisUnavailableError):
        task_metrics.read(without("redis"))


def test_beat_is_seen(resources: Resources) -> None:
    assert task_metrics.beat_seen(resources) is None
    task_metrics.note_beat(resources)
    assert (task_metrics.beat_seen(resources) or 0) > 1e9


def exposition(resources: Resources) -> str:
    registry = CollectorRegistry()
    registry.register(Kept(resources))
    return generate_latest(registry).decode()


def test_they_are_a_histogram_for_prometheus(resources: Resources, people: People) -> None:
    for seconds in (0.004, 0.02, 700):
        task_metrics.record(resources, "leaderboard.recompute", "success", seconds)
    people.complete(people.join(), "reaction")
    text = exposition(resources)
    for line in (
        'fairboard_tasks_total{outcome="success",task="leaderboard.recompute"} 3.0',
        'fairboard_task_seconds_bucket{le="0.005",task="leaderboard.recompute"} 1.0',
        'fairboard_task_seconds_bucket{le="60.0",task="leaderboard.recompute"} 2.0',
        'fairboard_task_seconds_bucket{le="+Inf",task="leaderboard.recompute"} 3.0',
        "fairboard_board_players 1.0",
    ):
        assert line in text.splitlines()


def test_what_is_away_is_left_out(without: Without) -> None:
    assert "fairboard" not in exposition(without("redis"))
    assert "fairboard_board_version" in exposition(without("postgres"))
