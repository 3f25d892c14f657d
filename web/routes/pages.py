"""The pages for people: the scoreboard at `/`, the review at `/review`, the documentation of the API at `/api/docs`.

Their static files come from here too, and `/fairboard.js`, which the envelope lets pages elsewhere read.

All of it works offline. Each answer carries an ETag and `Cache-Control: no-cache`, so that a browser asks each time and
is told in a few bytes that nothing changed: after an upgrade nobody plays with yesterday's page.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from flask import Blueprint, Response, abort, make_response, request, send_from_directory

from config.settings import get_settings

PAGE_CSP = (
    "default-src 'self'; connect-src 'self' ws: wss:; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
# Swagger UI sets style attributes and draws its icons from data: addresses. Scripts stay as strict as elsewhere.
DOCS_CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)

STATIC = Path(__file__).resolve().parent.parent / "static"
SWAGGER = Path(str(files("flask_swagger_ui"))) / "dist"
SWAGGER_FILES = frozenset({"swagger-ui.css", "swagger-ui-bundle.js"})

# The application must not have a static folder of its own: its rule would shadow this one.
pages = Blueprint("pages", __name__, static_folder=str(STATIC), static_url_path="/static")


def _page(html: str, csp: str) -> Response:
    """A page that is asked for again each time, and sent only if it changed."""
    response = make_response(html)
    response.headers["Content-Security-Policy"] = csp
    response.cache_control.no_cache = True
    response.add_etag()
    response.make_conditional(request)
    return response


@pages.get("/")
def scoreboard() -> Response:
    """The scoreboard. It is told whether the board is public, to spare visitors a call that would be refused."""
    html = (STATIC / "index.html").read_text("utf-8")
    public = "true" if get_settings().public_board else "false"
    return _page(html.replace('data-public-board="false"', f'data-public-board="{public}"', 1), PAGE_CSP)


@pages.get("/review")
def review() -> Response:
    """The analysts' page. It is the same for everybody, and empty until the API lets its visitor read the cases."""
    return _page((STATIC / "review.html").read_text("utf-8"), PAGE_CSP)


@pages.get("/fairboard.js")
def client() -> Response:
    """The client in JavaScript, at an address that is short enough to remember."""
    return send_from_directory(STATIC / "fairboard", "fairboard.js")


@pages.get("/api/docs", strict_slashes=False)
def api_docs() -> Response:
    """Swagger UI over `/api/openapi.json`, from the files that its wheel brings."""
    return _page((STATIC / "docs.html").read_text("utf-8"), DOCS_CSP)


@pages.get("/api/docs/<name>")
def api_docs_file(name: str) -> Response:
    """One of the two files of Swagger UI that the page needs; nothing else of the wheel is served."""
    if name not in SWAGGER_FILES:
        abort(404)
    return send_from_directory(SWAGGER, name)
