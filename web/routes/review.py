"""Review, for analysts: the queue, a case with its plots, what a decision would mean, and the decision."""

from __future__ import annotations

from typing import Any, cast

from flask import Blueprint, Response

from config.catalogue import BOARD
from services.anticheat.evidence import FAMILIES
from services.errors import InvalidRequest
from services.review import cases as reading
from services.review.cases import Case, Cursor, DecisionMade, Reason, Severity, Sort
from services.review.decisions import decide as make_decision
from services.review.plots import HONEST, Plots, plots as draw
from services.review.preview import preview as foretell
from web.auth import analyst
from web.context import answer, doorbell, resources
from web.doorbell import RECOMPUTE
from web.openapi import ANALYSTS, Parameter, describe
from web.parsing import read_body, read_query
from web.review_schemas import (
    CaseAnswer,
    CaseItem,
    CasesAnswer,
    DayItem,
    DecisionAnswer,
    DecisionBody,
    DecisionItem,
    GapsItem,
    LinkItem,
    MoveItem,
    PlotsAnswer,
    PreviewAnswer,
    ReasonItem,
    RulingBody,
    TimeItem,
    WaitingAnswer,
)

blueprint = Blueprint("review", __name__, url_prefix="/api/review")
STATUSES = ("open", "cleared", "confirmed")
SORTS = ("newest", "severity")
CURSOR = "([0-9]-)?[0-9]{1,18}"
MAX_ID = 2**62


@blueprint.get("/cases")
@describe(
    "Review cases",
    answer=CasesAnswer,
    errors=("VALIDATION_ERROR", "FORBIDDEN"),
    roles=ANALYSTS,
    parameters=(
        Parameter("status", {"type": "string", "enum": list(STATUSES), "default": "open"}),
        Parameter("severity", {"type": "string", "enum": list(reading.SEVERITIES)}),
        Parameter("sort", {"type": "string", "enum": list(SORTS), "default": "newest"}),
        Parameter("cursor", {"type": "string", "pattern": f"^{CURSOR}$"}),
    ),
)
def cases() -> Response:
    """Newest first, or the worst first; fifty a page. `next` is the cursor of the following page."""
    analyst()
    query = read_query(
        status=("|".join(STATUSES), "open"),
        severity=("|".join(reading.SEVERITIES), None),
        sort=("|".join(SORTS), "newest"),
        cursor=(CURSOR, None),
    )
    page, following = reading.list_cases(
        resources(),
        status=query["status"] or "open",
        severity=cast(Severity | None, query["severity"]),
        sort=cast(Sort, query["sort"]),
        cursor=Cursor.parse(query["cursor"]) if query["cursor"] else None,
    )
    return answer(
        CasesAnswer(cases=[CaseItem(**_fields(case)) for case in page], next=str(following) if following else None)
    )


@blueprint.get("/waiting")
@describe("How many cases wait", answer=WaitingAnswer, errors=("FORBIDDEN",), roles=ANALYSTS)
def waiting() -> Response:
    """Open cases by severity, and when any case last changed: cheap enough to ask every few seconds."""
    analyst()
    found = reading.waiting(resources())
    return answer(
        WaitingAnswer(
            high=found.high, medium=found.medium, low=found.low, newest=found.newest, changedAt=found.changed_at
        )
    )


@blueprint.get("/cases/<int:case_id>")
@describe("One case", answer=CaseAnswer, errors=("FORBIDDEN", "NOT_FOUND"), roles=ANALYSTS)
def case(case_id: int) -> Response:
    """The evidence, each reason with its value, its threshold and the entries it rests on, and every decision made."""
    analyst()
    file = reading.get_case(resources(), min(case_id, MAX_ID))
    return answer(
        CaseAnswer(
            **_fields(file.case),
            evidence=[_reason(reason) for reason in file.evidence],
            decisions=[_decision(made) for made in file.decisions],
        )
    )


@blueprint.get("/cases/<int:case_id>/plots")
@describe("The plots of a case", answer=PlotsAnswer, errors=("FORBIDDEN", "NOT_FOUND"), roles=ANALYSTS)
def plots(case_id: int) -> Response:
    """The last 1,000 times, gaps beside those of honest people, two weeks of hours, and related accounts."""
    analyst()
    return answer(_plots(draw(resources(), min(case_id, MAX_ID))))


