"""The application factory: builds, registers, and does nothing else."""

from __future__ import annotations

from flask import Flask, Response, g, request
from werkzeug.middleware.proxy_fix import ProxyFix

from config.logging import correlation_id, new_correlation_id
from config.settings import Settings
from services.resources import for_requests
from web import openapi
from web.context import DOORBELL, RESOURCES
from web.doorbell import Doorbell
from web.metrics import register_metrics
from web.parsing import MAX_BODY
from web.problems import register_error_handlers
from web.routes import accounts, actions, board, health, review
from web.routes.pages import pages
from web.sockets.endpoint import register_sockets
from web.tokens import register_jwt

SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}
CORRELATION_HEADER = "X-Correlation-Id"


def create_app(settings: Settings) -> Flask:
    """An application with everything it needs; nothing is connected before the first request."""
    app = Flask("web", static_folder=None)
    app.config.update(MAX_CONTENT_LENGTH=MAX_BODY)
    app.json.ensure_ascii = False  # type: ignore[attr-defined]  # Flask's own default provider
    own = for_requests(settings)
    app.extensions[RESOURCES], app.extensions[DOORBELL] = own, Doorbell()
    app.before_request(_begin)
    register_jwt(app, settings)
    register_error_handlers(app)
    register_metrics(app)
    for module in (accounts, actions, board, review, health, openapi):
        app.register_blueprint(module.blueprint)
    app.register_blueprint(pages)
    register_sockets(app, own)
    app.after_request(_end)
    if settings.trusted_proxies:
        hops = settings.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)  # type: ignore[method-assign]
    return app


def _begin() -> None:
    given = request.headers.get(CORRELATION_HEADER, "")
    plain = given.isascii() and given.replace("-", "").isalnum() and len(given) <= 64
    g.correlation_id = given if plain else new_correlation_id()
    correlation_id.set(g.correlation_id)


def _end(response: Response) -> Response:
    for name, value in SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers[CORRELATION_HEADER] = g.get("correlation_id", "-")
    return response
