"""For how long requests wait while a server hands over to another, before they are refused."""

from __future__ import annotations

import time

PAUSE_SECONDS = 0.05
"""Between two tries."""


class Patience:
    """Of one process with one kind of server, for what the server has certainly not done.

    A planned handover ends within `seconds`, and then nobody has noticed it. A loss lasts longer: once the server has
    been away for as long, waiting is over for all, and requests are refused at once until it has answered again.
    """

    def __init__(self, seconds: float) -> None:
        """Nothing is away yet."""
        self._seconds = seconds
        self._away_since: float | None = None

    @property
    def waiting(self) -> bool:
        """Whether the server was away when it was last asked."""
        return self._away_since is not None

    def wait(self, begun: float) -> bool:
        """Wait a moment, and whether to try again. `begun` is when the caller first tried, on the monotonic clock."""
        if self._away_since is None:
            self._away_since = time.monotonic()
        if time.monotonic() - min(begun, self._away_since) >= self._seconds:
            return False
        time.sleep(PAUSE_SECONDS)
        return True

    def answered(self) -> None:
        """The server is there."""
        self._away_since = None
