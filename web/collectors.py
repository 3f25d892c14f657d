"""Figures that are kept elsewhere, and the same whichever web process is asked: of tasks, beat and the board."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from itertools import accumulate

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from config.catalogue import BOARD
from services import task_metrics
from services.leaderboard.keys import BoardKeys
from services.redis_client import RedisUnavailableError, translate_outage
from services.resources import Resources
from services.task_metrics import BOUNDS, TaskFigures

log = logging.getLogger(__name__)


class Kept(Collector):
    """What cannot be reached is left out rather than reported as zero."""

    def __init__(self, own: Resources) -> None:
        """Asks with the deadlines of `own`."""
        self._own = own

    def collect(self) -> Iterator[Metric]:
        """All of them."""
        try:
            yield from _tasks(task_metrics.read(self._own))
            yield from self._beat()
            yield from self._board()
        except RedisUnavailableError as error:
            log.warning("metrics without tasks and board: %s", error)

    def _beat(self) -> Iterator[Metric]:
        seen = task_metrics.beat_seen(self._own)
        if seen is not None:
            yield GaugeMetricFamily("fairboard_beat_seen_timestamp_seconds", "When beat last sent a task.", value=seen)

    def _board(self) -> Iterator[Metric]:
        keys = BoardKeys(BOARD)
        with translate_outage():
            version = self._own.redis.hget(keys.published, "version")
            players = self._own.redis.zcard(keys.standings)
        yield GaugeMetricFamily("fairboard_board_version", "Version last published.", value=float(version or 0))
        yield GaugeMetricFamily("fairboard_board_players", "Players whom the board ranks.", value=players)


def _tasks(figures: dict[str, TaskFigures]) -> Iterator[Metric]:
    runs = CounterMetricFamily("fairboard_tasks", "Runs of tasks.", labels=["task", "outcome"])
    took = HistogramMetricFamily("fairboard_task_seconds", "Time a run took.", labels=["task"])
    last = GaugeMetricFamily("fairboard_task_last_run_timestamp_seconds", "When the last run ended.", labels=["task"])
    for task, found in sorted(figures.items()):
        for outcome, count in found.outcomes.items():
            runs.add_metric([task, outcome], count)
        counts = accumulate(found.within.get(bound, 0) for bound in BOUNDS)
        buckets = [(str(bound), float(count)) for bound, count in zip(BOUNDS, counts, strict=True)]
        took.add_metric([task], [*buckets, ("+Inf", float(sum(found.outcomes.values())))], found.seconds)
        last.add_metric([task], found.last)
    yield from (runs, took, last)
