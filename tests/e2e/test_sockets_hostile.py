"""Frames that no good client sends."""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import closing, suppress

import httpx
import pytest

from tests.support.players import Player
from tests.support.problems import assert_problem
from tests.support.sockets import BINARY, CLOSE, CONTINUATION, JOIN, PING, PONG, TEXT, Wire, assert_works
from tests.support.stack import Stack

PING_EVENT = b'{"event":"ping"}'


@pytest.fixture
def wire(player: Player) -> Iterator[Wire]:
    """A socket that is let in and has not joined."""
    with Wire(player.stack, player.access) as opened:
        opened.expect("connected")
        yield opened


# Messages that make no sense

NONSENSE = {
    "empty": "",
    "null": "null",
    "number": "1",
    "list": "[]",
    "no event": "{}",
    "unknown event": '{"event":"shout","data":{}}',
    "event of another type": '{"event":1}',
    "a server's event": '{"event":"leaderboard:update","data":{}}',
    "data of another type": '{"event":"ping","data":[]}',
    "null data": '{"event":"ping","data":null}',
    "data that ping does not take": '{"event":"ping","data":{"a":1}}',
    "unknown field": '{"event":"ping","data":{},"id":1}',
    "unknown room": '{"event":"join","data":{"room":"kitchen"}}',
    "no room": '{"event":"join"}',
    "room of another type": '{"event":"join","data":{"room":["leaderboard"]}}',
    "more than a room": '{"event":"join","data":{"room":"leaderboard","limit":5}}',
    "leave nowhere": '{"event":"leave","data":{"room":""}}',
    "token of another type": '{"event":"authenticate","data":{"token":1}}',
    "no token": '{"event":"authenticate","data":{}}',
    "broken": '{"event":"ping"',
    "two messages": '{"event":"ping"}{"event":"ping"}',
    "not a number": '{"event":"ping","data":{"a":NaN}}',
    "infinite": '{"event":"ping","data":{"a":1e400}}',
    "half a pair": '{"event":"\\ud800"}',
    "nul": '{"event":"pi\\u0000ng"}',
    "deep": "[" * 4_000,
    "deeper data": '{"event":"ping","data":' + '{"a":' * 600 + "1" + "}" * 601,
    "huge number": '{"event":"ping","data":{"a":' + "9" * 4_000 + "}}",
}


@pytest.mark.parametrize("case", NONSENSE)
def test_nonsense_gets_an_error_and_the_socket_lives(wire: Wire, case: str) -> None:
    for _ in range(2):
        wire.send_text(NONSENSE[case])
        error = wire.expect("error")
        assert set(error) == {"code", "detail"}
        assert error["code"] == "VALIDATION_ERROR"
    assert_works(wire)


def test_three_errors_close_1008(wire: Wire) -> None:
    for _ in range(2):
        wire.send("shout")
        wire.expect("error")
        assert_works(wire)
    wire.send("shout")
    wire.expect("error")
    assert wire.closed() == 1008


def test_binary_frames_are_errors(wire: Wire) -> None:
    for _ in range(3):
        wire.send_frame(BINARY, PING_EVENT)
        assert wire.expect("error")["code"] == "VALIDATION_ERROR"
    assert wire.closed() == 1008


def test_an_error_tells_nothing_inside(wire: Wire) -> None:
    wire.send_text('{"event":"' + "x" * 500 + '"}')
    assert len(json.dumps(wire.expect("error"))) < 400


# Sizes


@pytest.mark.parametrize("event", [PING_EVENT, b'{"event":"join","data":{"room":"leaderboard"}}'])
def test_a_frame_of_four_kibibytes_is_taken(wire: Wire, event: bytes) -> None:
    wire.send_text(event.ljust(4_096))
    assert wire.event()[0] in {"pong", "leaderboard:initial"}


@pytest.mark.parametrize("size", [4_097, 5_000, 65_535, 65_536, 1_000_000])
def test_a_frame_over_four_kibibytes_closes_1009(wire: Wire, size: int) -> None:
    try:
        wire.send_text(PING_EVENT.ljust(size))
    except OSError:
        assert size > 60_000, "the server may hang up on whoever goes on sending, but not on this little"
        return
    # Hanging up on whoever is still sending may cost them the close frame: that is how TCP works.
    assert wire.closed() in ({1009} if size < 60_000 else {1009, None})


