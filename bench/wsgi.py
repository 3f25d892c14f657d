"""Fairboard's own application, and beside it in the same server an empty Flask application at /empty."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from flask import Flask

from wsgi import app as fairboard

empty = Flask("empty")


@empty.get("/empty")
def nothing() -> str:
    """What Flask costs by itself."""
    return "ok"


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Send each request to the application it is for."""
    target = empty if environ["PATH_INFO"] == "/empty" else fairboard
    return target.wsgi_app(environ, start_response)
