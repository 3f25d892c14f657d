"""For how long requests wait while a server hands over to another, before they are refused."""

from __future__ import annotations

import time

PAUSE_SECONDS = 0.1
"""Between two tries of a whole process."""
NOTICE_SECONDS = 0.03
"""How soon those who wait notice that one of them was answered."""


class Patience:
    """Of one process with one kind of server, for what may be asked of it twice.

    A planned handover ends within `seconds`, and then nobody has noticed it. A loss lasts longer: once the server has
    been away for as long, waiting is over for all, and requests are refused at once until it has answered again.
    """

    def __init__(self, seconds: float) -> None:
        """Nothing is away yet."""
        self._seconds = seconds
        self._away_since: float | None = None
        self._next_try = 0.0

    @property
    def waiting(self) -> bool:
        """Whether the server was away when it was last asked."""
        return self._away_since is not None

    def wait(self, begun: float) -> bool:
        """Wait, and whether to try again: when it is this caller's turn, or as soon as another one was answered.

        One at a time, or everybody's looking for the new server would keep it from answering. `begun` is when the
        caller first tried, on the monotonic clock.
        """
        if not self.waiting:
            self._away_since = time.monotonic()
            self._next_try = self._away_since + PAUSE_SECONDS
        while self.waiting:
            now = time.monotonic()
            if now - min(begun, self._away_since or begun) >= self._seconds:
                return False
            if now >= self._next_try:
                self._next_try = now + PAUSE_SECONDS
                return True
            time.sleep(NOTICE_SECONDS)
        return True

    def answered(self) -> None:
        """The server is there."""
        self._away_since = None
