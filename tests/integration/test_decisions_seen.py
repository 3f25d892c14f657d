"""A decision is about what the analyst saw: evidence that came since has to be looked at first."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from models.database import transaction
from services.errors import CaseChanged
from services.resources import Resources
from services.review.cases import get_case
from services.review.decisions import decide
from services.sessions import Player
from tests.support.ground import Servers
from tests.support.people import People

FOUND = text(
    "SELECT add_evidence(:id, 'replay', 'Exactly as before.', 1, 2, '{}', jsonb_build_object('eValue', 100), 'print', "
    "'C', :severity)"
)


def test_a_hold_is_not_lifted_by_who_has_not_seen_what_it_is_for(
    resources: Resources, people: People, analyst: Player, suspect: Player
) -> None:
    case = people.suspect(suspect)
    seen = get_case(resources, case).case.version
    with transaction(resources.engine) as connection:
        connection.execute(FOUND, {"id": suspect.user_id, "severity": "high"})
    with pytest.raises(CaseChanged):
        decide(resources, analyst, case, "clear", "no bot", expected=seen)
    assert people.standing(suspect).hidden
    decide(resources, analyst, case, "clear", "no bot all the same", expected=get_case(resources, case).case.version)
    assert not people.standing(suspect).hidden


def test_who_is_refused_again_and_again_keeps_nobody_from_deciding(
    resources: Resources, people: People, analyst: Player, suspect: Player
) -> None:
    case = people.suspect(suspect)
    seen = get_case(resources, case).case.version
    people.suspect(suspect)
    decide(resources, analyst, case, "confirm", "a bot", expected=seen)


def test_evidence_that_is_on_its_way_is_waited_for(
    servers: Servers, resources: Resources, people: People, analyst: Player, suspect: Player
) -> None:
    case = people.suspect(suspect)
    seen = get_case(resources, case).case.version
    with ThreadPoolExecutor(1) as colleague, transaction(resources.engine) as connection:
        connection.execute(FOUND, {"id": suspect.user_id, "severity": "low"})
        decision = colleague.submit(decide, resources, analyst, case, "clear", "no bot", "evidence", seen)
        servers.wait_until_blocked("review_cases WHERE id")
        connection.commit()
        with pytest.raises(CaseChanged):
            decision.result(20)
