"""The asynchronous edge: thin Celery tasks. `celery -A workers worker -Q leaderboard,anticheat,maintenance`."""

from workers.app import app

__all__ = ["app"]
