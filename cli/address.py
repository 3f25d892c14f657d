"""Where this machine reaches a web server."""

from __future__ import annotations

import os

from config.settings import PREFIX, Settings, from_runtime_file

EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104
"""Who listens on all addresses of this machine is reached on one of them."""


def address(host: str, port: int | str) -> str:
    """The URL of a server that listens on a host."""
    reached = EVERYWHERE.get(host, host)
    return f"http://[{reached}]:{port}" if ":" in reached else f"http://{reached}:{port}"


def web_url() -> str:
    """The web server by the environment, and by what a running `fairboard up` has written where that says nothing.

    Other settings need not be there: whoever only asks over HTTP has no secrets.
    """
    written = from_runtime_file()
    host, port = (
        os.environ.get(PREFIX + name) or written.get(name.lower()) or str(Settings.model_fields[name.lower()].default)
        for name in ("HOST", "PORT")
    )
    return address(host, port)
