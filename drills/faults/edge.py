"""Rows 13 and 17: what happens to web servers and sockets."""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import time
from collections.abc import Callable
from statistics import median
from urllib.parse import urlsplit

from config.catalogue import BOARD
from drills.faults.common import machine
from drills.followers import JOIN
from drills.load import Plan
from drills.scene import Drill, Scene
from services.leaderboard.keys import BoardKeys

HEADERS_SECONDS = 0.5
SLOW, DRIBBLING = 60, 200
RECEIVE_BYTES, GIANT_BYTES = 2_048, 500_000
CUT_SECONDS = 25.0
"""Who takes nothing for 20 s is cut off."""
TURNS, SETTLED = 5, 40
"""How often the two are measured, and the completions that a change is given."""
TURN_SECONDS = 8.0, 3.0
MOST_TIMES = 2.0
"""How much the others' p99 may grow."""


def rolling(scene: Scene) -> None:
    """SIGTERM to each process in turn, the next when the one before is replaced. No request may fail."""
    before, web = len(scene.load.history.failures), scene.site.parts["web"]
    for pid in web.pids[1:]:
        known = set(web.pids)
        os.kill(pid, signal.SIGTERM)
        scene.wait(lambda pid=pid, known=known: _replaced(scene, pid, known), "a new process")  # type: ignore[misc]
        scene.wait_for_more(20)
    for name in ("leaderboard", "anticheat", "maintenance", "beat"):
        scene.site.parts[name].terminate()
        scene.site.parts[name].start()
    scene.wait_for_more(20)
    failed = scene.load.history.failures[before:]
    if scene.quick:  # Where other work runs as well, deadlines are missed; a cut connection is a fault all the same.
        scene.notes.append(f"{len(failed)} requests were refused or not answered")
        failed = [one for one in failed if one.endswith(": 0")]
    scene.require(f"no failed request: {len(failed)}, such as {failed[:3]}", holds=not failed)


def _replaced(scene: Scene, pid: int, known: set[int]) -> bool:
    """Whether a process has ended, and another has loaded the application: its counters are there."""
    new, settings = set(scene.site.parts["web"].pids) - known, scene.site.settings
    counters = settings.data_dir / f"metrics-{settings.port}"
    return pid not in scene.site.parts["web"].pids and any(list(counters.glob(f"*_{one}.db")) for one in new)


def cut_channel(scene: Scene) -> None:
    """Every connection of the web to Redis is cut, then hangs: frames get lost."""
    link = machine(scene).links["web-redis"]
    for _ in range(3):
        link.cut()
        scene.wait_for_more(10)
    link.hole()
    scene.lasts(scene.seconds(10, 4))


def slow_readers(scene: Scene) -> None:
    """Sockets that join and then read nothing, with a board on its way to each that the kernel has no room for."""
    beside_deaf(scene, CUT_SECONDS)


def beside_deaf(scene: Scene, cut_seconds: float) -> None:
    """Others play as fast beside readers that read nothing, and those are cut off within some seconds."""
    _beside(scene, lambda: _deaf(scene), lambda sockets: None)
    if scene.quick:
        return
    sockets = _deaf(scene)
    scene.lasts(cut_seconds)
    cut = sum(map(_was_cut, sockets))
    scene.notes.append(f"{cut} of {SLOW} that read nothing were cut off within {cut_seconds:.0f} s")
    scene.require(f"all that read nothing cut off, not {cut} of {SLOW}", holds=cut == SLOW)


def _deaf(scene: Scene) -> list[socket.socket]:
    """Sockets that have joined and now get no further than the middle of a board."""
    sockets = [_join(scene, number) for number in range(SLOW)]
    scene.wait_for_more(SETTLED)
    _publish_giant(scene)
    return sockets


def _publish_giant(scene: Scene) -> None:
    """A board of half a megabyte, under a version of its own: the next one is newer."""
    keys, redis = BoardKeys(BOARD), scene.site.resources().redis
    row = {"rank": 1, "userId": 1, "username": "x" * GIANT_BYTES, "score": 1}
    version = int(redis.hincrby(keys.published, "version", 1))
    board = {"leaderboard": [row], "updatedAt": "2026-01-01T00:00:00.000000Z", "version": version}
    redis.publish(keys.updates, json.dumps(board))


