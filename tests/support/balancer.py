"""The balancer of the cluster in front of one web server: Caddy with the configuration that production has."""

from __future__ import annotations

import os
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from cli.embedded import free_port
from cli.lifetime import die_with_parent
from tests.processes import ROOT, open_folder
from tests.support.stack import PROGRAMS, wait_for

CADDYFILE = ROOT / "deploy" / "caddy" / "Caddyfile"


def trusting() -> ssl.SSLContext:
    """TLS to a server whose authority was made a moment ago."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


@contextmanager
def balancer_before(server: int, *, answers_at: int = 200, **settings: str) -> Iterator[int]:
    """The port of a balancer that passes everything to the web server on a port, and answers with a status if asked."""
    port, web = free_port(), f"127.0.0.1:{server}"
    with open_folder() as home:
        own = {"FAIRBOARD_SITE": f"https://127.0.0.1:{port}", "FAIRBOARD_WEB": web, "FAIRBOARD_LIVE": web}
        process = _start(home, **own, **settings)
        try:
            wait_for(lambda: _status(port) == answers_at, 30, "the balancer")
            yield port
        finally:
            process.kill()
            process.wait()


def _start(home: Path, **settings: str) -> subprocess.Popen[bytes]:
    own = {"FAIRBOARD_TLS": "internal", "FAIRBOARD_SNI": "127.0.0.1", "CADDY_ADMIN": f"unix/{home / 'admin.sock'}"}
    folders = {name: str(home) for name in ("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME")}
    with (home / "caddy.log").open("wb") as log:
        return subprocess.Popen(
            [str(PROGRAMS / "caddy"), "run", "--config", str(CADDYFILE), "--adapter", "caddyfile"],
            env={**os.environ, **folders, **own, **settings},
            stdout=log,
            stderr=log,
            preexec_fn=die_with_parent(),  # noqa: PLW1509 -- two system calls, no locks
        )


def _status(port: int) -> int:
    try:
        return httpx.get(f"https://127.0.0.1:{port}/readyz", verify=trusting(), timeout=10).status_code
    except httpx.TransportError:
        return 0
