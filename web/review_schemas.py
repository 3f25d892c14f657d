"""Bodies and answers of the review."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from services.review.takings import Scope, Span
from web.schemas import Answer, Body


def _moment(value: object) -> datetime:
    """RFC 3339, with its zone: a time without one would be guessed."""
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
        if moment is not None and moment.tzinfo is not None:
            return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise ValueError("must be a time like 2026-05-01T12:00:00Z")


Moment = Annotated[datetime, BeforeValidator(_moment)]


class SpanBody(Body):
    """Completions of a time: from `since` on, before `until`; one of them may be absent."""

    since: Moment | None = None
    until: Moment | None = None

    @model_validator(mode="after")
    def _is_a_span(self) -> Self:
        if self.since is None and self.until is None:
            raise ValueError("needs since, until or both")
        if self.since and self.until and self.since >= self.until:
            raise ValueError("since must be before until")
        return self


class RulingBody(Body):
    """What would be decided."""

    decision: Literal["clear", "confirm"]
    reverse: Literal["evidence", "all"] | SpanBody = Field(
        "evidence", description="What confirm takes: what the evidence names, all completions, or those of a time."
    )

    @property
    def scope(self) -> Scope:
        """As the services know it."""
        return Span(self.reverse.since, self.reverse.until) if isinstance(self.reverse, SpanBody) else self.reverse


class DecisionBody(RulingBody):
    """Decide a review case."""

    note: str = Field(min_length=1, max_length=2000)
    expected: int | None = Field(
        None, ge=0, le=2**31, description="The `version` of the case that was decided about; 409 if it has another now."
    )


class CaseItem(Answer):
    """A review case in a list. `version` changes with each decision and each finding of the analysis."""

    id: int
    userId: int
    username: str
    status: str
    severity: str
    held: bool
    accountStatus: str
    openedAt: datetime
    updatedAt: datetime
    reasons: int
    rules: list[str]
    version: int


class CasesAnswer(Answer):
    """A page of cases. `next` is the cursor of the following page, null on the last."""

    cases: list[CaseItem]
    next: str | None


class WaitingAnswer(Answer):
    """How many open cases there are of each severity, the id of the newest case, and when any case last changed."""

    high: int
    medium: int
    low: int
    newest: int
    changedAt: datetime | None


class ReasonItem(Answer):
    """One reason: a refusal at the door, or what a rule has found from `createdAt` to `lastAt`, at its most telling.

    `entries` are those of all of it. `percentile` is the share of honest people of whom the rule would say as much,
    at most.
    """

    rule: str
    family: str
    familyName: str
    severity: str
    reason: str
    statistic: str | None
    value: float | None
    threshold: float | None
    percentile: float | None
    n: int | None
    entries: list[int]
    details: dict[str, Any]
    createdAt: datetime
    lastAt: datetime


class DecisionItem(Answer):
    """One line of a case's audit: `reverse` as it was asked for, null for clear, and how many completions it named."""

    decision: str
    note: str
    reverse: str | dict[str, str] | None
    entries: int
    decidedBy: str
    createdAt: datetime


class LinkItem(Answer):
    """An account that shares an address or a rare browser with the player."""

    userId: int
    username: str
    accountStatus: str
    shares: list[str]
    caseId: int | None


class CaseAnswer(CaseItem):
    """A case with everything known of it."""

    evidence: list[ReasonItem]
    decisions: list[DecisionItem]


class DecisionAnswer(Answer):
    """What a decision changed."""

    id: int
    status: str
    reversedEntries: int


class MoveItem(Answer):
    """A player's score and rank before and after; a rank is null for who is not on the board."""

    userId: int
    username: str
    scoreBefore: int
    scoreAfter: int
    rankBefore: int | None
    rankAfter: int | None


class PreviewAnswer(Answer):
    """What a decision would reverse, by how much the score would change, and who would move: the player first."""

    entries: int
    points: int
    moves: list[MoveItem]


class TimeItem(Answer):
    """One completion. `named`: the evidence rests on it."""

    entry: int
    actionType: str
    ms: int
    at: datetime
    named: bool


class GapsItem(Answer):
    """Gaps between completions in eighths of an octave, from a quarter of the median to four times it.

    `honest` is of 1,000 gaps of a real person.
    """

    medianSeconds: float | None
    number: int
    player: list[int]
    honest: list[int]


class DayItem(Answer):
    """Completions in each hour of a day of UTC."""

    day: date
    hours: list[int]


class PlotsAnswer(Answer):
    """What is drawn of a case."""

    times: list[TimeItem]
    gaps: GapsItem
    days: list[DayItem]
    links: list[LinkItem]