def test_four_kibibytes_are_counted_in_bytes(wire: Wire) -> None:
    wire.send_text('{"event":"' + "☃" * 1_400 + '"}')
    assert wire.closed() == 1009


def test_fragments_over_four_kibibytes_close_1009(wire: Wire) -> None:
    wire.send_frame(TEXT, b'{"event":"', fin=False)
    for _ in range(50):
        wire.send_frame(CONTINUATION, b"x" * 100, fin=False)
    assert wire.closed() == 1009


@pytest.mark.parametrize("part", [b"", b"x"])
def test_fragments_without_end_close_1008(wire: Wire, part: bytes) -> None:
    wire.send_frame(TEXT, b"", fin=False)
    continuation = struct.pack("!BB", CONTINUATION, 0x80 | len(part)) + b"\0\0\0\0" + part
    with suppress(OSError):
        wire.socket.sendall(continuation * 4_000)
    assert wire.closed() in {1008, None}, "hanging up on whoever goes on sending may cost them the close frame"


def test_a_frame_that_says_it_is_huge_costs_nothing(wire: Wire) -> None:
    wire.socket.sendall(struct.pack("!BBQ", 0x80 | TEXT, 0x80 | 127, 2**62) + b"\0\0\0\0" + b"x" * 5_000)
    assert wire.closed() == 1009


# Fragments


def test_fragmented_messages_are_put_together(wire: Wire) -> None:
    wire.send_frame(TEXT, b'{"event"', fin=False)
    wire.send_frame(PING, b"in between")
    wire.send_frame(CONTINUATION, b':"pi', fin=False)
    wire.send_frame(CONTINUATION, b"", fin=False)
    wire.send_frame(CONTINUATION, b'ng"}')
    assert wire.frame() == (PONG, b"in between")
    wire.expect("pong")


def test_a_letter_may_be_cut_in_two(wire: Wire) -> None:
    message = '{"event":"☃"}'.encode()
    wire.send_frame(TEXT, message[:11], fin=False)
    wire.send_frame(CONTINUATION, message[11:])
    wire.expect("error")
    assert_works(wire)


def test_bytes_that_arrive_one_by_one(wire: Wire) -> None:
    wire.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for byte in struct.pack("!BB", 0x81, 0x80 | len(PING_EVENT)) + b"\0\0\0\0" + PING_EVENT:
        wire.socket.sendall(bytes([byte]))
    wire.expect("pong")


# Frames against RFC 6455

Act = Callable[[Wire], None]
BROKEN: dict[str, tuple[Act, int]] = {
    "not masked": (lambda w: w.send_frame(TEXT, PING_EVENT, masked=False), 1002),
    "reserved bit": (lambda w: w.send_frame(TEXT, PING_EVENT, rsv=4), 1002),
    "reserved opcode": (lambda w: w.send_frame(3, PING_EVENT), 1002),
    "reserved control opcode": (lambda w: w.send_frame(11, b""), 1002),
    "continuation of nothing": (lambda w: w.send_frame(CONTINUATION, PING_EVENT), 1002),
    "text within text": (
        lambda w: (w.send_frame(TEXT, b"{", fin=False), w.send_frame(TEXT, b"}"))[0],  # type: ignore[func-returns-value]
        1002,
    ),
    "long ping": (lambda w: w.send_frame(PING, b"x" * 126), 1002),
    "fragmented ping": (lambda w: w.send_frame(PING, b"x", fin=False), 1002),
    "close of one byte": (lambda w: w.send_frame(CLOSE, b"x"), 1002),
    "close without a known code": (lambda w: w.send_frame(CLOSE, b"\x00\x01"), 1002),
    "close with a code that is never sent": (lambda w: w.send_frame(CLOSE, struct.pack("!H", 1006)), 1002),
    "text that is not UTF-8": (lambda w: w.send_frame(TEXT, b'{"event":"\xff"}'), 1007),
    "text that ends within a letter": (lambda w: w.send_frame(TEXT, b"\xe2\x98"), 1007),
    "text with half a pair": (lambda w: w.send_frame(TEXT, b"\xed\xa0\x80"), 1007),
    "close reason that is not UTF-8": (lambda w: w.send_frame(CLOSE, b"\x03\xe8\xff"), 1007),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_frame_against_the_protocol_closes(wire: Wire, case: str) -> None:
    act, code = BROKEN[case]
    act(wire)
    assert wire.closed() == code


def test_rubbish_after_the_upgrade_closes(wire: Wire) -> None:
    wire.socket.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 3)
    assert wire.closed() in {1002, None}


