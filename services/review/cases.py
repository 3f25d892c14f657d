"""Reading the cases: the queue, one case with all that is known of it, and how many wait."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import text

from models.database import DatabaseUnavailableError, autocommit
from services.errors import NotFound, ServiceUnavailable
from services.resources import Resources

Severity = Literal["high", "medium", "low"]
Sort = Literal["newest", "severity"]
SEVERITIES: tuple[Severity, ...] = ("high", "medium", "low")
PAGE = 50
_FIRST = (len(SEVERITIES) + 1, 2**62)

_WEIGHT = "array_position(ARRAY['low', 'medium', 'high'], c.severity)"
_CASES = """
    SELECT c.id, c.user_id, u.username, c.status, c.severity, c.held, c.opened_at, c.updated_at,
           u.status AS account_status,
           (SELECT count(DISTINCT CASE WHEN e.details ? 'eValue' THEN e.rule ELSE e.fingerprint END)
            FROM evidence e WHERE e.case_id = c.id) AS reasons,
           (SELECT array_agg(DISTINCT e.rule ORDER BY e.rule) FROM evidence e WHERE e.case_id = c.id) AS rules,
           (SELECT count(*) FROM decisions d WHERE d.case_id = c.id)
           + (SELECT count(*) FROM evidence e WHERE e.case_id = c.id AND e.details ? 'eValue') AS version
    FROM review_cases c JOIN users u ON u.id = c.user_id
"""
_CHOSEN = "WHERE c.status = :status AND (CAST(:severity AS text) IS NULL OR c.severity = :severity) "
_NEWEST = text(_CASES + _CHOSEN + "AND c.id < :before ORDER BY c.id DESC LIMIT :limit")
_WORST = text(
    _CASES + _CHOSEN + f"AND ({_WEIGHT}, c.id) < (:weight, :before) ORDER BY {_WEIGHT} DESC, c.id DESC LIMIT :limit"
)
_ONE = text(_CASES + "WHERE c.id = :id")
_EVIDENCE = text("""
    SELECT rule, family, severity, reason, value, threshold, entries, details, created_at, created_at
    FROM evidence WHERE case_id = :id ORDER BY id
""")
_DECISIONS = text("""
    SELECT d.decision, d.note, d.scope, cardinality(d.entries), d.created_at, u.username AS decided_by
    FROM decisions d JOIN users u ON u.id = d.decided_by WHERE d.case_id = :id ORDER BY d.id
""")
_WAITING = text("""
    SELECT count(*) FILTER (WHERE status = 'open' AND severity = 'high'),
           count(*) FILTER (WHERE status = 'open' AND severity = 'medium'),
           count(*) FILTER (WHERE status = 'open' AND severity = 'low'), coalesce(max(id), 0), max(updated_at)
    FROM review_cases
""")


@dataclass(frozen=True)
class Case:
    """A case as it is listed. `version` counts its decisions and what the analysis has found.

    Not refusals at the door: whoever is refused every few seconds would keep analysts from deciding.
    """

    id: int
    user_id: int
    username: str
    status: str
    severity: str
    held: bool
    opened_at: datetime
    updated_at: datetime
    account_status: str
    reasons: int
    rules: Sequence[str] | None
    version: int


@dataclass(frozen=True)
class Reason:
    """A reason of a case: a refusal at the door, or what a rule of the analysis has found, at its most telling."""

    rule: str
    family: str
    severity: str
    reason: str
    value: float | None
    threshold: float | None
    entries: Sequence[int]
    details: dict[str, Any]
    created_at: datetime
    last_at: datetime
    """When it was found again."""

    def with_later(self, later: Reason) -> Reason:
        """This reason with what the same rule has found in another window."""
        best = max(self, later, key=lambda reason: reason.details["eValue"])
        return replace(
            best,
            severity=min(self.severity, later.severity, key=SEVERITIES.index),
            entries=sorted({*self.entries, *later.entries}),
            created_at=self.created_at,
            last_at=later.last_at,
        )


@dataclass(frozen=True)
class DecisionMade:
    """One line of a case's audit: `scope` as it was asked for, and how many completions that named."""

    decision: str
    note: str
    scope: dict[str, Any]
    entries: int
    created_at: datetime
    decided_by: str


@dataclass(frozen=True)
class CaseFile:
    """A case with everything known of it."""

    case: Case
    evidence: list[Reason]
    decisions: list[DecisionMade]


@dataclass(frozen=True)
class Waiting:
    """How many open cases there are of each severity, the newest case, and when any case last changed."""

    high: int
    medium: int
    low: int
    newest: int
    changed_at: datetime | None


@dataclass(frozen=True)
class Cursor:
    """Where a page ended: the severity of its last case, which only the order by severity looks at, and its id."""

    weight: int
    before: int

    @classmethod
    def parse(cls, written: str) -> Cursor:
        """A cursor as `__str__` wrote it, or an id alone."""
        weight, _, before = written.rpartition("-")
        return cls(int(weight or 0), int(before))

    def __str__(self) -> str:
        """`<weight>-<id>`."""
        return f"{self.weight}-{self.before}"


def list_cases(
    resources: Resources,
    *,
    status: str,
    cursor: Cursor | None = None,
    severity: Severity | None = None,
    sort: Sort = "newest",
    limit: int = PAGE,
) -> tuple[list[Case], Cursor | None]:
    """A page of cases, and the cursor of the next page. By severity means the worst first, then the newest.

    A case that stays as it is comes exactly once, whatever happens to others meanwhile. Raises ServiceUnavailable.
    """
    weight, before = (cursor.weight, cursor.before) if cursor else _FIRST
    parameters = {"status": status, "severity": severity, "weight": weight, "before": before, "limit": limit + 1}
    try:
        with autocommit(resources.replica) as connection:
            found = connection.execute(_WORST if sort == "severity" else _NEWEST, parameters)
            cases = [Case(*row) for row in found]
    except DatabaseUnavailableError as error:
        raise ServiceUnavailable from error
    return cases[:limit], _cursor(cases[limit - 1]) if len(cases) > limit else None


def _cursor(last: Case) -> Cursor:
    return Cursor(len(SEVERITIES) - SEVERITIES.index(last.severity), last.id)


def get_case(resources: Resources, case_id: int) -> CaseFile:
    """A case with its evidence and audit. Raises NotFound or ServiceUnavailable."""
    try:
        with autocommit(resources.engine) as connection:
            row = connection.execute(_ONE, {"id": case_id}).one_or_none()
            if row is None:
                raise NotFound("There is no such case.")
            evidence = _reasons(Reason(*r) for r in connection.execute(_EVIDENCE, {"id": case_id}))
            decisions = [DecisionMade(*d) for d in connection.execute(_DECISIONS, {"id": case_id})]
    except DatabaseUnavailableError as error:
        raise ServiceUnavailable from error
    return CaseFile(Case(*row), evidence, decisions)


def _reasons(found: Iterable[Reason]) -> list[Reason]:
    """What a rule of the analysis finds hour after hour is one reason; each refusal is one of its own."""
    told: dict[str | int, Reason] = {}
    for number, reason in enumerate(found):
        key = reason.rule if "eValue" in reason.details else number
        told[key] = told[key].with_later(reason) if key in told else reason
    return list(told.values())


def waiting(resources: Resources) -> Waiting:
    """What there is to do. Raises ServiceUnavailable."""
    try:
        with autocommit(resources.replica) as connection:
            return Waiting(*connection.execute(_WAITING).one())
    except DatabaseUnavailableError as error:
        raise ServiceUnavailable from error
