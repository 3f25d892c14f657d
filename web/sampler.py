"""What a web process measures of itself twice a second: how full it is, and how late its event loop is."""

from __future__ import annotations

import logging
import time
from typing import cast

import gevent
from flask import Flask
from prometheus_client import Gauge, Histogram
from sqlalchemy.pool import QueuePool

from config.settings import Settings
from services.memory import Memory
from services.resources import Resources
from web.context import RESOURCES
from web.sockets.endpoint import HUB
from web.sockets.hub import Hub

log = logging.getLogger(__name__)

SECONDS = 0.5

CONNECTIONS = Gauge(
    "fairboard_database_connections", "PostgreSQL connections in use.", ["state"], multiprocess_mode="livesum"
)
SOCKETS_MAX = Gauge("fairboard_sockets_max", "WebSockets there is room for.", multiprocess_mode="livesum")
PLAYERS_ONLINE = Gauge("fairboard_players_online", "Players with a WebSocket.", multiprocess_mode="livesum")
LOOP_LAG = Histogram(
    "fairboard_event_loop_lag_seconds",
    "How much later than asked for the event loop woke somebody.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0),
)
MEMORY = Gauge("fairboard_web_resident_bytes", "Memory of the web processes.", multiprocess_mode="livesum")


def start(app: Flask) -> None:
    """Measure from now on, for as long as the process lives."""
    own, hub = cast(Resources, app.extensions[RESOURCES]), cast(Hub, app.extensions[HUB])
    CONNECTIONS.labels("max").set(own.settings.database_pool_size)
    SOCKETS_MAX.set(places(own.settings))
    gevent.spawn(_forever, own, hub)


def places(settings: Settings) -> int:
    """How many WebSockets a process has room for: none, where the door for them is closed."""
    return 0 if settings.serves == "http" else settings.sockets_per_process


def _forever(own: Resources, hub: Hub) -> None:
    memory, asked = Memory(), time.perf_counter()
    while True:
        gevent.sleep(SECONDS)
        late, asked = time.perf_counter() - asked - SECONDS, time.perf_counter()  # What follows takes time as well.
        try:
            LOOP_LAG.observe(max(0.0, late))
            CONNECTIONS.labels("in use").set(cast(QueuePool, own.engine.pool).checkedout())
            PLAYERS_ONLINE.set(hub.players_online)
            MEMORY.set(memory.tidied())
        except Exception:
            log.exception("a sample failed")  # Out of descriptors, say. The next one may be better.
