"""The proof as the client computes it, against vectors that OpenSSL computed: `openssl dgst -sha256 -hmac KEY`."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, strategies as st

from fairboard_client import canonical_json, checksum

TOKEN = "gAAAAABn-token_1=="
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("token", "completion_time", "data", "expected"),
    [
        (TOKEN, 1_500, None, "68d34d1a93bf255bd82070a3a298e3a43e397a0b1d83fafd88a655059658840d"),
        (TOKEN, 1_500, {}, "68d34d1a93bf255bd82070a3a298e3a43e397a0b1d83fafd88a655059658840d"),
        (
            "k",
            300_000,
            {"b": [True, None, "é"], "a": 1},
            "20e6fd816ba9144145d3026d6232548a782c49f132576a20c494bc2db2037773",
        ),
        (
            TOKEN,
            1_000,
            {"é": "日本語", "a": {"z": -3, "y": 0.5}, "B": "☃ & <>/"},
            "d352898b7b6640af11a8df7fed6c5e3ed041be2614ca91cc601e1489b0496127",
        ),
    ],
)
def test_checksum_of_fixed_vectors(
    token: str, completion_time: int, data: dict[str, Any] | None, expected: str
) -> None:
    assert checksum(token, completion_time, data) == expected


@given(st.dictionaries(st.text(), JSON))
def test_canonical_json_means_the_same_and_does_not_depend_on_order(data: dict[str, Any]) -> None:
    text = canonical_json(data)

    assert json.loads(text) == data
    assert canonical_json(dict(reversed(data.items()))) == text


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_canonical_json_refuses_what_json_cannot_say(number: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical_json({"x": number})
