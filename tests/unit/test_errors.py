"""Errors: the table of the protocol, row by row."""

from __future__ import annotations

import pytest

from services import errors
from services.errors import ALL_ERRORS, FairboardError

TABLE = {
    400: "VALIDATION_ERROR ACTION_NOT_FOUND ACTION_KIND_MISMATCH ACTION_DATA_INVALID ACTION_ALREADY_COMPLETED "
    "ACTION_TOKEN_INVALID ACTION_TOKEN_EXPIRED TOKEN_ALREADY_USED SUSPICIOUS_ACTIVITY",
    401: "UNAUTHORIZED INVALID_TOKEN TOKEN_EXPIRED INVALID_CREDENTIALS",
    403: "FORBIDDEN ACCOUNT_SUSPENDED",
    404: "NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    409: "USERNAME_TAKEN CASE_CHANGED",
    413: "PAYLOAD_TOO_LARGE",
    415: "UNSUPPORTED_MEDIA_TYPE",
    429: "RATE_LIMIT_EXCEEDED",
    500: "INTERNAL_ERROR",
    503: "SERVICE_UNAVAILABLE",
}


def test_codes_and_statuses_are_those_of_the_protocol() -> None:
    assert {code: error.status for code, error in ALL_ERRORS.items()} == {
        code: status for status, codes in TABLE.items() for code in codes.split()
    }


@pytest.mark.parametrize("code", sorted(ALL_ERRORS))
def test_every_error_has_a_title_and_a_detail_for_people(code: str) -> None:
    error = ALL_ERRORS[code]()
    assert isinstance(error, FairboardError)
    assert error.title
    assert error.detail.endswith((".", "`."))
    assert str(error) == error.detail


def test_an_unavailable_service_says_when_to_come_back() -> None:
    assert errors.ServiceUnavailable().retry_after == 1
