"""Errors as problem+json (RFC 9457): one handler for everything that can go wrong."""

from __future__ import annotations

import json
import logging

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException
from werkzeug.routing import RequestRedirect

from models.database import DatabaseUnavailableError
from services import errors, refusals
from services.errors import FairboardError
from services.redis_client import RedisUnavailableError
from web.context import USER, resources
from web.metrics import CROWDED, PROBLEM
from web.refusal_log import log_refusal

log = logging.getLogger(__name__)

CONTENT_TYPE = "application/problem+json"
_BY_STATUS: dict[int, type[FairboardError]] = {
    404: errors.NotFound,
    405: errors.MethodNotAllowed,
    413: errors.PayloadTooLarge,
    415: errors.UnsupportedMediaType,
}


def problem(error: FairboardError) -> Response:
    """The answer to a request that failed."""
    request.environ[PROBLEM] = error.code
    if isinstance(error, errors.Crowded):
        CROWDED.inc()
    _note(error)
    log_refusal(error)
    body: dict[str, object] = {
        "type": f"/api/docs#{error.code}",
        "title": error.title,
        "status": error.status,
        "code": error.code,
        "detail": error.detail,
    }
    if error.errors:
        body["errors"] = error.errors
    response = Response(json.dumps(body, ensure_ascii=False), error.status, content_type=CONTENT_TYPE)
    if error.retry_after is not None:
        response.headers["Retry-After"] = str(error.retry_after)
    if error.status == 401:
        response.headers["WWW-Authenticate"] = 'Bearer realm="fairboard"'
    return response


def _note(error: FairboardError) -> None:
    """Refusals of actions tell broken clients and cheats from others; those of dead sessions tell nothing."""
    caller: int | None = request.environ.get(USER)
    if caller is not None and request.blueprint == "actions" and error.status not in (401, 403):
        refusals.note(resources(), caller, error.code)


def register_error_handlers(app: Flask) -> None:
    """Turn every exception into a problem; those we did not expect into INTERNAL_ERROR without what is inside."""
    app.before_request(_refuse_redirects)
    app.register_error_handler(FairboardError, problem)
    app.register_error_handler(HTTPException, _from_http)
    app.register_error_handler(RedisUnavailableError, _from_outage)
    app.register_error_handler(DatabaseUnavailableError, _from_outage)
    app.register_error_handler(Exception, _unexpected)


def _refuse_redirects() -> None:
    """Routing would redirect an empty path to an address made from the Host header, which is the client's own word."""
    if isinstance(request.routing_exception, RequestRedirect):
        raise errors.NotFound


def _from_http(error: HTTPException) -> Response:
    status = error.code or 500
    known = _BY_STATUS.get(status, errors.InvalidRequest if status < 500 else errors.InternalError)
    response = problem(known())
    response.headers.extend((name, value) for name, value in error.get_headers() if name == "Allow")
    return response


def _from_outage(error: Exception) -> Response:
    log.warning("a dependency is away: %s", error)
    return problem(errors.ServiceUnavailable())


def _unexpected(error: Exception) -> Response:
    log.error("unexpected %s", type(error).__name__, exc_info=error)
    return problem(errors.InternalError())