def test_hanging_up_in_the_middle_of_the_handshake_is_no_error_of_ours(stack: Stack, player: Player) -> None:
    asked = (
        "GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nAuthorization: Bearer {player.access}\r\n\r\n"
    )
    log = ""
    with stack.another_web() as web:
        for _ in range(10):  # Until one of them was met in the middle, which is luck.
            for _ in range(100):
                with socket.create_connection(("127.0.0.1", web.port)) as rude:
                    rude.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    rude.sendall(asked.encode())
            with Wire(web.port, player.access) as good:
                good.expect("connected")
            log = web.part.text()
            if "a client is gone" in log:
                break
        assert "a client is gone" in log
        assert "unexpected" not in log
        assert "Traceback" not in log


def test_a_reset_disturbs_nobody(stack: Stack, player: Player) -> None:
    for _ in range(20):
        rude = Wire(stack, player.access)
        rude.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        rude.send("join", JOIN)
        rude.socket.close()
    with Wire(stack, player.access) as good:
        good.expect("connected")
        assert good.join()["leaderboard"] is not None


# The handshake


@pytest.mark.parametrize(
    "headers",
    [
        {"Upgrade": None, "Connection": None},
        {"Upgrade": "h2c"},
        {"Connection": "keep-alive"},
        {"Sec-WebSocket-Key": None},
        {"Sec-WebSocket-Key": "short"},
        {"Sec-WebSocket-Key": "☃".encode().decode("latin-1")},
        {"Sec-WebSocket-Version": None},
        {"Sec-WebSocket-Version": "8"},
    ],
    ids=lambda headers: (
        "-".join(f"{name}={value}" for name, value in headers.items()).encode("ascii", "replace").decode()
    ),
)
def test_a_bad_handshake_gets_a_problem(stack: Stack, player: Player, headers: dict[str, str | None]) -> None:
    with Wire(stack, player.access, headers=headers) as wire:
        assert wire.status in {400, 426}, wire.head
        assert "application/problem+json" in wire.head
        assert wire.body()["code"] == "VALIDATION_ERROR"


@pytest.mark.parametrize("method", ["GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS"])
def test_plain_http_on_the_socket_path(stack: Stack, method: str) -> None:
    answer = httpx.request(method, f"{stack.url}/ws", trust_env=False)
    assert 200 <= answer.status_code < 500
    if method == "GET":
        assert_problem(answer, 400, "VALIDATION_ERROR")


def test_an_extension_that_is_offered_is_not_used(stack: Stack, player: Player) -> None:
    with Wire(stack, player.access, headers={"Sec-WebSocket-Extensions": "permessage-deflate"}) as wire:
        assert wire.status == 101
        assert "sec-websocket-extensions" not in wire.head
        wire.expect("connected")


# Clients that talk too much


def test_a_burst_is_answered_and_a_flood_closes_1008(wire: Wire) -> None:
    for _ in range(80):
        wire.send("ping")
    for _ in range(80):
        wire.expect("pong")
    with suppress(OSError):  # The server may have hung up already.
        for _ in range(400):
            wire.send_frame(PING)
    assert wire.closed() in {1008, None}, "hanging up on whoever is still sending may cost them the close frame"


def test_many_sockets_that_say_nothing_keep_nobody_out(stack: Stack, player: Player) -> None:
    idle = [socket.create_connection(("127.0.0.1", stack.port)) for _ in range(200)]
    try:
        with Wire(stack, player.access) as wire:
            wire.expect("connected")
            assert_works(wire)
        assert player.get("/api/me").status_code == 200
    finally:
        for one in idle:
            with closing(one):
                pass
