"""What is too long or too large has the code that the documents name for it, and goes no further."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator

import pytest
from werkzeug.test import Client

from services import proofs
from services.resources import Resources
from services.sessions import Player
from tests.support.people import People
from web.app import create_app
from web.context import RESOURCES
from web.tokens import make_tokens

LONG = "x" * 15_000
TOKEN_SIZED = {"completionTime": 5_000, "checksum": "0" * 64}


class Caller:
    """Calls the application as a player."""

    def __init__(self, client: Client, access: str) -> None:
        self._client, self._headers = client, {"Authorization": f"Bearer {access}"}

    def code(self, path: str, body: object) -> str:
        """The code of the problem that is the answer."""
        answer = self._client.post(path, json=body, headers=self._headers)
        assert answer.status_code == 400, answer.text
        return str(json.loads(answer.text)["code"])


@pytest.fixture
def caller(resources: Resources, player: Player) -> Iterator[Caller]:
    """A player who calls an application on the same servers."""
    app = create_app(resources.settings)
    with app.app_context():
        access, _ = make_tokens(player.user_id, player.session_id, uuid.uuid4())
    yield Caller(app.test_client(), access)
    app.extensions[RESOURCES].engine.dispose()
    app.extensions[RESOURCES].redis.close()


def test_a_name_of_no_action_is_not_found_however_long(caller: Caller) -> None:
    for name in ("y" * 65, LONG, "☃" * 2_500, ""):
        assert caller.code("/api/actions/request", {"actionType": name}) == "ACTION_NOT_FOUND"
        assert caller.code("/api/action/complete", {"actionId": name, "data": {}}) == "ACTION_NOT_FOUND"


def test_a_token_that_is_none_is_invalid_however_long(caller: Caller) -> None:
    for token in ("A" * 1_025, LONG, "gAAAAAB" + LONG, ""):
        body = {"actionToken": token, "proof": TOKEN_SIZED}
        assert caller.code("/api/actions/complete", body) == "ACTION_TOKEN_INVALID"


CLAIMS = {"300,001": 300_001, "2^53 - 1": 2**53 - 1, "2^53": 2**53, "-2^53": -(2**53), "2^63": 2**63}
CLAIMS |= {"4,000 digits": 10**4_000, "less than none, 4,000 digits": -(10**4_000)}


@pytest.mark.parametrize("claim", CLAIMS.values(), ids=CLAIMS)
def test_any_claim_out_of_bounds_is_suspicious(people: People, player: Player, caller: Caller, claim: int) -> None:
    """With its own checksum: the bound is what is told, the token is spent, and what is kept fits."""
    token = people.token(player)
    body = {"actionToken": token, "proof": {"completionTime": claim, "checksum": proofs.checksum(token, claim, {})}}
    assert caller.code("/api/actions/complete", body) == "SUSPICIOUS_ACTIVITY"
    assert people.status(player) == "flagged"
    ((rule, value),) = people.execute("SELECT rule, value FROM evidence")
    assert rule == ("too_slow" if claim > 0 else "too_fast")
    assert value == max(-(2**53) + 1, min(claim, 2**53 - 1))
    assert caller.code("/api/actions/complete", body) == "TOKEN_ALREADY_USED"


def test_a_checksum_of_any_length_is_another_one(people: People, player: Player, caller: Caller) -> None:
    token = people.token(player)
    body = {"actionToken": token, "proof": {"completionTime": 5_000, "checksum": "0" * 14_000}}
    assert caller.code("/api/actions/complete", body) == "SUSPICIOUS_ACTIVITY"
    assert people.execute("SELECT rule FROM evidence") == [("forged_checksum",)]


@pytest.mark.parametrize("claim", [1.5, 1e20, True, "5000", None])
def test_what_is_no_whole_number_is_no_claim(people: People, player: Player, caller: Caller, claim: object) -> None:
    token = people.token(player)
    body = {"actionToken": token, "proof": {"completionTime": claim, "checksum": "0" * 64}}
    assert caller.code("/api/actions/complete", body) == "VALIDATION_ERROR"
    assert people.complete(player).new_score == 100
    assert people.status(player) == "active"
