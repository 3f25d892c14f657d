"""The cases 1 to 7, 9 and 10 of the Autobahn test suite under their numbers, against our sockets with an echo behind.

They are rebuilt from their published descriptions. What follows a number after a space is a variant that the suite does
not have. Its cases 12 and 13 are about compression, which is refused.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from tests.support.echo import running_echo
from tests.support.fuzzing import (
    BAD_DATA,
    BY_FRAME,
    NORMAL,
    PROTOCOL_ERROR,
    WHOLE,
    Case,
    Ending,
    Fuzzer,
    Hear,
    Heard,
    Late,
    Octets,
    Quiet,
    Send,
    Sent,
    Step,
    Verdict,
    binary_of,
    close,
    fragments,
    is_hopeless,
    pieces,
    play,
    text_of,
)
from tests.support.sockets import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT

pytestmark = pytest.mark.xdist_group("echo")
HELLO = b"Hello, world!"
GREEK = bytes.fromhex("ceba e1bdb9 cf83 cebc ceb5")
"""A word of five letters in eleven octets."""
TOO_HIGH = GREEK + b"\xf4\x90\x80\x80edited"
"""Hopeless from its 13th octet on, which takes the sixth letter beyond U+10FFFF."""
SURROGATE = GREEK + b"\xed\xa0\x80edited"
MEBI = 1 << 20
EACH = {"": WHOLE, "by frame": BY_FRAME, "by octet": 1}
PART, OTHER = b"fragment1", b"fragment2"


def echoed(number: str, opcode: int, payload: bytes, frames: tuple[Sent, ...] = (), cut: int = WHOLE) -> Case:
    """A message that has to come back."""
    return Case(number, (Send(frames or (Sent(opcode, payload),), cut),), (Heard(opcode, payload),))


def failed(number: str, *steps: Step, code: int = PROTOCOL_ERROR) -> Case:
    """Something that ends the connection at once."""
    return Case(number, steps, ending=Ending.SERVER, codes=frozenset({code}))


def failed_after_hello(number: str, *wrong: Sent, cut: int = WHOLE) -> Case:
    """A message that comes back, something wrong after it, and a ping that must not be answered any more."""
    steps = (Send((Sent(TEXT, HELLO), *wrong, Sent(PING)), cut),)
    return Case(number, steps, (Heard(TEXT, HELLO),), Ending.SERVER, frozenset({PROTOCOL_ERROR}), less_heard=True)


def closed(number: str, *frames: Sent, codes: tuple[int, ...] | None = (NORMAL,)) -> Case:
    """Frames with a close frame among them, which has to be answered, and nothing besides it."""
    return Case(number, (Send(frames),), (), Ending.SENT, None if codes is None else frozenset(codes))


def framing() -> Iterator[Case]:
    sizes = (0, 125, 126, 127, 128, 65535, 65536)
    for kind, (opcode, data) in enumerate(((TEXT, text_of), (BINARY, binary_of)), 1):
        for place, size in enumerate(sizes, 1):
            yield echoed(f"1.{kind}.{place}", opcode, data(size))
            yield echoed(f"1.{kind}.{place} by octet", opcode, data(size), cut=1)
        yield echoed(f"1.{kind}.8", opcode, data(65536), cut=997)


def pings() -> Iterator[Case]:
    def answered(number: str, payloads: list[bytes], cut: int = WHOLE, before: tuple[Sent, ...] = ()) -> Case:
        asked = tuple(Sent(PING, payload) for payload in payloads)
        return Case(number, (Send((*before, *asked), cut),), tuple(Heard(PONG, payload) for payload in payloads))

    unasked = Sent(PONG, b"unsolicited pong payload")
    ten = [f"payload-{i}".encode() for i in range(10)]
    yield answered("2.1", [b""])
    yield answered("2.2", [HELLO])
    yield answered("2.3", [b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff"])
    yield answered("2.4", [b"\xfe" * 125])
    yield failed("2.5", Send((Sent(PING, b"\xfe" * 126),)))
    yield failed("2.5 pong", Send((Sent(PONG, b"\xfe" * 126),)))
    yield answered("2.6", [b"\xfe" * 125], cut=1)
    yield Case("2.7", (Send((Sent(PONG),)), Quiet()))
    yield Case("2.8", (Send((unasked,)), Quiet()))
    yield answered("2.9", [b"ping payload"], before=(unasked,))
    yield answered("2.10", ten)
    yield answered("2.11", ten, cut=1)


def reserved_bits() -> Iterator[Case]:
    yield failed("3.1", Send((Sent(TEXT, HELLO, rsv=1),)))
    for number, rsv, cut in (("3.2", 2, WHOLE), ("3.3", 3, BY_FRAME), ("3.4", 4, 1)):
        yield failed_after_hello(number, Sent(TEXT, HELLO, rsv=rsv), cut=cut)
    yield failed("3.5", Send((Sent(BINARY, b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff", rsv=5),)))
    yield failed("3.6", Send((Sent(PING, HELLO, rsv=6),)))
    yield failed("3.7", Send((Sent(CLOSE, rsv=7),)))
    yield failed("3.7 fragment", Send((Sent(TEXT, HELLO, fin=False), Sent(CONTINUATION, HELLO, rsv=4))))


def reserved_opcodes() -> Iterator[Case]:
    for kind, first in ((1, 3), (2, 11)):
        yield failed(f"4.{kind}.1", Send((Sent(first),)))
        yield failed(f"4.{kind}.2", Send((Sent(first + 1, b"reserved"),)))
        yield failed_after_hello(f"4.{kind}.3", Sent(first + 2))
        yield failed_after_hello(f"4.{kind}.4", Sent(first + 3, HELLO))
        yield failed_after_hello(f"4.{kind}.5", Sent(first + 4, HELLO), cut=1)


def fragmentation() -> Iterator[Case]:
    both = fragments(TEXT, PART, OTHER)
    message = Heard(TEXT, PART + OTHER)
    ping, pong = Sent(PING, b"ping payload"), Heard(PONG, b"ping payload")
    yield failed("5.1", Send((Sent(PING, PART, fin=False), Sent(CONTINUATION, OTHER))))
    yield failed("5.2", Send((Sent(PONG, PART, fin=False), Sent(CONTINUATION, OTHER))))
    for place, cut in enumerate(EACH.values()):
        yield Case(f"5.{3 + place}", (Send(both, cut),), (message,))
        yield Case(f"5.{6 + place}", (Send((both[0], ping, both[1]), cut),), (pong, message))
        for first, fin in ((9, True), (12, False)):
            nothing = Sent(CONTINUATION, b"non-continuation payload", fin=fin)
            yield failed(f"5.{first + place}", Send((nothing, Sent(TEXT, HELLO)), cut))
    yield Case(
        "5.15",
        (Send((*both, Sent(CONTINUATION, b"fragment3", fin=False), Sent(TEXT, b"fragment4"))),),
        (message,),
        Ending.SERVER,
        frozenset({PROTOCOL_ERROR}),
        less_heard=True,
    )
    for number, fin in (("5.16", False), ("5.17", True)):
        yield failed(number, Send((Sent(CONTINUATION, b"fragment1", fin=fin), *both) * 2))
    yield failed("5.18", Send((Sent(TEXT, PART, fin=False), Sent(TEXT, OTHER))))
    yield failed("5.18 binary", Send((Sent(TEXT, PART, fin=False), Sent(BINARY, OTHER, fin=False))))
    yield failed("5.18 close", Send((Sent(CLOSE, b"\x03\xe8", fin=False),)))
    five = fragments(TEXT, *(f"fragment{i}".encode() for i in range(1, 6)))
    ask, again = (Sent(PING, f"pongme {i}!".encode()) for i in (1, 2))
    for number, cut in (("5.19", WHOLE), ("5.20", BY_FRAME)):
        yield Case(
            number,
            # The first ping is answered before the message is complete.
            (Send((*five[:2], ask), cut), Hear(1), Quiet(), Send((*five[2:4], again, five[4]), cut)),
            (Heard(PONG, ask.payload), Heard(PONG, again.payload), Heard(TEXT, b"".join(f.payload for f in five))),
        )


# From Markus Kuhn's stress test for decoders of UTF-8, in the order of the sections 6.5 to 6.23. RFC 3629 decides: no
# letter is longer than four octets or above U+10FFFF, halves of surrogate pairs are none, and "noncharacters" are some.
CUT_SHORT = ["c0", "e080", "f08080", "f8808080", "fc80808080", "df", "efbf", "f7bfbf", "fbbfbfbf", "fdbfbfbfbf"]
GOOD = {
    5: [*(f"hello{c}world".encode().hex() for c in "$¢€\U00024b62"), GREEK.hex()],
    7: ["00", "c280", "e0a080", "f0908080"],
    9: ["7f", "dfbf", "efbfbf", "f48fbfbf"],
    11: ["ed9fbf", "ee8080", "efbfbd", "f48fbfbf"],
    22: [chr(plane << 16 | last).encode().hex() for plane in range(17) for last in (0xFFFE, 0xFFFF)],
    23: [chr(code).encode().hex() for code in range(0xFFF9, 0x10000)],
}
BAD = {
    8: ["f888808080", "fc8480808080"],
    10: ["f7bfbfbf", "fbbfbfbfbf", "fdbfbfbfbfbf"],
    11: ["f4908080"],
    12: ["80", "bf", *("80bf80bf80bf80"[:end] for end in range(4, 14, 2)), bytes(range(0x80, 0xBF)).hex()],
    13: [
        b"".join(bytes([first, 0x20]) for first in range(low, high)).hex()
        for low, high in ((0xC0, 0xDF), (0xE0, 0xEF), (0xF0, 0xF7), (0xF8, 0xFB), (0xFC, 0xFD))
    ],
    14: CUT_SHORT,
    15: ["".join(CUT_SHORT)],
    16: ["fe", "ff", "fefeffff"],
    17: ["c0af", "e080af", "f08080af", "f8808080af", "fc80808080af"],
    18: ["c1bf", "e09fbf", "f08fbfbf", "f887bfbfbf", "fc83bfbfbfbf"],
    19: ["c080", "e08080", "f0808080", "f880808080", "fc8080808080"],
    20: ["eda080", "edadbf", "edae80", "edafbf", "edb080", "edbe80", "edbfbf"],
    21: [high + low for high in ["eda080", "edadbf", "edae80", "edafbf"] for low in ("edb080", "edbfbf")],
}


def sequences() -> Iterator[tuple[str, bytes, bool]]:
    """Number, octets, and whether these are UTF-8."""
    ends = {len(GREEK.decode()[:i].encode()) for i in range(1, 6)}
    for size in range(1, len(GREEK) + 1):
        yield f"6.6.{size}", GREEK[:size], size in ends
    for section in sorted({*GOOD, *BAD}):
        good = GOOD.get(section, [])
        for place, octets in enumerate([*good, *BAD.get(section, [])], 1):
            yield f"6.{section}.{place}", bytes.fromhex(octets), place <= len(good)


def utf_8() -> Iterator[Case]:
    hello = "Hello-µ@ßöäüàá-UTF-8!!".encode()
    yield echoed("6.1.1", TEXT, b"")
    yield echoed("6.1.2", TEXT, b"", fragments(TEXT, b"", b"", b""))
    yield echoed("6.1.3", TEXT, b"middle", fragments(TEXT, b"", b"middle", b""))
    yield echoed("6.2.1", TEXT, hello)
    yield echoed("6.2.2", TEXT, hello, fragments(TEXT, hello[:14], hello[14:]))
    yield echoed("6.2.3", TEXT, hello, fragments(TEXT, *pieces(hello, 1)))
    yield echoed("6.2.4", TEXT, GREEK, fragments(TEXT, *pieces(GREEK, 1)))
    yield failed("6.3.1", Send((Sent(TEXT, SURROGATE),)), code=BAD_DATA)
    yield failed("6.3.2", Send(fragments(TEXT, *pieces(SURROGATE, 1))), code=BAD_DATA)
    for number, (start, end) in {"6.4.1": (11, 15), "6.4.2": (12, 13)}.items():
        parts = fragments(TEXT, TOO_HIGH[:start], TOO_HIGH[start:end], TOO_HIGH[end:])
        yield failed(number, Send(parts[:1]), Quiet(), Send(parts[1:2]), Late(parts[2:]), code=BAD_DATA)
    octets = Sent(TEXT, TOO_HIGH).octets()
    for number, end in {"6.4.3": 15, "6.4.4": 13}.items():
        cut, rest = 6 + (11 if end == 15 else 12), 6 + end
        late = Sent(PING)  # Completes the frame, whatever its octets are.
        steps = (Octets(octets[:cut]), Quiet(), Octets(octets[cut:rest]), Late((late, late)))
        yield failed(number, *steps, code=BAD_DATA)
    for number, data, good in sequences():
        yield from sequence(number, data, good=good)


def sequence(number: str, data: bytes, *, good: bool) -> Iterator[Case]:
    """One text whole, in fragments cut at each place, and one that could still go on."""
    ways: dict[str, tuple[Sent, ...]] = {"": (Sent(TEXT, data),)}
    ways |= {f" cut at {at}": fragments(TEXT, data[:at], data[at:]) for at in range(1, min(len(data), 8))}
    for suffix, frames in ways.items():
        if good:
            yield echoed(number + suffix, TEXT, data, frames)
        else:
            yield failed(number + suffix, Send(frames), code=BAD_DATA)
    if is_hopeless(data):
        yield failed(
            f"{number} at once", Send((Sent(TEXT, data, fin=False),)), Late((Sent(CONTINUATION),)), code=BAD_DATA
        )


def closing() -> Iterator[Case]:
    end = close(NORMAL)
    yield echoed("7.1.1", TEXT, b"Hello World!")
    yield closed("7.1.2", end, Sent(CLOSE))
    yield closed("7.1.3", end, Sent(PING))
    yield closed("7.1.4", end, Sent(TEXT, HELLO))
    yield closed("7.1.5", Sent(TEXT, PART, fin=False), end, Sent(CONTINUATION, OTHER))
    # Whether the echo comes before the end is the server's affair.
    large = (Sent(TEXT, text_of(256 * 1024)), Sent(TEXT, HELLO), end, Sent(PING))
    yield Case("7.1.6", (Send(large),), None, Ending.SENT)
    yield closed("7.3.1", Sent(CLOSE))
    yield closed("7.3.2", Sent(CLOSE, b"a"), codes=(PROTOCOL_ERROR,))
    yield closed("7.3.3", end)
    yield closed("7.3.4", close(NORMAL, b"Hello World!"))
    yield closed("7.3.5", close(NORMAL, b"*" * 123))
    yield closed("7.3.6", close(NORMAL, b"*" * 124), codes=(PROTOCOL_ERROR,))
    yield closed("7.5.1", close(NORMAL, SURROGATE), codes=(PROTOCOL_ERROR, BAD_DATA))
    good_codes = (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999)
    for place, code in enumerate(good_codes, 1):
        yield closed(f"7.7.{place}", close(code), codes=(NORMAL, code))
    for code in (1012, 1013):  # Registered with IANA after RFC 6455.
        yield closed(f"7.7 code {code}", close(code), codes=(NORMAL, code))
    for place, code in enumerate((0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999), 1):
        yield closed(f"7.9.{place}", close(code), codes=(PROTOCOL_ERROR,))
    yield closed("7.9 code 1015", close(1015), codes=(PROTOCOL_ERROR,))
    for place, code in enumerate((5000, 65535), 1):
        yield closed(f"7.13.{place}", close(code), codes=None)


def limits() -> Iterator[Case]:
    """Some sizes of each kind; the suite goes on to 16 MiB, which takes long and shows nothing more."""
    for kind, (opcode, data) in enumerate(((TEXT, text_of), (BINARY, binary_of))):
        for place, size in enumerate((64 * 1024, 256 * 1024, MEBI), 1):
            yield echoed(f"9.{1 + kind}.{place}", opcode, data(size))
        message = data(4 * MEBI)
        for place, size in ({3: 1024, 6: 65536}, {4: 4096, 9: 4 * MEBI})[kind].items():
            yield echoed(f"9.{3 + kind}.{place}", opcode, message, fragments(opcode, *pieces(message, size)))
        for place in (1, 4, 6):
            yield echoed(f"9.{5 + kind}.{place}", opcode, data(MEBI), cut=32 << place)
        for place, size in enumerate((0, 16, 64, 256, 1024, 4096), 1):
            turns = [step for turn in range(1, 101) for step in (Send((Sent(opcode, data(size)),)), Hear(turn))]
            yield Case(f"9.{7 + kind}.{place}", tuple(turns), (Heard(opcode, data(size)),) * 100)


def others() -> Iterator[Case]:
    yield echoed("10.1.1", TEXT, text_of(65536), fragments(TEXT, *pieces(text_of(65536), 1300)))


def of_the_rfc() -> Iterator[Case]:
    """What RFC 6455 asks for in the section named, and Autobahn does not try."""
    for opcode, payload in ((TEXT, HELLO), (BINARY, HELLO), (PING, b""), (PONG, b""), (CLOSE, b"\x03\xe8")):
        yield failed(f"RFC 5.1 opcode {opcode} not masked", Send((Sent(opcode, payload, masked=False),)))
    yield failed("RFC 5.2 length 125 in 16 bits", Send((Sent(TEXT, b"x" * 125, length=b"\x7e\x00\x7d"),)))
    long = b"\x7f" + (65535).to_bytes(8, "big")
    yield failed("RFC 5.2 length 65535 in 64 bits", Send((Sent(TEXT, b"x" * 65535, length=long),)))
    yield failed("RFC 5.2 length with its first bit set", Send((Sent(TEXT, b"", length=b"\x7f\x80" + b"\0" * 7),)))
    yield failed("RFC 5.5 ping with a long length", Send((Sent(PING, b"x" * 100, length=b"\x7e\x00\x64"),)))


TABLE: list[Callable[[], Iterator[Case]]] = [
    framing,
    pings,
    reserved_bits,
    reserved_opcodes,
    fragmentation,
    utf_8,
    closing,
    limits,
    others,
    of_the_rfc,
]
CASES = {case.number: case for section in TABLE for case in section()}


@pytest.fixture(scope="module")
def echo() -> Iterator[int]:
    """The port of our sockets with an echo behind them."""
    with running_echo() as port:
        yield port


@pytest.mark.parametrize("number", CASES)
def test_case(echo: int, number: str) -> None:
    report = play(echo, CASES[number])
    assert report.verdict is Verdict.OK, report


def test_every_number_is_there_once() -> None:
    assert sum(1 for section in TABLE for _ in section()) == len(CASES)
    own = Counter(number.split(".")[0] for number in CASES if " " not in number)
    assert own == {"1": 16, "2": 11, "3": 7, "4": 10, "5": 20, "6": 145, "7": 37, "9": 28, "10": 1}


def test_compression_is_refused_and_the_connection_works(echo: int) -> None:
    with Fuzzer(echo, extensions="permessage-deflate; client_max_window_bits") as peer:
        assert peer.welcome
        assert "sec-websocket-extensions" not in peer.head
        peer.put([Sent(TEXT, HELLO)])
        assert peer.hear(10, 1)
        assert peer.heard == [(TEXT, HELLO)]
        peer.put([Sent(TEXT, b"\xf2H\xcd\xc9\xc9\x07\x00", rsv=4)])  # "Hello", compressed without having been agreed on
        assert peer.hear(10)
        assert peer.code == PROTOCOL_ERROR
