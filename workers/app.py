"""The Celery application of the workers and beat."""

from __future__ import annotations

from typing import Any

from celery import Celery
from celery.signals import setup_logging

from config.logging import configure_logging
from config.settings import get_settings

app = Celery(
    "fairboard",
    config_source="celeryconfig",
    include=["workers.leaderboard", "workers.anticheat", "workers.maintenance"],
)


@setup_logging.connect
def _log_like_everybody(**_: Any) -> None:
    configure_logging(get_settings().log_level)
