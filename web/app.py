"""The application factory: builds, registers, and does nothing else."""

from __future__ import annotations

from threading import Event

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from config import tracing
from config.settings import Settings
from services.prober import Prober
from services.resources import for_requests
from web import metrics, openapi
from web.context import DOORBELL, DRAINING, PROBER, RESOURCES
from web.doorbell import Doorbell
from web.envelope import Envelope
from web.parsing import MAX_BODY
from web.problems import register_error_handlers
from web.routes import accounts, actions, board, health, review
from web.routes.pages import pages
from web.sockets.endpoint import register_sockets
from web.tokens import register_jwt
from web.tracing import trace_requests


def create_app(settings: Settings) -> Flask:
    """An application with everything it needs; nothing is connected before the first request."""
    app = Flask("web", static_folder=None)
    app.config.update(MAX_CONTENT_LENGTH=MAX_BODY)
    app.url_map.merge_slashes = False  # It redirects to an address made from the Host header, which is the client's.
    app.json.ensure_ascii = False  # type: ignore[attr-defined]  # Flask's own default provider
    own = for_requests(settings)
    app.extensions |= {RESOURCES: own, DOORBELL: Doorbell()}
    app.extensions |= {DRAINING: Event(), PROBER: Prober(own, metrics.report_role)}
    register_jwt(app, settings)
    register_error_handlers(app)
    app.register_blueprint(health.blueprint)
    if settings.serves != "sockets":
        for module in (accounts, actions, board, review, openapi):
            app.register_blueprint(module.blueprint)
        app.register_blueprint(pages)
    register_sockets(app, own, open_door=settings.serves != "http")
    if tracing.is_on():
        trace_requests(app, believe_callers=settings.trusted_proxies > 0)
    app.wsgi_app = Envelope(app.wsgi_app, settings.allowed_origins, settings.hsts)  # type: ignore[method-assign]  # Flask's documented way
    if settings.trusted_proxies:
        hops = settings.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)  # type: ignore[method-assign]
    return app
