"""Who may hold one more socket when others of theirs have just ended."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import nullcontext

import gevent
import pytest

from config.catalogue import BOARD
from services import socket_leases
from services.resources import Resources
from services.socket_leases import Lease
from web.sockets.hub import Hub
from web.sockets.loop import Loop
from web.sockets.member import Member

PLAYER = 7


class StillLoop(Loop):
    """A loop whose greenlets do not run, so that nothing is noticed by itself."""

    @staticmethod
    def _forever(turn: object) -> None:
        del turn


class House:
    """A hub, and the clients' ends of its sockets."""

    def __init__(self, resources: Resources) -> None:
        self.hub = Hub(resources, BOARD, nullcontext, StillLoop())
        self.clients: list[socket.socket] = []

    def come(self) -> bool:
        """Whether the player may hold one more socket."""
        here, there = socket.socketpair()
        member = Member(self.hub, here, leave_at=float("inf"))
        self.hub.loop.adopt(member)
        self.clients.append(there)
        return self.hub.enter(member, PLAYER)


@pytest.fixture
def house(resources: Resources) -> Iterator[House]:
    resources.redis.delete(socket_leases.key(PLAYER))
    made = House(resources)
    yield made
    for peer in made.hub.loop.peers():
        made.hub.loop.drop(peer)
    for client in made.clients:
        client.close()


def test_a_socket_whose_client_has_hung_up_does_not_count_though_nobody_has_read_that(house: House) -> None:
    limit = house.hub._resources.settings.sockets_per_player
    assert all(house.come() for _ in range(limit))
    assert not house.come()
    house.clients[3].close()
    assert house.come()
    assert not house.come()


def test_a_socket_that_ends_in_another_process_meanwhile_does_not_count(house: House, resources: Resources) -> None:
    limit = resources.settings.sockets_per_player
    elsewhere = [Lease(PLAYER, f"other:{number}") for number in range(limit)]
    assert all(socket_leases.hold(resources, each, limit) for each in elsewhere)
    assert not house.come()
    gevent.spawn_later(0.05, socket_leases.release, resources, elsewhere[:1])
    assert house.come()
