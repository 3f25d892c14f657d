"""What was refused, in the log: who tried what with which kind of wrong. The metrics count all of it."""

from __future__ import annotations

import logging

from flask import request

from config.allowance import Allowance
from services.errors import FairboardError
from web.context import client_address

log = logging.getLogger(__name__)

NOTED = frozenset({"FORBIDDEN", "INVALID_TOKEN", "ACCOUNT_SUSPENDED", "RATE_LIMIT_EXCEEDED", "ACTION_TOKEN_INVALID"})
"""What an honest client rarely meets."""


_lines = Allowance(10)


def log_refusal(error: FairboardError) -> None:
    """Write a line about a refusal, unless there were too many of them lately."""
    if error.code not in NOTED or not _lines.take():
        return
    withheld, _lines.withheld = _lines.withheld, 0
    route = request.url_rule.rule if request.url_rule else "unknown"
    more = f", and {withheld} more since the last line" if withheld else ""
    log.warning("refused: %s at %s %s from %s%s", error.code, request.method, route, client_address(), more)
