"""Prometheus: what is counted, and how. With several workers the counts meet in PROMETHEUS_MULTIPROC_DIR."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from typing import Any

from flask import Request
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from models.database import DatabaseUnavailableError
from services.anticheat.schedule import backlog as analysis_backlog
from services.prober import Role, standbys
from services.reconcile import outbox_backlog
from services.redis_client import AWAY
from services.resources import Resources
from web.collectors import Kept
from web.context import resources

log = logging.getLogger(__name__)

PROBLEM = "fairboard.problem"
"""Where in the WSGI environment an answer that is a problem leaves its code."""
QUEUES = ("leaderboard", "anticheat", "maintenance")
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)

REQUESTS = Counter("fairboard_requests", "Requests by route and status.", ["method", "route", "status"])
DURATION = Histogram("fairboard_request_seconds", "Time a request took.", ["route"], buckets=_BUCKETS)
REFUSALS = Counter("fairboard_refusals", "Refused requests by error code.", ["code"])
CROWDED = Counter("fairboard_crowded", "Refusals by SERVICE_UNAVAILABLE because too many came at once.")
BOARD_READS = Counter("fairboard_board_reads", "Reads of the board by cache result.", ["cache"])
COMPLETIONS = Counter("fairboard_completions", "Completions that counted.", ["kind"])
POINTS = Counter("fairboard_points", "Points that completions earned.", ["kind"])
IN_PROGRESS = Gauge("fairboard_requests_in_progress", "Requests being answered.", multiprocess_mode="livesum")
SOCKET_CLOSES = Counter("fairboard_socket_closes", "WebSockets that ended, by close code.", ["code"])
SOCKETS = Gauge("fairboard_sockets", "Open WebSockets.", multiprocess_mode="livesum")
FRAMES = Counter("fairboard_frames", "Frames sent to sockets.")
COMMIT_TO_FRAME = Histogram(
    "fairboard_commit_to_frame_seconds",
    "From the commit of the first completion that a frame shows to the end of sending it.",
    buckets=_BUCKETS,
)
BROADCAST_LAG = Histogram(
    "fairboard_broadcast_lag_seconds", "From the recomputation to the web process that broadcasts it.", buckets=_BUCKETS
)

UP = Gauge(
    "fairboard_up",
    "Whether a PostgreSQL node, or Redis, answers.",
    ["server"],
    multiprocess_mode="livemin",
)
PRIMARY = Gauge(
    "fairboard_primary", "Whether a PostgreSQL node is the primary.", ["server"], multiprocess_mode="livemostrecent"
)


def report_role(server: str, role: Role) -> None:
    """What the prober saw."""
    UP.labels(server).set(role not in {"lost", "unknown"})
    if server != "redis":
        PRIMARY.labels(server).set(role == "primary")


def count_request(environ: dict[str, Any], status: str, seconds: float) -> None:
    """Count one request by its route, never by its path, of which a stranger could invent any number."""
    method, route = asked_for(environ)
    REQUESTS.labels(method, route, status).inc()
    DURATION.labels(route).observe(seconds)
    if code := environ.get(PROBLEM):
        REFUSALS.labels(code).inc()


def asked_for(environ: dict[str, Any]) -> tuple[str, str]:
    """The method and the rule of the route."""
    asked: Request | None = environ.get("werkzeug.request")
    rule = asked.url_rule if asked else None
    return (asked.method, rule.rule) if rule and asked else ("unknown", "unknown")


def exposition() -> bytes:
    """Everything counted, and what waits: queues and outbox."""
    registry = CollectorRegistry()
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        MultiProcessCollector(registry)
        own = generate_latest(registry)
    else:
        own = generate_latest()
    backlog = CollectorRegistry()
    backlog.register(_Backlog(resources()))
    backlog.register(Kept(resources()))
    return own + generate_latest(backlog)


class _Backlog(Collector):
    """What waits, measured when asked. What cannot be reached is left out rather than reported as zero."""

    def __init__(self, own: Resources) -> None:
        self._own = own

    def collect(self) -> Iterator[Metric]:
        """Queues and outbox."""
        try:
            yield from self._queues()
        except AWAY as error:
            log.warning("metrics without queues: %s", error)
        try:
            yield from self._outbox()
            yield from self._analysis()
            yield from self._standbys()
        except DatabaseUnavailableError as error:
            log.warning("metrics without outbox, analysis and standbys: %s", error)

    def _queues(self) -> Iterator[Metric]:
        waiting = GaugeMetricFamily("fairboard_queue_messages", "Tasks waiting in a queue.", labels=["queue"])
        for name in QUEUES:
            waiting.add_metric([name], int(self._own.broker.llen(name)))
        yield waiting

    def _outbox(self) -> Iterator[Metric]:
        rows, seconds = outbox_backlog(self._own)
        yield GaugeMetricFamily("fairboard_outbox_rows", "Standings that Redis may not have yet.", value=rows)
        yield GaugeMetricFamily("fairboard_outbox_age_seconds", "Age of the oldest of them.", value=seconds)

    def _standbys(self) -> Iterator[Metric]:
        if found := standbys(self._own):
            family = GaugeMetricFamily("fairboard_standbys", "Standbys of PostgreSQL's primary.", labels=["state"])
            for state, number in zip(("connected", "wanted"), found, strict=True):
                family.add_metric([state], number)
            yield family

    def _analysis(self) -> Iterator[Metric]:
        found = analysis_backlog(self._own)
        yield GaugeMetricFamily("fairboard_analysis_due", "Players whose analysis is due.", value=found.due)
        lag = "Since when the one who waits longest is due, in seconds."
        yield GaugeMetricFamily("fairboard_analysis_lag_seconds", lag, value=found.oldest_seconds)
        parked = "Players whose analysis failed again and again."
        yield GaugeMetricFamily("fairboard_analysis_parked", parked, value=found.parked)
        yield GaugeMetricFamily("fairboard_held_players", "Players held until a decision.", value=found.held)
        cases = GaugeMetricFamily("fairboard_open_cases", "Cases to be decided.", labels=["severity"])
        for severity in ("low", "medium", "high"):
            cases.add_metric([severity], found.open_cases.get(severity, 0))
        yield cases
        done = CounterMetricFamily("fairboard_analyses", "Analyses by what they came to.", labels=["outcome"])
        for outcome, number in sorted(found.analyses.items()):
            done.add_metric([outcome], number)
        yield done
