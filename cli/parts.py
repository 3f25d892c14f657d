"""The processes of Fairboard, as data: `fairboard up` runs them here, docker-compose.dev.yml in containers."""

from __future__ import annotations

import re

from cli.supervisor import Part


def _chatter_of(loggers: str) -> str:
    """What these loggers say for information, as text or as JSON (`config.logging`)."""
    return rf' INFO ({loggers}) |"log\.level": "info", .*"log\.logger": "({loggers})"'


# What the terminal is spared: banners, and what Celery says of each task. All of it is in the parts' log files, and
# Flower shows each task.
CELERY_CHATTER = re.compile(
    r"^\s*$|^ ?-{2,}|^- \*|^\s*\.> |^\s+\.( |$)|^\[(config|queues|tasks)\]"
    r"|^(__|LocalTime|Configuration ->| {2,4}\. [a-z-]+ ->)"
    r"|superuser privileges|_warn_or_raise|uid=0 euid=0|absolutely not recommended"
    r"|^Please specify a different user|^User information:"
    r"|^\s*warnings\.warn\(|RuntimeWarning: You're running|SecurityWarning"
    r"|celery beat v|: Warm shutdown|"
    + _chatter_of(r"workers\.base|celery\.(beat|worker\.strategy|app\.trace|worker\.consumer\.\w+)")
)
GUNICORN_CHATTER = re.compile(
    r"\[INFO\] (?!Listening|Booting)"
    r'|"log\.level": "info", "message": "(?!Listening|Booting).*"log\.logger": "gunicorn\.error"|'
    + _chatter_of(r"fairboard\.access|web\.sockets\.hub|services\.prober")
)
# Flower asks workers that are not there yet, and lists every task.
FLOWER_CHATTER = re.compile(r"^\s|^$|^\[I |Inspect method \w+ failed|^Registered tasks")
POSTGRES_CHATTER = re.compile(
    r"^LOG:|^STATEMENT:|^DETAIL:|^HINT:|^ERROR:|^\s|the database system is|terminating connection due to administrator"
)
REDIS_CHATTER = re.compile(r"^$|^\d+:\S+ .* [*.-] |overcommit|bye bye|signal-handler")


def _worker(queue: str) -> Part:
    argv = ("celery", "-A", "workers", "worker", "-Q", queue, "-n", f"{queue}@%h", "--concurrency", "1")
    return Part(queue, argv, patience=3.2, hides=CELERY_CHATTER)


QUEUES = ("leaderboard", "anticheat", "maintenance")

PARTS = (
    Part("web", ("gunicorn", "--config", "python:web.gunicorn_conf", "wsgi:app"), patience=4.5, hides=GUNICORN_CHATTER),
    *(_worker(queue) for queue in QUEUES),
    Part(
        "beat",
        ("celery", "-A", "workers", "beat", "--schedule", "{data_dir}/beat-schedule"),
        patience=0.8,
        hides=CELERY_CHATTER,
    ),
    Part(
        "flower",
        ("celery", "-A", "workers", "flower", "--port={flower_port}", "--address={host}"),
        patience=0.6,
        hides=FLOWER_CHATTER,
    ),
)
"""In the order of their start. Names in braces are settings."""

PLAYERS = Part("simulate", ("fairboard", "simulate", "--players", "{players}", "--url", "{url}"), patience=0.8)

STOP_STAGES = ((PLAYERS.name,), ("beat", *QUEUES, "flower", "web"), ("redis",), ("postgres",))
"""Who ends before whom. The patience with all stages, two embedded servers included, is seven seconds."""
PATIENCE_WITH_POSTGRES, PATIENCE_WITH_REDIS = 1.2, 0.6
