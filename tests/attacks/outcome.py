"""What became of an attack."""

from __future__ import annotations

import time
from dataclasses import dataclass


@dataclass(frozen=True)
class Outcome:
    """One row of the report."""

    attack: str
    tries: int
    wanted: str
    found: str
    held: bool
    """Whether Fairboard held."""
    seconds: float


class Clock:
    """Seconds since it was made."""

    def __init__(self) -> None:
        self._begun = time.monotonic()

    @property
    def seconds(self) -> float:
        """Until now."""
        return time.monotonic() - self._begun
