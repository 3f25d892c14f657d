"""What clients did and were told, and what the servers hold afterwards: all that the checker looks at."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise
from typing import ClassVar

ALREADY_USED = "TOKEN_ALREADY_USED"
LIMITED = "RATE_LIMIT_EXCEEDED"


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
    call: ClassVar[str] = "complete"

    @property
    def seconds(self) -> float:
        """How long the client waited."""
        return self.returned - self.invoked

    @property
    def acknowledged(self) -> bool:
        """Whether the client was told that this token has counted: paid now, or by an earlier attempt."""
        return self.outcome is Outcome.OK or self.code == ALREADY_USED


@dataclass(frozen=True, slots=True)
class Request:
    """One call for an action token, told as an Attempt is."""

    player: int
    invoked: float
    returned: float
    status: int = 0
    code: str = ""
    call: ClassVar[str] = "request"

    @property
    def seconds(self) -> float:
        """How long the client waited."""
        return self.returned - self.invoked


Call = Attempt | Request


def answer_to(call: Call) -> str:
    """What was answered to what, in words."""
    return f"{call.call}: {call.status} {call.code}".strip()


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
    """Everything that the clients of one drill remember."""

    attempts: list[Attempt] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    sightings: list[Sighting] = field(default_factory=list)
    silences: list[Silence] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    """Calls that were not answered with success, in the order of their answers."""
    pending: dict[str, int] = field(default_factory=dict)
    """Tokens of which nobody knows at the end what became of them, and whose they are."""

    @property
    def calls(self) -> list[Call]:
        """Everything that clients asked for."""
        return [*self.attempts, *self.requests]

    def acknowledged(self) -> set[str]:
        """The tokens that clients were told have counted."""
        return {attempt.token for attempt in self.attempts if attempt.acknowledged}

    def slowest(self) -> float:
        """The longest wait for an answer, or for the lack of one."""
        return max((call.seconds for call in self.calls), default=0.0)

    def outage(self, begin: float, end: float) -> float:
        """The longest time within a span in which no completion of anybody was acknowledged."""
        stopped, resumed = self._longest_gap(self._acknowledgements(), begin, end)
        return resumed - stopped

    def resumed(self, begin: float, end: float) -> float:
        """When that time was over."""
        return self._longest_gap(self._acknowledgements(), begin, end)[1]

    def outage_of_requests(self, begin: float, end: float) -> float:
        """The longest time within a span in which nobody was given a token."""
        given = [request.returned for request in self.requests if request.status == 200]
        stopped, resumed = self._longest_gap(given, begin, end)
        return resumed - stopped

    def _acknowledgements(self) -> list[float]:
        return [attempt.returned for attempt in self.attempts if attempt.acknowledged]

    @staticmethod
    def _longest_gap(times: list[float], begin: float, end: float) -> tuple[float, float]:
        moments = [begin, *sorted(at for at in times if begin < at < end), end]
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
