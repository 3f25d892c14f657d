"""Readers that do not read, however the server sends: nobody else notices, and no frame is torn."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable, Iterator

import pytest

from config.catalogue import BOARD
from services.leaderboard.keys import BoardKeys
from tests.support.players import Player
from tests.support.sockets import JOIN, PING, PONG, Wire, assert_works
from tests.support.stack import Stack, wait_for


@pytest.fixture(scope="module", params=["true", "false"], ids=["io_uring", "one by one"])
def way(request: pytest.FixtureRequest, stack: Stack) -> Iterator[int]:
    """The port of a web server that sends boards in one way or the other."""
    with stack.another_web(IO_URING=request.param, LOG_LEVEL="INFO") as web:
        yield web.port
        assert "the hub failed" not in web.part.text()


def publish_giant(stack: Stack) -> int:
    """A frame larger than what the kernel keeps for a socket. Its version is a real one, so the next is newer."""
    keys, redis = BoardKeys(BOARD), stack.resources().redis
    version = int(redis.hincrby(keys.published, "version", 1))
    row = {"rank": 1, "userId": 1, "username": "x" * 500_000, "score": 1}
    board = {"leaderboard": [row], "updatedAt": "2026-01-01T00:00:00.000000Z", "version": version}
    redis.publish(keys.updates, json.dumps(board))
    return version


def until_giant(wire: Wire, version: int) -> None:
    """Read updates up to that one. One that somebody else had caused may come before."""
    while wire.expect("leaderboard:update")["version"] < version:
        pass


def climb_until_seen(player: Player, wire: Wire) -> tuple[float, dict[str, object]]:
    """The seconds from the completion to its frame, and the board in it."""
    begun = time.monotonic()
    board = wire.boards_until(player.climb()["newScore"])[-1]
    return time.monotonic() - begun, board


def test_a_slow_reader_delays_nobody_and_ends_on_the_last_version(
    stack: Stack, way: int, player: Player, newcomer: Callable[[], Player]
) -> None:
    climbers = itertools.cycle((newcomer(), player))  # Each takes the first place, which is told at once.
    with Wire(way, player.access, buffer=16_384) as slow, Wire(way, player.access) as quick:
        for wire in (slow, quick):
            wire.expect("connected")
            wire.join()
        giant = publish_giant(stack)
        until_giant(quick, giant)
        seen = [climb_until_seen(next(climbers), quick) for _ in range(4)]
        assert min(seconds for seconds, _ in seen) < 1.0
        until_giant(slow, giant)
        last = slow.expect("leaderboard:update")["version"]
        assert last == seen[-1][1]["version"], "what came in between is skipped, and nothing is torn"
        assert_works(slow)


def test_answers_wait_their_turn_behind_a_frame_in_flight(stack: Stack, way: int, player: Player) -> None:
    with Wire(way, player.access, buffer=16_384) as slow, Wire(way, player.access) as quick:
        for wire in (slow, quick):
            wire.expect("connected")
            wire.join()
        publish_giant(stack)
        quick.expect("leaderboard:update")
        for _ in range(3):
            slow.send("ping")
        slow.send("leave", JOIN)
        names = [slow.event()[0] for _ in range(5)]
        assert names == ["leaderboard:update", "pong", "pong", "pong", "left"]


def test_who_asks_and_never_reads_is_cut_off(stack: Stack, way: int, player: Player) -> None:
    with Wire(way, player.access, buffer=2_048) as deaf, Wire(way, player.access) as quick:
        for wire in (deaf, quick):
            wire.expect("connected")
            wire.join()
        publish_giant(stack)
        quick.expect("leaderboard:update")
        for _ in range(80):
            deaf.send("ping")
        wait_for(lambda: refuses_more(deaf), what="the end of the one who never reads")


def refuses_more(wire: Wire) -> bool:
    """Whether the other side is gone. TCP tells that only to those who go on."""
    try:
        wire.send("ping")
    except OSError:
        return True
    return False


@pytest.mark.slow
def test_patience_has_an_end(stack: Stack, player: Player) -> None:
    """One that takes nothing for 20 s is cut off; one that does not answer is asked twice, and gone within 60 s."""
    with (
        Wire(stack, player.access, buffer=2_048) as dead,
        Wire(stack, player.access) as mute,
        Wire(stack, player.access) as good,
    ):
        for wire in (dead, mute, good):
            wire.expect("connected")
        dead.join()
        begun = time.monotonic()
        publish_giant(stack)
        asked = good.frame(30)
        assert asked.opcode == PING
        good.send_frame(PONG, asked.payload)
        assert mute.frame(30).opcode == PING
        until = begun + 22 - time.monotonic()
        if until > 0:
            time.sleep(until)
        assert dead.closed(5) is None, "whoever takes nothing does not take a close frame either"
        assert mute.closed(60) is None
        assert 25 <= time.monotonic() - begun <= 60
        again = good.frame(30)
        assert again.opcode == PING
        good.send_frame(PONG, again.payload)
        assert_works(good)
