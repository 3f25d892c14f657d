"""The targets of `make fuzz` with bytes that Hypothesis makes up. Atheris learns from coverage, and takes longer."""

from __future__ import annotations

import json
import struct

import pytest
from hypothesis import given, strategies as st

from tests.fuzz import targets

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


@st.composite
def frames(draw: st.DrawFn) -> bytes:
    """Frames that are mostly right, and some that are not."""
    made = b""
    for _ in range(draw(st.integers(1, 5))):
        payload, mask = draw(st.binary(max_size=200)), draw(st.binary(min_size=4, max_size=4))
        first = draw(st.sampled_from([0x81, 0x82, 0x01, 0x00, 0x80, 0x89, 0x8A, 0x88]) | st.integers(0, 255))
        head = (
            bytes((first, 0x80 | len(payload))) if len(payload) < 126 else struct.pack("!BBH", first, 254, len(payload))
        )
        made += head + mask + bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))
    return made


@given(st.integers(0, 255), frames() | st.binary(max_size=300))
def test_frames_mean_the_same_however_they_are_cut(cut: int, data: bytes) -> None:
    targets.frames(bytes((cut,)) + data)


@given(JSON.map(json.dumps).map(str.encode) | st.binary(max_size=200))
def test_canonical_json_is_canonical(data: bytes) -> None:
    targets.canonical(data)


@pytest.mark.parametrize("data", [b"\xff", b"", b"..", b"gAAAAA==", b"\x00", "☃.☃.☃".encode(), b"a" * 3_000])
def test_what_is_no_token_is_refused(data: bytes) -> None:
    targets.tokens()(data)


@pytest.mark.parametrize("name", targets.TARGETS)
def test_every_seed_passes(name: str) -> None:
    target = targets.TARGETS[name]()
    for seed in targets.seeds(name):
        target(seed)
