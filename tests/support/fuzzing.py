"""Plays conversations like those of the Autobahn test suite with a WebSocket server, octet by octet, and judges them.

The judge is stricter than that suite: where it takes a dropped connection for as good as a close frame, this one calls
it NON-STRICT. RFC 6455 says what is right.
"""

from __future__ import annotations

import base64
import codecs
import hashlib
import os
import socket
import struct
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from tests.support.sockets import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, Wire

PATIENCE = 10.0
"""Seconds for anything that has to come; a busy machine may need some."""
SOON = 3.0
"""A server that fails fast has failed by then, even on a busy machine."""
NORMAL, PROTOCOL_ERROR, BAD_DATA = 1000, 1002, 1007
MAY_BE_SENT = {*range(1000, 1004), *range(1007, 1015), *range(3000, 5000)}
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
WHOLE, BY_FRAME = -1, 0
"""How a step is cut into writes: not at all, or after each frame. A positive number is octets per write."""


class Sent(NamedTuple):
    """One frame as the client sends it, right or wrong."""

    opcode: int
    payload: bytes = b""
    fin: bool = True
    rsv: int = 0
    masked: bool = True
    length: bytes | None = None
    """The length as it is written, seven bits and what follows them, where it is to be a strange one."""

    def octets(self) -> bytes:
        """The frame on the wire."""
        size = len(self.payload)
        if self.length is not None:
            length = self.length
        elif size < 126:
            length = bytes([size])
        else:
            length = struct.pack("!BH", 126, size) if size < 65536 else struct.pack("!BQ", 127, size)
        first = bytes([(0x80 if self.fin else 0) | self.rsv << 4 | self.opcode])
        if not self.masked:
            return first + length + self.payload
        mask = os.urandom(4)
        return first + bytes([length[0] | 0x80]) + length[1:] + mask + _masked(self.payload, mask)


class Heard(NamedTuple):
    """A message or a pong of the server."""

    opcode: int
    payload: bytes

    def __repr__(self) -> str:
        shown = self.payload if len(self.payload) < 40 else self.payload[:40] + b"..."
        return f"<opcode {self.opcode}, {len(self.payload)} octets: {shown!r}>"


class Send(NamedTuple):
    """Send frames."""

    frames: tuple[Sent, ...]
    cut: int = WHOLE


class Quiet(NamedTuple):
    """Nothing may come for some time, and above all no end."""

    seconds: float = 0.2


class Hear(NamedTuple):
    """Go on when this many messages and pongs have been heard."""

    many: int


class Late(NamedTuple):
    """The server should have failed the connection by now. If it has not, send the rest."""

    frames: tuple[Sent, ...]


class Octets(NamedTuple):
    """Send octets as they are: parts of frames."""

    octets: bytes


Step = Send | Quiet | Hear | Late | Octets


class Verdict(Enum):
    """What a case has shown."""

    OK = "OK"
    NON_STRICT = "NON-STRICT"
    FAILED = "FAILED"


class Ending(Enum):
    """Who begins to end the connection."""

    CLIENT = "the client closes with 1000 when it has heard everything"
    SENT = "the steps hold a close frame"
    SERVER = "the server fails the connection"


@dataclass(frozen=True)
class Case:
    """One conversation and what has to come of it."""

    number: str
    steps: tuple[Step, ...]
    heard: tuple[Heard, ...] | None = ()
    """All messages and pongs before the end; None where these depend on the server's pace."""
    ending: Ending = Ending.CLIENT
    codes: frozenset[int] | None = frozenset({NORMAL})
    """Close codes of the server that are right; None where RFC 6455 leaves it open."""
    less_heard: bool = False
    """Hearing nothing is NON-STRICT and no failure: an answer may be lost when the connection fails right after it."""


class Report(NamedTuple):
    """What a case has shown, and why."""

    verdict: Verdict
    why: str
    heard: list[Heard]
    code: int | None
    end: str


class MisbehaviourError(Exception):
    """The server sent what RFC 6455 forbids servers to send."""


def _masked(payload: bytes, mask: bytes) -> bytes:
    size = len(payload)
    stream = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(stream, "big")).to_bytes(size, "big")


