"""How long HTTP takes on the process that broadcasts: requests at fixed times, however long the last one took."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

RATE = 50.0


class Prober:
    """Latencies in seconds, each counted from when its request was due, so that waiting in line counts too."""

    def __init__(self, port: int, path: str) -> None:
        """Asks at once, and until `stop`."""
        self.latencies: list[float] = []
        self.errors = 0
        self._port, self._path = port, path
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ask no more."""
        self._stop.set()
        self._thread.join(15)

    def percentile(self, share: float) -> float:
        """In seconds."""
        return percentile(self.latencies, share)

    def _run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
        due = time.monotonic()
        while not self._stop.wait(max(0.0, due - time.monotonic())):
            try:
                connection.request("GET", self._path)
                connection.getresponse().read()
                self.latencies.append(time.monotonic() - due)
            except OSError:
                self.errors += 1
                with suppress(OSError):
                    connection.close()
            due += 1 / RATE
        connection.close()


@contextmanager
def probing(port: int, path: str) -> Iterator[Prober | None]:
    """Requests while the block runs; none where there is no path."""
    prober = Prober(port, path) if path else None
    try:
        yield prober
    finally:
        if prober:
            prober.stop()


def percentile(values: list[float], share: float) -> float:
    """0.5 is the median. Not a number where there is nothing."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")
