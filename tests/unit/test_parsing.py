"""What is no text that PostgreSQL can keep is refused, and what only looks like it is not."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given, strategies as st

from services.errors import InvalidRequest
from web.parsing import parse_json


@pytest.mark.parametrize(
    "text", ["C:\\u0000", "\\u0000", "\\\\u0000", "\\u0000\\", "a\\\\\\u0000b", "\\U0000", "u0000", "\\\n\\u0000"]
)
def test_a_backslash_before_u0000_is_text(text: str) -> None:
    assert parse_json(json.dumps({"answer": text, text: [text]})) == {"answer": text, text: [text]}


@pytest.mark.parametrize("text", ["\0", "a\0", "\\\0", "\\\\\0b", "C:\\u0000\0", "\n\0"])
def test_a_nul_is_refused_wherever_it_is(text: str) -> None:
    for value in (text, [text], {"a": {"b": text}}, {text: 1}):
        with pytest.raises(InvalidRequest):
            parse_json(json.dumps(value))


@given(st.text(alphabet='\\u0\0"n', max_size=12))
def test_it_is_refused_exactly_where_it_is(text: str) -> None:
    written = json.dumps([text])
    if "\0" in text:
        with pytest.raises(InvalidRequest):
            parse_json(written)
    else:
        assert parse_json(written) == [text]


def test_sixteen_thousand_backslashes_take_no_time() -> None:
    begun = time.process_time()
    assert parse_json('"' + "\\\\" * 8_000 + 'u0000"')
    assert parse_json('"' + ("\\\\" * 9 + "x") * 800 + '\\\\u0000"')
    assert time.process_time() - begun < 0.5
