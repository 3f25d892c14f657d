"""What was refused, in the log: who tried what with which kind of wrong. The metrics count all of it."""

from __future__ import annotations

import logging
import time

from flask import request

from services.errors import FairboardError
from web.context import client_address

log = logging.getLogger(__name__)

NOTED = frozenset({"FORBIDDEN", "INVALID_TOKEN", "ACCOUNT_SUSPENDED", "RATE_LIMIT_EXCEEDED", "ACTION_TOKEN_INVALID"})
"""What an honest client rarely meets."""


class Allowance:
    """So many lines a second for long and ten times as many at once: a flood is not to fill the disk."""

    def __init__(self, a_second: float) -> None:
        """Full at the beginning."""
        self._a_second = a_second
        self._left = 10 * a_second
        self._seen = time.monotonic()
        self.withheld = 0
        """How many asked in vain since the last one that did not."""

    def take(self) -> bool:
        """Whether there is room for one more."""
        now = time.monotonic()
        self._left = min(10 * self._a_second, self._left + (now - self._seen) * self._a_second)
        self._seen = now
        if self._left < 1:
            self.withheld += 1
            return False
        self._left -= 1
        return True


_lines = Allowance(10)


def log_refusal(error: FairboardError) -> None:
    """Write a line about a refusal, unless there were too many of them lately."""
    if error.code not in NOTED or not _lines.take():
        return
    withheld, _lines.withheld = _lines.withheld, 0
    route = request.url_rule.rule if request.url_rule else "unknown"
    more = f", and {withheld} more since the last line" if withheld else ""
    log.warning("refused: %s at %s %s from %s%s", error.code, request.method, route, client_address(), more)
