"""Whether this process is alive, and whether it can serve."""

from __future__ import annotations

from flask import Blueprint, Response
from sqlalchemy import text

from models.database import DatabaseUnavailableError, autocommit
from services.redis_client import RedisUnavailableError, translate_outage
from web.context import answer, draining, prober, resources
from web.openapi import describe
from web.schemas import HealthAnswer, ReadyAnswer

blueprint = Blueprint("health", __name__)


@blueprint.get("/healthz")
@describe("Alive?", answer=HealthAnswer, open_to_all=True, also={503: HealthAnswer})
def healthz() -> Response:
    """Answers as long as the process does, with 503 while it is about to end. Asks nobody else."""
    return answer(HealthAnswer(status="leaving"), 503) if draining() else answer(HealthAnswer(status="ok"))


@blueprint.get("/readyz")
@describe("Ready?", answer=ReadyAnswer, open_to_all=True, also={503: ReadyAnswer})
def readyz() -> Response:
    """200 while PostgreSQL and Redis answer, else 503 that says which does not."""
    postgresql, redis = _postgresql_answers(), _redis_answers()
    ready = postgresql and redis
    body = ReadyAnswer(status="ready" if ready else "unavailable", postgresql=postgresql, redis=redis)
    return answer(body, 200 if ready else 503)


def _postgresql_answers() -> bool:
    if prober().primary_lost:
        return False
    try:
        with autocommit(resources().engine) as connection:
            return bool(connection.execute(text("SELECT true")).scalar_one())
    except DatabaseUnavailableError:
        return False


def _redis_answers() -> bool:
    try:
        with translate_outage():
            return bool(resources().redis.ping())
    except RedisUnavailableError:
        return False