class Fuzzer(Wire):
    """A connection that remembers what it heard, and holds each frame of the server against RFC 6455."""

    def __init__(self, port: int, extensions: str | None = None) -> None:
        key = base64.b64encode(os.urandom(16))
        headers = {"Sec-WebSocket-Key": key.decode(), "Sec-WebSocket-Extensions": extensions}
        super().__init__(port, headers=headers)
        accepted = base64.b64encode(hashlib.sha1(key + GUID).digest()).decode()  # noqa: S324 -- RFC 6455 says SHA-1
        self.welcome = self.status == 101 and f"sec-websocket-accept: {accepted}".lower() in self.head
        """Whether the handshake is right. `head` is in small letters."""
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.heard: list[Heard] = []
        self.code: int | None = None
        self.closing = False
        self.end = ""
        self._buffer = bytearray(self._rest)
        self._parts: list[bytes] | None = None
        self._opcode = CONTINUATION

    def put(self, frames: Iterable[Sent], cut: int = WHOLE) -> None:
        """Send frames in writes of a certain size. A server that has ended already is no error."""
        with suppress(OSError):
            if cut == BY_FRAME:
                for frame in frames:
                    self.socket.sendall(frame.octets())
                return
            octets = b"".join(frame.octets() for frame in frames)
            for piece in pieces(octets, len(octets) if cut == WHOLE else cut):
                self.socket.sendall(piece)

    def hear(self, seconds: float, count: int | None = None) -> bool:
        """Listen until `count` things have come, or a close frame; without `count`, to the end. False: time is over."""
        deadline = time.monotonic() + seconds
        while not self.end and not (self.closing and count is not None):
            if count is not None and len(self.heard) >= count:
                return True
            if self._take_frame():
                continue
            self.socket.settimeout(max(0.001, deadline - time.monotonic()))
            try:
                data = self.socket.recv(1 << 20)
            except TimeoutError:
                return False
            except OSError:
                self.end = "reset"
                return True
            if not data:
                self.end = "cut" if self._buffer else "eof"
            self._buffer += data
        return True

    def _take_frame(self) -> bool:
        size = self._header()
        if size is None:
            return False
        start, length = size
        if len(self._buffer) < start + length:
            return False
        first, payload = self._buffer[0], bytes(self._buffer[start : start + length])
        del self._buffer[: start + length]
        self._judge(first, payload)
        return True

    def _header(self) -> tuple[int, int] | None:
        """Where the payload of the first frame begins, and its length; None as long as too little has come."""
        data = self._buffer
        if len(data) < 2:
            return None
        if data[1] & 0x80:
            raise MisbehaviourError("a masked frame")
        short = data[1] & 0x7F
        start = {126: 4, 127: 10}.get(short, 2)
        if len(data) < start:
            return None
        length = int.from_bytes(data[2:start], "big") if start > 2 else short
        if (start == 4 and length < 126) or (start == 10 and not 65536 <= length < 1 << 63):
            raise MisbehaviourError(f"a length of {length} in {start - 2} octets")
        return start, length

    def _judge(self, first: int, payload: bytes) -> None:
        fin, opcode = bool(first & 0x80), first & 0x0F
        if self.closing:
            raise MisbehaviourError("a frame after the close frame")
        if first & 0x70:
            raise MisbehaviourError("a reserved bit")
        if opcode in {CLOSE, PING, PONG}:
            if not fin or len(payload) > 125:
                raise MisbehaviourError("a control frame that is fragmented or long")
            self._control(opcode, payload)
        elif opcode in {TEXT, BINARY, CONTINUATION}:
            self._data(fin, opcode, payload)
        else:
            raise MisbehaviourError(f"opcode {opcode}")

    def _control(self, opcode: int, payload: bytes) -> None:
        # Pings of the server are not answered: it waits for long, and the pong could fall into a frame half sent.
        if opcode == PONG:
            self.heard.append(Heard(PONG, payload))
        if opcode == CLOSE:
            self.closing = True
            if payload:
                self.code = int.from_bytes(payload[:2], "big")
                payload[2:].decode()
                if len(payload) == 1 or self.code not in MAY_BE_SENT:
                    raise MisbehaviourError(f"a close frame with {payload!r}")

    def _data(self, fin: bool, opcode: int, payload: bytes) -> None:
        if (opcode == CONTINUATION) == (self._parts is None):
            raise MisbehaviourError("a fragment out of order")
        if self._parts is None:
            self._parts, self._opcode = [], opcode
        self._parts.append(payload)
        if fin:
            message = b"".join(self._parts)
            if self._opcode == TEXT:
                message.decode()
            self.heard.append(Heard(self._opcode, message))
            self._parts = None


