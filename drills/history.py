"""What clients did and were told, and what the servers hold afterwards: all that the checker looks at."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise

ALREADY_USED = "TOKEN_ALREADY_USED"


class Outcome(StrEnum):
    """What a client knows after one attempt."""

    OK = "ok"
    FAIL = "fail"
    """Refused for certain: nothing was changed by this attempt."""
    UNKNOWN = "unknown"
    """No answer, or 503: it may have been done."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One completion that was sent. `token` is the action token's hash; times are seconds since the drill began."""

    token: str
    player: int
    invoked: float
    returned: float
    outcome: Outcome
    status: int = 0
    code: str = ""
    score: int = 0

    @property
    def seconds(self) -> float:
        """How long the client waited."""
        return self.returned - self.invoked

    @property
    def acknowledged(self) -> bool:
        """Whether the client was told that this token has counted: paid now, or by an earlier attempt."""
        return self.outcome is Outcome.OK or self.code == ALREADY_USED


@dataclass(frozen=True, slots=True)
class Sighting:
    """One board that a follower received. `rows` are (user id, score) from the first place down.

    `published` is whether it came as an update. A first board may be read anew, and is then newer than its version.
    """

    follower: int
    connection: int
    at: float
    version: int
    rows: tuple[tuple[int, int], ...]
    published: bool = True


@dataclass(frozen=True, slots=True)
class Silence:
    """A time in which PostgreSQL could not make anything durable, so that nothing may have been acknowledged."""

    begin: float
    end: float


@dataclass
class History:
    """Everything that the clients of one drill remember: `successes` are the times of all writes that were done."""

    attempts: list[Attempt] = field(default_factory=list)
    sightings: list[Sighting] = field(default_factory=list)
    silences: list[Silence] = field(default_factory=list)
    successes: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def acknowledged(self) -> set[str]:
        """The tokens that clients were told have counted."""
        return {attempt.token for attempt in self.attempts if attempt.acknowledged}

    def slowest(self) -> float:
        """The longest wait for an answer, or for the lack of one."""
        return max((attempt.seconds for attempt in self.attempts), default=0.0)

    def outage(self, begin: float, end: float) -> float:
        """The longest time within a span in which no write of anybody succeeded."""
        stopped, resumed = self._longest_gap(begin, end)
        return resumed - stopped

    def resumed(self, begin: float, end: float) -> float:
        """When that time was over."""
        return self._longest_gap(begin, end)[1]

    def _longest_gap(self, begin: float, end: float) -> tuple[float, float]:
        moments = [begin, *sorted(at for at in self.successes if begin < at < end), end]
        return max(pairwise(moments), key=lambda gap: gap[1] - gap[0])


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the ledger, `at` in seconds of PostgreSQL's clock."""

    token: str
    player: int
    points: int
    at: float


@dataclass(frozen=True)
class Truth:
    """What the servers hold once all is quiet, of the players of one drill."""

    ledger: tuple[Entry, ...]
    """In the order of each player's chain."""
    standings: dict[int, int]
    redis: dict[int, int]
    top: tuple[tuple[int, int], ...]
    """The first ten of the whole board, as PostgreSQL has them."""
    hidden: frozenset[int] = frozenset()
    """Players whom the product does not show; Redis does not rank them."""
    differences: tuple[str, ...] = ()
    """What `fairboard verify` found on the whole site."""
