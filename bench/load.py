"""A closed-loop HTTP client that costs little: requests made beforehand, one selector for all connections."""

from __future__ import annotations

import selectors
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field


@dataclass
class Result:
    """What one run measured. Latencies are in seconds; `cpu` is the client's own, in seconds."""

    seconds: float = 0.0
    cpu: float = 0.0
    latencies: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)

    @property
    def per_second(self) -> float:
        """Answers per second."""
        return len(self.latencies) / self.seconds

    def percentile(self, share: float) -> float:
        """A latency in milliseconds: 0.5 is the median."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1000


def request(method: str, path: str, *, token: str = "", body: bytes = b"") -> bytes:
    """A request as it goes over the wire."""
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost"]
    if token:
        lines.append(f"Authorization: Bearer {token}")
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + body


def run(
    port: int,
    requests: Iterator[bytes],
    *,
    connections: int,
    seconds: float,
    rate: float = 0.0,
    stopped: Callable[[], bool] = lambda: False,
) -> Result:
    """Send requests over some connections until they or the time run out. `rate` bounds them to so many a second."""
    result, selector = Result(), selectors.DefaultSelector()
    started, cpu = time.perf_counter(), time.process_time()
    for _ in range(connections):
        sock = socket.create_connection(("127.0.0.1", port))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        selector.register(sock, selectors.EVENT_READ, _Slot(sock, b"", 0.0))
    slots = [key.data for key in selector.get_map().values()]
    idle, end = list(slots), started + seconds
    while time.perf_counter() < end and not stopped():
        idle = _send(idle, requests, result, started, rate)
        if len(idle) == len(slots) and not rate:
            break
        idle += _receive(selector, result, 0.002 if idle else 0.5)
    result.seconds, result.cpu = time.perf_counter() - started, time.process_time() - cpu
    for slot in slots:
        slot.sock.close()
    return result


@dataclass
class _Slot:
    sock: socket.socket
    buffer: bytes
    sent: float


def _send(idle: list[_Slot], requests: Iterator[bytes], result: Result, started: float, rate: float) -> list[_Slot]:
    while idle:
        now = time.perf_counter()
        if rate and len(result.latencies) >= (now - started) * rate:
            break
        payload = next(requests, None)
        if payload is None:
            break
        slot = idle.pop()
        slot.sent = now
        slot.sock.sendall(payload)
    return idle


def _receive(selector: selectors.BaseSelector, result: Result, wait: float) -> list[_Slot]:
    done = []
    for key, _ in selector.select(wait):
        slot: _Slot = key.data
        slot.buffer += slot.sock.recv(65_536)
        head, separator, body = slot.buffer.partition(b"\r\n\r\n")
        if separator and len(body) >= _length(head):
            result.latencies.append(time.perf_counter() - slot.sent)
            result.statuses[int(head[9:12])] += 1
            slot.buffer = b""
            done.append(slot)
    return done


def _length(head: bytes) -> int:
    return int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)