def play(port: int, case: Case) -> Report:
    """Have the conversation."""
    with Fuzzer(port) as peer:
        if not peer.welcome:
            return Report(Verdict.FAILED, f"the handshake: {peer.head}", [], None, "")
        try:
            late, wrong = _play(peer, case)
        except (MisbehaviourError, UnicodeDecodeError) as error:
            late, wrong = False, f"the server sent {error}"
        verdict, why = (Verdict.FAILED, wrong) if wrong else _verdict(peer, case, late=late)
        return Report(verdict, why, peer.heard, peer.code, peer.end)


def _play(peer: Fuzzer, case: Case) -> tuple[bool, str]:
    """Whether the server was late, and what else was wrong on the way."""
    late = False
    for step in case.steps:
        if isinstance(step, Late):
            # Whatever comes now is judged at the end.
            late = not peer.hear(SOON, len(peer.heard) + 1)
            peer.put(step.frames if late else ())
        elif wrong := _take(peer, step):
            return late, wrong
    if wrong := _finish(peer, case):
        return late, wrong
    if not peer.hear(PATIENCE):
        return late, "the connection is kept after the close frame" if peer.closing else "the close frame is ignored"
    return late, ""


def _take(peer: Fuzzer, step: Send | Octets | Hear | Quiet) -> str:
    """What is wrong, or nothing."""
    match step:
        case Send():
            peer.put(step.frames, step.cut)
        case Octets():
            with suppress(OSError):
                peer.socket.sendall(step.octets)
        case Hear() if not peer.hear(PATIENCE, step.many):
            return f"no answer where there should be {step.many} by now"
        case Quiet() if peer.hear(step.seconds, len(peer.heard) + 1):
            return "something came too early"
    return ""


def _finish(peer: Fuzzer, case: Case) -> str:
    """Say the client's last word, where the steps have not; what is wrong, or nothing."""
    if case.ending is Ending.SENT:
        return ""
    if case.ending is Ending.SERVER:
        if not (peer.hear(PATIENCE, len(case.heard or ()) + 1) and (peer.closing or peer.end)):
            return f"the server does not fail the connection, and says {peer.heard}"
        if peer.closing:
            peer.put([close(peer.code)])
        return ""
    if not peer.hear(PATIENCE, len(case.heard or ())):
        return "an answer is missing"
    if peer.closing or peer.end:
        return f"the server ended the connection by itself with {peer.code}"
    peer.put([close(NORMAL)])
    return ""


def _verdict(peer: Fuzzer, case: Case, *, late: bool) -> tuple[Verdict, str]:
    if case.heard is not None and peer.heard != list(case.heard) and (peer.heard or not case.less_heard):
        return Verdict.FAILED, f"heard {peer.heard}, not {list(case.heard)}"
    if case.codes is None:
        return Verdict.OK, ""
    if peer.code is not None and peer.code not in case.codes:
        return Verdict.FAILED, f"close code {peer.code}, not one of {sorted(case.codes)}"
    if peer.end == "cut" or (peer.end == "reset" and case.ending is Ending.CLIENT):
        return Verdict.FAILED, f"the connection did not end cleanly: {peer.end}"
    if not peer.closing and NORMAL in case.codes:
        return Verdict.FAILED, "the close frame was not answered"
    if late:
        return Verdict.NON_STRICT, "the server noticed at the end of the message only"
    if peer.code is None and not (peer.closing and NORMAL in case.codes):  # A close frame without a code means no harm.
        return Verdict.NON_STRICT, "no close code"
    if case.heard and not peer.heard:
        return Verdict.NON_STRICT, "the answer before the failure is missing"
    return Verdict.OK, ""


def close(code: int | None = None, reason: bytes = b"") -> Sent:
    """A close frame."""
    return Sent(CLOSE, (b"" if code is None else struct.pack("!H", code)) + reason)


def fragments(opcode: int, *parts: bytes) -> tuple[Sent, ...]:
    """A message in several frames."""
    last = len(parts) - 1
    return tuple(Sent(CONTINUATION if i else opcode, part, fin=i == last) for i, part in enumerate(parts))


def pieces(data: bytes, size: int) -> tuple[bytes, ...]:
    """Data in pieces of a certain size; the last may be shorter."""
    return tuple(data[start : start + size] for start in range(0, len(data), size or 1))


def text_of(size: int) -> bytes:
    """UTF-8 of a certain size in which nearly every cut goes through a letter."""
    return "☃".encode() * (size // 3) + b"." * (size % 3)


def binary_of(size: int) -> bytes:
    """All octets in turn."""
    return (bytes(range(256)) * (size // 256 + 1))[:size]


def is_hopeless(data: bytes) -> bool:
    """Whether no continuation could make UTF-8 of this."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(data)
    except UnicodeDecodeError:
        return True
    return False
