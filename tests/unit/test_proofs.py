"""The proof as the server computes it, against vectors by `printf '%s' MESSAGE | openssl dgst -sha256 -hmac TOKEN`."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, strategies as st

from fairboard_client import proof as client
from services.proofs import NumberLiteral, canonical_json, checksum, matches

VECTORS = [
    ("gAAAAABtoken", 5_000, "{}", "e520585a3e2012d7edcf8c8392484efe5b23d820517b7fa1b9fe6a970645e403"),
    (
        "gAAAAABtoken",
        5_000,
        '{ "b": "\\u00fc", "a": [1, 2.50, 1E3] }',
        "a102f301c9381a704415f2a46c176df7c4eb76750d94120d43e980c6d19a228d",
    ),
    (
        "another-token_==",
        -1,
        '{"\\ud83d\\ude80": [], "ﬀ": "\\n\\"\\\\\\u0001", "ü": null, "z": {"b": false, "a": true}}',
        "32ba85a9930d694d8c97f9933432a1def4e5305cac82551d87923117db19bf14",
    ),
    (
        "k",
        300_000,
        '{"a": "\\u2028", "A": "\\/", "9": 2, "10": 1}',
        "bb042d626db8565bd8902e1482e6f5fe57e5770d730ca0ec3d4f28fdb8468634",
    ),
]
plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
objects = st.dictionaries(st.text(), plain, max_size=5)
numbers = st.from_regex(
    r"-?(0|[1-9][0-9]{0,12})(\.[0-9]{1,12}([eE][+-]?[0-9]{1,2})?|[eE][+-]?[0-9]{1,2})", fullmatch=True
)


def parse(body: str) -> Any:
    """A body as the server reads it."""
    return json.loads(body, parse_float=NumberLiteral)


def reordered(value: Any) -> Any:
    """The same value with every object's keys the other way round."""
    if isinstance(value, dict):
        return {key: reordered(value[key]) for key in reversed(value)}
    return [reordered(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize(("token", "completion_time", "body", "expected"), VECTORS)
def test_checksum_of_fixed_vectors(token: str, completion_time: int, body: str, expected: str) -> None:
    assert checksum(token, completion_time, parse(body)) == expected


@given(objects)
def test_canonical_json_is_sorted_keys_without_white_space_and_unescaped(value: dict[str, Any]) -> None:
    assert canonical_json(value) == json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


@given(objects)
def test_the_order_of_keys_does_not_matter(value: dict[str, Any]) -> None:
    assert canonical_json(reordered(value)) == canonical_json(value)
    assert checksum("token", 1, reordered(value)) == checksum("token", 1, value)


@given(objects)
def test_the_server_and_its_python_client_agree(value: dict[str, Any]) -> None:
    body = json.dumps(value)
    assert checksum("token", 5_000, parse(body)) == client.checksum("token", 5_000, value)


@given(numbers)
def test_a_number_keeps_the_way_it_was_written(literal: str) -> None:
    try:
        value = parse(f'{{"x":[{literal}]}}')
    except ValueError:
        assert float(literal) in (float("inf"), float("-inf"))
    else:
        assert canonical_json(value) == f'{{"x":[{literal}]}}'
        assert value["x"][0] == float(literal)


@given(st.integers())
def test_whole_numbers_of_any_size_are_kept(number: int) -> None:
    assert canonical_json(parse(f"[{number}]")) == f"[{number}]"


@pytest.mark.parametrize("literal", ["1e400", "-1e400", "1.5E999"])
def test_a_number_beyond_a_double_is_refused(literal: str) -> None:
    with pytest.raises(ValueError, match="out of range"):
        parse(f"[{literal}]")


@given(time=st.integers(-1, 400_000), other=st.integers(-1, 400_000), data=objects, changed=objects)
def test_a_checksum_is_bound_to_token_time_and_data(
    time: int, other: int, data: dict[str, Any], changed: dict[str, Any]
) -> None:
    expected = checksum("token", time, data)
    assert checksum("tokem", time, data) != expected
    assert (checksum("token", other, data) == expected) is (time == other)
    assert (checksum("token", time, changed) == expected) is (canonical_json(data) == canonical_json(changed))


def test_true_and_1_are_not_the_same_data() -> None:
    assert checksum("token", 1, {"x": True}) != checksum("token", 1, {"x": 1})
    assert checksum("token", 1, {"x": parse("1.0")}) != checksum("token", 1, {"x": 1})


def test_only_the_exact_checksum_matches() -> None:
    expected = checksum("token", 5_000, {})
    assert matches(expected, expected)
    for given_one in ("", expected[:-1], expected + "0", expected.upper(), "0" * 64, "ü", " " + expected):
        assert not matches(expected, given_one)
