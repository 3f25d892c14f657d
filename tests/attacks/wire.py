"""HTTP as nobody should write it: requests hidden in requests, and clients that take their time."""

from __future__ import annotations

import socket
import ssl
import time
import uuid
from collections import Counter
from contextlib import ExitStack, suppress

import httpx

from tests.attacks.outcome import Clock, Outcome

HIDDEN = "GET /healthz?hidden HTTP/1.1\r\nHost: x\r\nX-Correlation-Id: hidden-request\r\n\r\n"
"""Whoever answers this one took the body of another request for a request."""
POST = "POST /api/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nX-Correlation-Id: outer\r\n"
CHUNK = f"0\r\n\r\n{HIDDEN}"
WHOLE = len(CHUNK)
SMUGGLED = {
    "CL.TE": POST + f"Content-Length: {WHOLE}\r\nTransfer-Encoding: chunked\r\n\r\n{CHUNK}",
    "TE.CL": POST + f"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n{len(HIDDEN):x}\r\n{HIDDEN}\r\n0\r\n\r\n",
    "two lengths": POST + f"Content-Length: {len(HIDDEN)}\r\nContent-Length: 0\r\n\r\n{HIDDEN}",
    "two lengths, the other way": POST + f"Content-Length: 0\r\nContent-Length: {len(HIDDEN)}\r\n\r\n{HIDDEN}",
    "a list of lengths": POST + f"Content-Length: 0, {len(HIDDEN)}\r\n\r\n{HIDDEN}",
    "a length with a sign": POST + f"Content-Length: +0\r\n\r\n{HIDDEN}",
    "a negative length": POST + f"Content-Length: -1\r\n\r\n{HIDDEN}",
    "a length in hex": POST + f"Content-Length: 0x0\r\n\r\n{HIDDEN}",
    "a length with an underscore": POST + f"Content-Length: 0_0\r\n\r\n{HIDDEN}",
    "a folded length": POST + f"Content-Length:\r\n 0\r\n\r\n{HIDDEN}",
    "a folded encoding": POST + f"Content-Length: {WHOLE}\r\nTransfer-Encoding:\r\n chunked\r\n\r\n{CHUNK}",
    "a folded header": POST + f"X: a\r\n Transfer-Encoding: chunked\r\nContent-Length: {WHOLE}\r\n\r\n{CHUNK}",
    "a space before the colon": POST + f"Content-Length: {WHOLE}\r\nTransfer-Encoding : chunked\r\n\r\n{CHUNK}",
    "a tab before the colon": POST + f"Content-Length: {WHOLE}\r\nTransfer-Encoding\t: chunked\r\n\r\n{CHUNK}",
    "an unknown encoding": POST + f"Content-Length: {WHOLE}\r\nTransfer-Encoding: xchunked\r\n\r\n{CHUNK}",
    "chunked and identity": POST + f"Content-Length: {WHOLE}\r\nTransfer-Encoding: chunked, identity\r\n\r\n{CHUNK}",
    "chunked twice": POST + f"Content-Length: {WHOLE}\r\nTransfer-Encoding: chunked\r\n"
    f"Transfer-Encoding: chunked\r\n\r\n{CHUNK}",
    "chunked with a vertical tab": POST + f"Content-Length: {WHOLE}\r\nTransfer-Encoding: \x0bchunked\r\n\r\n{CHUNK}",
    "a line that ends in LF": POST + f"Content-Length: {WHOLE}\r\nX: a\nTransfer-Encoding: chunked\r\n\r\n{CHUNK}",
    "a line that ends in CR": POST + f"Content-Length: {WHOLE}\r\nX: a\rTransfer-Encoding: chunked\r\n\r\n{CHUNK}",
    "an underscore for a hyphen": POST + f"Content-Length: {WHOLE}\r\nTransfer_Encoding: chunked\r\n\r\n{CHUNK}",
    "chunked in HTTP/1.0": POST.replace("/1.1", "/1.0")
    + f"Content-Length: {WHOLE}\r\nTransfer-Encoding: chunked\r\n\r\n{CHUNK}",
    "a chunk size with a sign": POST + f"Transfer-Encoding: chunked\r\n\r\n+0\r\n\r\n{HIDDEN}",
    "a chunk size over 64 bits": POST + f"Transfer-Encoding: chunked\r\n\r\n{'0' * 8}10000000000000000\r\n\r\n{HIDDEN}",
    "a chunk longer than it says": POST + f"Transfer-Encoding: chunked\r\n\r\n1\r\n{{}}{HIDDEN}0\r\n\r\n",
    "a line break in a chunk extension": POST + f"Transfer-Encoding: chunked\r\n\r\n2;a\n{{}}\r\n0\r\n\r\n{HIDDEN}",
    "a length on GET": "GET /api/me HTTP/1.1\r\nHost: x\r\n" + f"Content-Length: {len(HIDDEN)}\r\n\r\n{HIDDEN}",
    "two hosts": "GET /api/me HTTP/1.1\r\nHost: x\r\nHost: y\r\n" + f"Content-Length: {len(HIDDEN)}\r\n\r\n{HIDDEN}",
}
DECLARED = ("a length on GET",)
"""Here the hidden request is plainly a body."""


