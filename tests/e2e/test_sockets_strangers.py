"""One address cannot take all places of a process with sockets that name nobody."""

from __future__ import annotations

from contextlib import ExitStack

from tests.support.players import Player
from tests.support.sockets import Wire
from tests.support.stack import Stack, wait_for


def test_strangers_from_one_address_are_limited_and_players_are_not(stack: Stack, player: Player) -> None:
    with stack.another_web(STRANGERS_PER_ADDRESS="3") as web, ExitStack() as open_sockets:
        strangers = [open_sockets.enter_context(Wire(web.port)) for _ in range(3)]
        assert [wire.status for wire in strangers] == [101] * 3
        refused = open_sockets.enter_context(Wire(web.port))
        assert (refused.status, refused.body()["code"]) == (429, "RATE_LIMIT_EXCEEDED")
        assert "retry-after: 5" in refused.head
        known = open_sockets.enter_context(Wire(web.port, player.access))
        known.expect("connected")
        strangers[0].send("authenticate", {"token": player.access})
        strangers[0].expect("connected")
        assert open_sockets.enter_context(Wire(web.port)).status == 101, "who said who they are is no stranger"
        strangers[1].socket.close()
        wait_for(lambda: joins(web.port), 5, "the place of one who left")


def test_watchers_of_a_public_board_are_no_strangers(stack: Stack) -> None:
    with stack.another_web(STRANGERS_PER_ADDRESS="2", PUBLIC_BOARD="true") as web, ExitStack() as open_sockets:
        for _ in range(4):
            assert open_sockets.enter_context(Wire(web.port)).join()["version"] >= 0


def joins(port: int) -> bool:
    with Wire(port) as wire:
        return wire.status == 101