@blueprint.post("/cases/<int:case_id>/preview")
@describe(
    "What a decision would mean",
    body=RulingBody,
    answer=PreviewAnswer,
    errors=("VALIDATION_ERROR", "FORBIDDEN", "NOT_FOUND"),
    roles=ANALYSTS,
)
def preview(case_id: int) -> Response:
    """How many entries the decision would reverse, and who would move where. Nothing is written."""
    player = analyst()
    body = read_body(RulingBody)
    found = foretell(resources(), player, BOARD, min(case_id, MAX_ID), body.decision, body.scope)
    moves = [
        MoveItem(
            userId=move.user_id,
            username=move.username,
            scoreBefore=move.score_before,
            scoreAfter=move.score_after,
            rankBefore=move.rank_before,
            rankAfter=move.rank_after,
        )
        for move in found.moves
    ]
    return answer(PreviewAnswer(entries=found.entries, points=found.points, moves=moves))


@blueprint.post("/cases/<int:case_id>/decision")
@describe(
    "Decide a case",
    body=DecisionBody,
    answer=DecisionAnswer,
    errors=("VALIDATION_ERROR", "FORBIDDEN", "NOT_FOUND", "CASE_CHANGED"),
    roles=ANALYSTS,
)
def decide(case_id: int) -> Response:
    """Confirm suspends the player and takes the completions that `reverse` names; clear gives back what it took.

    A case can be decided again, another way or with another `reverse`, which undoes the decision before. With
    `expected` it is refused if somebody else was faster.
    """
    player = analyst()
    body = read_body(DecisionBody)
    if not body.note.strip():
        raise InvalidRequest(errors={"note": "must say why"})
    decided = make_decision(
        resources(), player, min(case_id, MAX_ID), body.decision, body.note, body.scope, body.expected
    )
    if decided.boards:
        doorbell().ring(RECOMPUTE)
    return answer(DecisionAnswer(id=decided.case_id, status=decided.status, reversedEntries=decided.reversed_entries))


def _fields(case: Case) -> dict[str, Any]:
    return {
        "id": case.id,
        "userId": case.user_id,
        "username": case.username,
        "status": case.status,
        "severity": case.severity,
        "held": case.held,
        "accountStatus": case.account_status,
        "openedAt": case.opened_at,
        "updatedAt": case.updated_at,
        "reasons": case.reasons,
        "rules": list(case.rules or ()),
        "version": case.version,
    }


def _reason(reason: Reason) -> ReasonItem:
    known = {name: reason.details.get(name) for name in ("statistic", "percentile", "n")}
    return ReasonItem(
        rule=reason.rule,
        family=reason.family,
        familyName=FAMILIES[reason.family],
        severity=reason.severity,
        reason=reason.reason,
        **known,
        value=reason.value,
        threshold=reason.threshold,
        entries=list(reason.entries),
        details=reason.details,
        createdAt=reason.created_at,
        lastAt=reason.last_at,
    )


def _decision(made: DecisionMade) -> DecisionItem:
    return DecisionItem(
        decision=made.decision,
        note=made.note,
        reverse=made.scope.get("reverse"),
        entries=made.entries,
        decidedBy=made.decided_by,
        createdAt=made.created_at,
    )


def _plots(found: Plots) -> PlotsAnswer:
    gaps = found.gaps
    return PlotsAnswer(
        times=[
            TimeItem(entry=one.entry, actionType=one.action_type, ms=one.claimed_ms, at=one.at, named=one.named)
            for one in found.times
        ],
        gaps=GapsItem(medianSeconds=gaps.median_seconds, number=gaps.number, player=gaps.player, honest=list(HONEST)),
        days=[DayItem(day=day.day, hours=day.hours) for day in found.days],
        links=[
            LinkItem(
                userId=link.user_id,
                username=link.username,
                accountStatus=link.account_status,
                shares=list(link.shares),
                caseId=link.case_id,
            )
            for link in found.links
        ],
    )
