"""Frames as a server sends them, and where those of a client end (RFC 6455, section 5.2)."""

from __future__ import annotations

import struct

TEXT, BINARY, CLOSE, PING, PONG = 0x1, 0x2, 0x8, 0x9, 0xA
NORMAL, PROTOCOL_ERROR, BAD_TEXT, POLICY, TOO_BIG, INTERNAL, RESTART = 1000, 1002, 1007, 1008, 1009, 1011, 1012
NO_STATUS = 1005
"""Stands for a close frame without a code and is never sent."""
UNAUTHENTICATED, FORBIDDEN = 4401, 4403
OURS = (NORMAL, PROTOCOL_ERROR, BAD_TEXT, POLICY, TOO_BIG, INTERNAL, RESTART, UNAUTHENTICATED, FORBIDDEN)
"""Close codes that we send; clients may send others."""
MAX_REASON = 123
"""Bytes: what a control frame holds besides the code."""
_FINAL, _MASKED, _CONTROL = 0x80, 0x80, 0x08


def encode(opcode: int, payload: bytes = b"") -> bytes:
    """One whole frame, unmasked, as servers send them."""
    size = len(payload)
    if size < 126:
        return bytes((_FINAL | opcode, size)) + payload
    if size < 65_536:
        return struct.pack("!BBH", _FINAL | opcode, 126, size) + payload
    return struct.pack("!BBQ", _FINAL | opcode, 127, size) + payload


def text(payload: str) -> bytes:
    """A text frame."""
    return encode(TEXT, payload.encode())


def close(code: int, reason: str = "") -> bytes:
    """A close frame; its reason is cut to what fits, between two letters."""
    if code == NO_STATUS:
        return encode(CLOSE)
    cut = reason.encode()[:MAX_REASON].decode(errors="ignore").encode()
    return encode(CLOSE, struct.pack("!H", code) + cut)


def ends_between_messages(data: bytes) -> bool:
    """Whether what a client sent, having begun between two messages, also ends between two: nothing in it is cut."""
    at, within = 0, False
    while at + 2 <= len(data):
        first, second = data[at], data[at + 1]
        short = second & 0x7F
        head = 2 + (2 if short == 126 else 8 if short == 127 else 0)
        size = int.from_bytes(data[at + 2 : at + head], "big") if short > 125 else short
        if not first & _CONTROL:
            within = not first & _FINAL
        at += head + (4 if second & _MASKED else 0) + size
    return at == len(data) and not within
