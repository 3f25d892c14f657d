"""What a client of the drills makes of an answer, and how long it plays."""

from __future__ import annotations

import secrets

import pytest

from drills.history import Attempt, Outcome
from drills.load import LEAST_MS, MOST_MS, body_of, judge, round_of
from drills.wire import NO_ANSWER, Answer
from fairboard_client import checksum
from tests.support.tokens import digest


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (Answer(200, {"newScore": 100}), Outcome.OK),
        (Answer(400, {"code": "TOKEN_ALREADY_USED"}), Outcome.FAIL),
        (Answer(429, {"code": "RATE_LIMIT_EXCEEDED"}), Outcome.FAIL),
        (Answer(503, {"code": "SERVICE_UNAVAILABLE"}), Outcome.UNKNOWN),
        (Answer(500, {"code": "INTERNAL_ERROR"}), Outcome.UNKNOWN),
        (NO_ANSWER, Outcome.UNKNOWN),
    ],
)
def test_only_a_success_is_done_and_only_a_refusal_is_not(answer: Answer, outcome: Outcome) -> None:
    assert judge(answer) is outcome


def test_a_token_that_was_used_already_acknowledges_an_earlier_attempt() -> None:
    told = Attempt("a", 1, 0.0, 0.1, Outcome.FAIL, 400, "TOKEN_ALREADY_USED")
    refused = Attempt("a", 1, 0.0, 0.1, Outcome.FAIL, 429, "RATE_LIMIT_EXCEEDED")
    assert told.acknowledged
    assert not refused.acknowledged


def test_a_retry_claims_the_same_as_the_first_attempt() -> None:
    for token in (secrets.token_urlsafe(100) for _ in range(200)):
        body = body_of(token)
        assert body == body_of(token)
        assert LEAST_MS <= round_of(token) < MOST_MS
        assert body["proof"]["checksum"] == checksum(token, body["proof"]["completionTime"])
        assert len(digest(token)) == 64
