"""One line for each answer: what was asked for, by whom, and how it went."""

from __future__ import annotations

import logging
from typing import Any

from config.allowance import Allowance
from web.context import USER
from web.metrics import PROBLEM, asked_for

log = logging.getLogger("fairboard.access")

PROBES = ("/healthz", "/readyz", "/metrics")
"""Asked every few seconds by machines; their lines are for DEBUG."""
_refused = Allowance(10)
"""Refusals cost a stranger nothing, so a flood of them leaves ten lines a second and is counted in the metrics."""
_strangers = Allowance(50)
"""What anybody may have without saying who they are: pages, files, a public board. The number of the rest is told."""


def log_request(environ: dict[str, Any], status: str, seconds: float) -> None:
    """Write the line. It has the route and never the path, which a stranger could fill with anything."""
    method, route = asked_for(environ)
    level = logging.DEBUG if route in PROBES else logging.INFO
    if not log.isEnabledFor(level):
        return
    user, code = environ.get(USER), environ.get(PROBLEM)
    lines = _refused if code else _strangers if user is None else None
    if lines and not lines.take():
        return
    fields = {
        "http.request.method": method,
        "http.route": route,
        "http.response.status_code": int(status),
        "event.duration": int(seconds * 1e9),
        "client.address": environ.get("REMOTE_ADDR", ""),
    }
    fields |= {"user.id": str(user)} if user is not None else {}
    fields |= {"error.code": code} if code else {}
    if lines and lines.withheld:
        fields["fairboard.lines.withheld"], lines.withheld = lines.withheld, 0
    by, why = f" by {user}" if user is not None else "", f" {code}" if code else ""
    line = f"{method} {route} {status}{why} {seconds * 1000:.1f} ms{by}"
    log.log(level, line, extra={"fields": fields})  # The arguments are our own words and numbers.
