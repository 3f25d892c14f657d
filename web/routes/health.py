"""Whether this process is alive, whether it can serve, and what it has counted."""

from __future__ import annotations

from flask import Blueprint, Response
from prometheus_client import CONTENT_TYPE_LATEST
from sqlalchemy import text

from models.database import DatabaseUnavailableError, autocommit
from services.redis_client import RedisUnavailableError, translate_outage
from web.context import answer, draining, prober, resources
from web.metrics import exposition
from web.openapi import describe
from web.operators import operators_only
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


@blueprint.get("/metrics")
@describe("Metrics", text="text/plain", open_to_all=True, errors=("UNAUTHORIZED", "INVALID_TOKEN", "FORBIDDEN"))
def metrics() -> Response:
    """For Prometheus: what is counted, and what waits. Operators only: from a trusted network, or with a token."""
    operators_only()
    return Response(exposition(), content_type=CONTENT_TYPE_LATEST)


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