def answers(port: int, request: str, seconds: float = 5.0, tls: ssl.SSLContext | None = None) -> bytes:
    """All that comes back to a request, until the server hangs up or says nothing more."""
    received = b""
    with ExitStack() as stack:
        raw = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=seconds))
        if tls:
            raw = stack.enter_context(tls.wrap_socket(raw, server_hostname="127.0.0.1"))
        raw.sendall(request.encode("latin-1"))
        with suppress(OSError):
            while more := raw.recv(65_536):
                received += more
                raw.settimeout(0.15)
    return received


def answered_hidden(received: bytes) -> bool:
    """Whether what came back has an answer to the hidden request as well."""
    return b"hidden-request" in received or received.count(b"HTTP/1.1 200") > 0


def slow_clients(port: int, count: int, seconds: float) -> Outcome:
    """So many clients that send a head a byte at a time, while somebody else asks for the page."""
    clock, slowest, failed = Clock(), 0.0, 0
    with ExitStack() as stack, httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as http:
        slow = [stack.enter_context(socket.create_connection(("127.0.0.1", port))) for _ in range(count)]
        for client in slow:
            client.sendall(b"POST /api/auth/login HTTP/1.1\r\nHost: x\r\n")
        while clock.seconds < seconds:
            for client in slow:
                with suppress(OSError):
                    client.send(b"X-a: b\r\n")
            begun = time.monotonic()
            failed += http.get("/healthz", timeout=30).status_code != 200
            slowest = max(slowest, time.monotonic() - begun)
    found = f"the slowest of the others waited {slowest * 1000:.0f} ms, {failed} failed"
    return Outcome("clients that send a byte at a time", count, "others are served", found, not failed, clock.seconds)


def smuggling(port: int, rounds: int) -> Outcome:
    """Each of the hidden requests straight to gunicorn, so many times: is one of them answered?"""
    clock, answered = Clock(), Counter[str]()
    for case, request in SMUGGLED.items():
        for _ in range(rounds):
            answered[case] += answered_hidden(answers(port, request, 3.0))
    return _told("requests hidden in requests, to gunicorn", rounds, "none answered", answered, clock)


def smuggling_between(port: int, rounds: int, tls: ssl.SSLContext) -> Outcome:
    """The same through a balancer, which may take one for two: does anybody else get an answer that is not theirs?"""
    clock, disturbed = Clock(), Counter[str]()
    for case, request in SMUGGLED.items():
        for _ in range(rounds):
            answers(port, to(port, request), 3.0, tls)
            disturbed[case] += misled(port, tls)
    return _told("requests hidden in requests, through Caddy", rounds, "no other is misled", disturbed, clock)


def to(port: int, request: str) -> str:
    """The request under the name that the balancer serves."""
    return request.replace("Host: x\r\n", f"Host: 127.0.0.1:{port}\r\n")


def misled(port: int, tls: ssl.SSLContext, others: int = 4) -> int:
    """How many of some others, whose requests go over the same connections behind the balancer, get a wrong answer."""
    with httpx.Client(base_url=f"https://127.0.0.1:{port}", verify=tls, trust_env=False, timeout=20) as http:
        wrong = 0
        for _ in range(others):
            own = uuid.uuid4().hex
            answer = http.get("/api/me", headers={"X-Correlation-Id": own})
            wrong += answer.status_code != 401 or answer.headers.get("X-Correlation-Id") != own
        return wrong


def _told(attack: str, rounds: int, wanted: str, through: Counter[str], clock: Clock) -> Outcome:
    count = through.total()
    found = f"{count} got through" + (f": {dict(+through)}" if count else "")
    return Outcome(attack, rounds * len(SMUGGLED), wanted, found, not count, clock.seconds)
