"""What a web process measures of itself twice a second: how full it is, and how late its event loop is."""

from __future__ import annotations

import ctypes
import gc
import time
from collections.abc import Callable
from pathlib import Path
from typing import cast

import gevent
from flask import Flask
from prometheus_client import Gauge, Histogram
from sqlalchemy.pool import QueuePool

from services.resources import Resources
from web.context import RESOURCES
from web.sockets.endpoint import HUB
from web.sockets.hub import Hub

SECONDS = 0.5
PAGE_BYTES = 4096
SPARE_BYTES = 24 * 2**20
"""What memory may grow by before it is tidied up."""

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
    SOCKETS_MAX.set(own.settings.sockets_per_process)
    gevent.spawn(_forever, own, hub)


def _forever(own: Resources, hub: Hub) -> None:
    trim, kept, asked = _trimmer(), _resident(), time.perf_counter()
    while True:
        gevent.sleep(SECONDS)
        LOOP_LAG.observe(max(0.0, time.perf_counter() - asked - SECONDS))
        asked = time.perf_counter()  # What follows takes time as well.
        CONNECTIONS.labels("in use").set(cast(QueuePool, own.engine.pool).checkedout())
        PLAYERS_ONLINE.set(hub.players_online)
        if (now := _resident()) > kept + SPARE_BYTES:
            gc.collect()
            trim(0)
            now = kept = _resident()
        MEMORY.set(now)


def _resident() -> int:
    """Bytes of memory that this process holds."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * PAGE_BYTES


def _trimmer() -> Callable[[int], object]:
    """What gives free memory back to the system, which glibc does by itself only at the top of the heap.

    While Redis is away for seconds, hundreds of requests wait and fail. Their exceptions are garbage that nobody looks
    for until much later (web/gunicorn_conf.py), and what is allocated for long meanwhile lies among their buffers.
    Another C library has no such function and does not need it.
    """
    return getattr(ctypes.CDLL(None), "malloc_trim", lambda pad: None)