def _was_cut(one: socket.socket) -> bool:
    """Whether the server has ended it: after what was on its way comes the end."""
    end = time.monotonic() + 5
    one.settimeout(1)
    try:
        while time.monotonic() < end:
            if not one.recv(65_536):
                return True
    except TimeoutError:
        return False
    except OSError:
        return True
    return False


def slowloris(scene: Scene) -> None:
    """Requests whose headers never end."""
    _beside(scene, lambda: [_begin_request(scene) for _ in range(DRIBBLING)], _dribble)


def _beside(
    scene: Scene, open_sockets: Callable[[], list[socket.socket]], go_on: Callable[[list[socket.socket]], None]
) -> None:
    """The others' p99 alone, and beside bad company once that has arrived; in turns, since a machine has its moods.

    What counts is the median over the turns: one pause of a tenth of a second hits every player at once, which is more
    than a hundredth of all that is asked in the whole drill.
    """
    alone: list[float] = []
    crowded: list[float] = []
    for _ in range(TURNS):
        alone.append(_p99(_times(scene, scene.seconds(*TURN_SECONDS), lambda: None)))
        sockets = open_sockets()
        scene.wait_for_more(SETTLED)
        crowded.append(_p99(_times(scene, scene.seconds(*TURN_SECONDS), lambda: go_on(sockets))))  # noqa: B023 -- called at once
        for one in sockets:
            one.close()
        scene.wait_for_more(SETTLED)
    before, beside = median(alone), median(crowded)
    ratio = beside / before
    scene.notes.append(
        f"the others' p99: {before * 1000:.0f} ms alone, {beside * 1000:.0f} ms beside, {ratio:.2f} times"
    )
    scene.require(f"the others' p99 within {MOST_TIMES} times: {ratio:.2f}", holds=scene.quick or ratio < MOST_TIMES)


def _times(scene: Scene, seconds: float, meanwhile: Callable[[], None]) -> list[float]:
    begun = scene.load.now()
    while scene.load.now() < begun + seconds:
        meanwhile()
        time.sleep(HEADERS_SECONDS)
    return [attempt.seconds for attempt in list(scene.load.history.attempts) if attempt.invoked > begun]


def _p99(times: list[float]) -> float:
    return sorted(times)[int(0.99 * (len(times) - 1))]


def _connect(scene: Scene) -> socket.socket:
    """A connection as a client has it, with a window in which little can wait."""
    place = urlsplit(scene.site.urls[0])
    assert place.hostname
    one = socket.socket()
    one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
    one.settimeout(5)
    one.connect((place.hostname, place.port))
    if scene.site.trust is not None and place.scheme == "https":
        return scene.site.trust.wrap_socket(one, server_hostname=place.hostname)
    return one


def _begin_request(scene: Scene) -> socket.socket:
    one = _connect(scene)
    host = urlsplit(scene.site.urls[0]).netloc
    one.sendall(f"POST /api/actions/complete HTTP/1.1\r\nHost: {host}\r\n".encode())
    return one


def _dribble(sockets: list[socket.socket]) -> None:
    for one in sockets:
        try:
            one.sendall(b"X-Slow: 1\r\n")
        except OSError:
            continue  # The server has had enough of it, as it should.


def _join(scene: Scene, number: int) -> socket.socket:
    """Of several players, because one may not hold so many."""
    one = _connect(scene)
    bearer = scene.spare[number % len(scene.spare)].access
    one.sendall(
        b"GET /ws HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        + f"Host: {urlsplit(scene.site.urls[0]).netloc}\r\nAuthorization: Bearer {bearer}\r\n\r\n".encode()
    )
    answer = one.recv(1024)
    scene.require(f"a socket for each, not {answer[:80]!r}", holds=b" 101 " in answer)
    payload = JOIN.encode()
    # The mask is zero, which leaves the payload as it is.
    one.sendall(struct.pack("!BB", 0x81, 0x80 | len(payload)) + bytes(4) + payload)
    return one


DRILLS = (
    Drill("13", "rolling SIGTERM under load", rolling, quick=True, plan=Plan(keep_connections=False)),
    Drill("17a", "the channel cut, then silent", cut_channel),
    Drill("17b", "60 sockets that read nothing", slow_readers),
    Drill("17c", "slowloris: 200 requests that never end", slowloris),
)
