"""Review, for analysts: the cases, their evidence, and the decision."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response

from services import review
from services.errors import InvalidRequest
from services.review import Case
from web.auth import analyst
from web.context import answer, doorbell, resources
from web.doorbell import RECOMPUTE
from web.openapi import Parameter, describe
from web.parsing import read_body, read_query
from web.schemas import (
    CaseAnswer,
    CaseItem,
    CasesAnswer,
    DecisionAnswer,
    DecisionBody,
    DecisionItem,
    ReasonItem,
)

blueprint = Blueprint("review", __name__, url_prefix="/api/review")
STATUSES = ("open", "cleared", "confirmed")
MAX_ID = 2**62


@blueprint.get("/cases")
@describe(
    "Review cases",
    answer=CasesAnswer,
    errors=("VALIDATION_ERROR", "FORBIDDEN"),
    role="analyst",
    parameters=(
        Parameter("status", {"type": "string", "enum": list(STATUSES), "default": "open"}),
        Parameter("cursor", {"type": "string", "pattern": "^[0-9]{1,18}$"}),
    ),
)
def cases() -> Response:
    """Newest first, fifty a page; `next` is the cursor of the following page."""
    analyst()
    query = read_query(status=("|".join(STATUSES), "open"), cursor=("[0-9]{1,18}", None))
    before = int(query["cursor"]) if query["cursor"] else None
    page, following = review.list_cases(resources(), status=query["status"] or "open", before=before)
    return answer(
        CasesAnswer(cases=[CaseItem(**_fields(case)) for case in page], next=str(following) if following else None)
    )


@blueprint.get("/cases/<int:case_id>")
@describe("One case", answer=CaseAnswer, errors=("FORBIDDEN", "NOT_FOUND"), role="analyst")
def case(case_id: int) -> Response:
    """The evidence, each reason with its value, its threshold and the entries it rests on, and every decision made."""
    analyst()
    file = review.get_case(resources(), min(case_id, MAX_ID))
    evidence = [
        ReasonItem(
            rule=reason.rule,
            reason=reason.reason,
            value=reason.value,
            threshold=reason.threshold,
            entries=list(reason.entries),
            details=reason.details,
            createdAt=reason.created_at,
        )
        for reason in file.evidence
    ]
    decisions = [
        DecisionItem(decision=made.decision, note=made.note, decidedBy=made.decided_by, createdAt=made.created_at)
        for made in file.decisions
    ]
    return answer(CaseAnswer(**_fields(file.case), evidence=evidence, decisions=decisions))


@blueprint.post("/cases/<int:case_id>/decision")
@describe(
    "Decide a case",
    body=DecisionBody,
    answer=DecisionAnswer,
    errors=("VALIDATION_ERROR", "FORBIDDEN", "NOT_FOUND"),
    role="analyst",
)
def decide(case_id: int) -> Response:
    """Confirm suspends the player and reverses the entries that the evidence names; clear gives both back.

    A case can be decided again the other way, which undoes it.
    """
    player = analyst()
    body = read_body(DecisionBody)
    if not body.note.strip():
        raise InvalidRequest(errors={"note": "must say why"})
    decided = review.decide(resources(), player, min(case_id, MAX_ID), body.decision, body.note)
    if decided.boards:
        doorbell().ring(RECOMPUTE)
    return answer(DecisionAnswer(id=decided.case_id, status=decided.status, reversedEntries=decided.reversed_entries))


def _fields(case: Case) -> dict[str, Any]:
    return {
        "id": case.id,
        "userId": case.user_id,
        "username": case.username,
        "status": case.status,
        "accountStatus": case.account_status,
        "openedAt": case.opened_at,
        "reasons": case.reasons,
        "rules": list(case.rules or ()),
    }
