"""Frames of RFC 6455: what the server sends, and where a client's data ends."""

from __future__ import annotations

import os
import struct

import pytest
from hypothesis import given, strategies as st
from wsproto.connection import Connection, ConnectionType
from wsproto.events import CloseConnection, TextMessage

from web.sockets import frames


def client_frame(opcode: int, payload: bytes, *, final: bool = True) -> bytes:
    size = len(payload)
    short = size if size < 126 else 126 if size < 65_536 else 127
    head = struct.pack("!BB", (0x80 if final else 0) | opcode, 0x80 | short)
    head += struct.pack("!H", size) if short == 126 else struct.pack("!Q", size) if short == 127 else b""
    return head + b"\0\0\0\0" + payload


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65_535, 65_536, 70_000])
def test_a_client_reads_what_is_encoded(size: int) -> None:
    client = Connection(ConnectionType.CLIENT)
    client.receive_data(frames.text("x" * size))
    (event,) = client.events()
    assert isinstance(event, TextMessage)
    assert (event.data, event.message_finished) == ("x" * size, True)


@pytest.mark.parametrize(
    ("code", "reason", "read"),
    [(1000, "bye", "bye"), (4401, "", ""), (1008, "☃" * 60, "☃" * 41), (1012, "x" * 200, "x" * 123)],
)
def test_a_client_reads_why_it_was_closed(code: int, reason: str, read: str) -> None:
    client = Connection(ConnectionType.CLIENT)
    client.receive_data(frames.close(code, reason))
    (event,) = client.events()
    assert isinstance(event, CloseConnection)
    assert (event.code, event.reason or "") == (code, read)


def test_no_status_is_never_sent() -> None:
    assert frames.close(frames.NO_STATUS) == b"\x88\x00"


SIZES = st.sampled_from([0, 1, 125, 126, 300, 65_535, 65_536])
MESSAGES = st.lists(st.tuples(st.sampled_from([frames.TEXT, frames.PING, frames.PONG]), SIZES), min_size=1, max_size=4)


@given(MESSAGES, st.data())
def test_the_end_is_between_messages_only_where_nothing_is_cut(
    messages: list[tuple[int, int]], data: st.DataObject
) -> None:
    whole, ends = b"", {0}
    for opcode, size in messages:
        whole += client_frame(opcode, bytes(min(size, 125) if opcode > 7 else size))
        ends.add(len(whole))
    assert frames.ends_between_messages(whole)
    cut = data.draw(st.integers(0, len(whole)))
    assert frames.ends_between_messages(whole[:cut]) == (cut in ends)


def test_an_unfinished_message_is_no_end() -> None:
    begun = client_frame(frames.TEXT, b"a", final=False)
    assert not frames.ends_between_messages(begun)
    assert not frames.ends_between_messages(begun + client_frame(frames.PING, b""))
    assert frames.ends_between_messages(begun + client_frame(0, b"b"))


@given(st.binary(max_size=40))
def test_rubbish_is_no_error(data: bytes) -> None:
    assert frames.ends_between_messages(data) in (True, False)


def test_a_length_beyond_reason_is_no_end() -> None:
    assert not frames.ends_between_messages(struct.pack("!BBQ", 0x81, 0xFF, 2**64 - 1) + os.urandom(20))
