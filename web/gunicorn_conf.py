"""Gunicorn's settings: `gunicorn --config python:web.gunicorn_conf wsgi:app`."""

from __future__ import annotations

import gc
import os
import resource
import shutil
import signal
from types import FrameType
from typing import TYPE_CHECKING, Any

import gevent
from gevent.baseserver import BaseServer
from gunicorn.glogging import Logger

from config.logging import JsonLines
from config.settings import get_settings

if TYPE_CHECKING:
    from gunicorn.arbiter import Arbiter
    from gunicorn.workers.base import Worker

_settings = get_settings()

bind = f"[{_settings.host}]:{_settings.port}" if ":" in _settings.host else f"{_settings.host}:{_settings.port}"
workers = _settings.web_workers
worker_class = "gevent"
worker_connections = 12_000  # Of HTTP, idle ones included. WebSockets leave gunicorn (FAIRBOARD_SOCKETS_PER_PROCESS).
backlog = 2048
timeout = 30
# Ten thousand sockets are told to come back in two seconds, and requests end within two.
graceful_timeout = 6 + int(_settings.drain_seconds)
keepalive = 75
max_requests = 0  # A worker that recycles itself would cut its sockets.
limit_request_line = 4094
limit_request_fields = 64
limit_request_field_size = 8190
# Nobody may rewrite paths or schemes by a header; proxies in front are a setting of ours (FAIRBOARD_TRUSTED_PROXIES).
forwarder_headers = ""
secure_scheme_headers: dict[str, str] = {}


class _Log(Logger):
    """Gunicorn's own lines in the same form as all others."""

    def setup(self, cfg: Any) -> None:
        """After each start and reload."""
        super().setup(cfg)
        if _settings.log_format == "json":
            for handler in self.error_log.handlers:
                handler.setFormatter(JsonLines("web"))


logger_class = _Log
loglevel = _settings.log_level.lower()
accesslog = None
proc_name = "fairboard-web"
control_socket_disable = True  # Two servers on one machine would fight over its path; signals do what is needed.

ACCEPTED_IN_A_TURN = 16
"""Fewer than the sockets that are served in a turn, so that those who are here are heard however many come. By default
it is 100 where there is one worker; where there are more, gunicorn makes it one."""
COLLECTIONS = 5_000, 5, 500
"""New objects before the young ones are looked at; such looks before the older ones are; and those before all are."""

_goodbyes: list[gevent.Greenlet[..., None]] = []

# Prometheus's counters of all workers meet in files here. The folder is new at each start, so counters begin at zero.
_metrics = (_settings.data_dir / f"metrics-{_settings.port}").absolute()
shutil.rmtree(_metrics, ignore_errors=True)
_metrics.mkdir(parents=True)
os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(_metrics)


def post_fork(server: Arbiter, worker: Worker) -> None:
    """Let psycopg2 yield to other greenlets while it waits, and allow as many open sockets as the system does."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    from models.database import use_gevent  # noqa: PLC0415 -- after gevent has patched the standard library

    BaseServer.max_accept = ACCEPTED_IN_A_TURN
    use_gevent(_settings.database_deadline)


def _collect_rarely() -> None:
    """Look for garbage among all that lives only seldom.

    With ten thousand sockets that takes a tenth of a second, in which nobody is served, and by default it would come
    every few seconds while sockets open. What is loaded by now is no garbage and is not looked at again.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECTIONS)


def post_worker_init(worker: Worker) -> None:
    """Open connections before the first request comes, and spare the garbage collector what stays.

    On SIGTERM, which a reload sends too, tell every socket of a restart. Before that, go on for a while and say so at
    /healthz, so that a balancer sends what is new elsewhere.
    """
    from web import sampler  # noqa: PLC0415 -- needs the loaded application
    from web.context import DRAINING, PROBER, RESOURCES  # noqa: PLC0415
    from web.sockets.endpoint import HUB  # noqa: PLC0415
    from web.sockets.frames import RESTART  # noqa: PLC0415
    from wsgi import app  # noqa: PLC0415

    app.extensions[RESOURCES].warm_up()
    _collect_rarely()
    app.extensions[PROBER].start()
    sampler.start(app)

    def leave(number: int, stack: FrameType | None) -> None:
        _goodbyes.append(gevent.spawn(app.extensions[HUB].close_all, RESTART))
        worker.handle_exit(number, stack)

    def drain(number: int, stack: FrameType | None) -> None:
        app.extensions[DRAINING].set()
        gevent.spawn_later(_settings.drain_seconds, leave, number, stack)

    signal.signal(signal.SIGTERM, drain if _settings.drain_seconds else leave)


def worker_exit(server: Arbiter, worker: Worker) -> None:
    """Gunicorn waits for requests to end, which sockets are no more: wait until the last one has heard the goodbye."""
    gevent.joinall(_goodbyes, timeout=graceful_timeout)


def child_exit(server: Arbiter, worker: Worker) -> None:
    """Forget the gauges of a worker that ended."""
    from prometheus_client import multiprocess  # noqa: PLC0415 -- reads the environment when it is imported

    multiprocess.mark_process_dead(worker.pid)


def on_exit(server: Arbiter) -> None:
    """Remove the counters' files."""
    shutil.rmtree(os.environ["PROMETHEUS_MULTIPROC_DIR"], ignore_errors=True)
