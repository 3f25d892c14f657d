"""What is fuzzed. Each takes any bytes, and fails by an exception that is no refusal of ours, or by contradiction."""

from __future__ import annotations

import json
import socket
import uuid
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from typing import Any

from flask import Flask

from config.catalogue import get_catalogue
from fairboard_client import proof as client_proof
from services import action_tokens
from services.errors import FairboardError
from services.proofs import NumberLiteral, canonical_json
from services.resources import Resources
from tests.attacks.mutations import settings_nowhere
from tests.support.tokens import seal
from web.app import create_app
from web.parsing import parse_json
from web.sockets.frames import encode
from web.sockets.loop import Loop
from web.sockets.peer import Peer
from web.tokens import make_tokens, read_access_token, read_refresh_token

Target = Callable[[bytes], None]


class StillLoop(Loop):
    """A loop whose greenlets do not run."""

    @staticmethod
    def _forever(turn: object) -> None:
        del turn


class Collector(Peer):
    """Keeps what it hears."""

    __slots__ = ("messages",)
    MESSAGES_PER_SECOND = float("inf")

    def __init__(self, loop: Loop, sock: socket.socket) -> None:
        super().__init__(loop, sock)
        self.messages: list[str | bytes] = []

    def received(self, message: str | bytes) -> None:
        assert not self.closing, "a message after the end"
        assert len(message) <= self.MAX_MESSAGE
        self.messages.append(message)


@lru_cache(maxsize=1)
def _tokens() -> tuple[Resources, Flask, tuple[str, ...]]:
    """A server's settings, its application, and genuine tokens of each kind."""
    settings = settings_nowhere()
    own, app = Resources(settings, get_catalogue(), 1.0, 1.0), create_app(settings)
    with app.app_context():
        return own, app, (*make_tokens(7, uuid.uuid4(), uuid.uuid4()), seal(own, 7, "reaction"))


@lru_cache(maxsize=1)
def _loop() -> Loop:
    return StillLoop()


def _hear(pieces: list[bytes]) -> tuple[list[str | bytes], bool]:
    """What a peer makes of bytes that come in such pieces: its messages, and whether it ended the connection."""
    loop = _loop()
    own, other = socket.socketpair()
    peer = Collector(loop, own)
    loop.adopt(peer)
    for piece in pieces:
        if not peer.closing:
            peer._parse(piece)
    closing = peer.closing
    loop.drop(peer)
    other.close()
    return peer.messages, closing


def frames(data: bytes) -> None:
    """The parser of frames: the same bytes mean the same, however they are cut."""
    cut = data[0] % len(data) if data else 0
    whole, pieces = _hear([data[1:]]), _hear([data[1:cut], data[cut:]] if cut > 1 else [data[1:]])
    single = _hear([data[i : i + 1] for i in range(1, len(data))])
    assert whole == pieces == single, (whole, pieces, single)


def tokens() -> Target:
    """The readers of access, refresh and action tokens: nothing but the genuine ones is read."""
    own, app, genuine = _tokens()
    readers = (read_access_token, read_refresh_token, lambda token: action_tokens.open_token(own, token, 7))

    def read(data: bytes) -> None:
        text = data.decode("utf-8", "surrogateescape")
        with app.app_context():
            for reader in readers:
                with suppress(FairboardError):
                    reader(text)
                    assert text in genuine, text

    return read


def canonical(data: bytes) -> None:
    """Canonical JSON: it is JSON, means what was parsed, does not change again, and is what the client computes."""
    try:
        value = parse_json(data)
    except FairboardError:
        return
    written = canonical_json(value)
    again = parse_json(written)
    assert again == value, (value, written)
    assert canonical_json(again) == written
    if not _has_fraction(value):
        assert written == client_proof.canonical_json(json.loads(data)), data


def _has_fraction(value: Any) -> bool:
    """Fractions and -0 are kept as they were written, which Python's client writes in its own way."""
    if isinstance(value, dict):
        return any(map(_has_fraction, value.values()))
    if isinstance(value, list):
        return any(map(_has_fraction, value))
    return isinstance(value, NumberLiteral)


def seeds(name: str) -> list[bytes]:
    """Where to begin: what is nearly right already."""
    if name == "frames":
        masked = bytes((0x81, 0x85)) + b"\1\2\3\4" + bytes(c ^ m for c, m in zip(b"hello", b"\1\2\3\4\1", strict=True))
        return [
            b"\0" + masked,
            b"\7" + masked * 2,
            b"\3" + encode(9, b"ping"),
            b"\0\x88\x80\0\0\0\0",
            b"\0\x01\x80\0\0\0\0",
        ]
    if name == "canonical":
        return [
            b'{"b":1,"a":[true,null,-0,1.50,"\\u00e9"]}',
            '{"é":"☃"}'.encode(),
            b'{"a":{"a":{}}}',
            b"[1e5,-1]",
            b'"\\ud83d\\ude80"',
        ]
    return [token.encode() for token in _tokens()[2]]


TARGETS: dict[str, Callable[[], Target]] = {
    "frames": lambda: frames,
    "tokens": tokens,
    "canonical": lambda: canonical,
}
