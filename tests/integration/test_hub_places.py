"""Who may hold one more socket when others of theirs have just ended."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator

import gevent
import pytest
from flask import Flask

from config.catalogue import BOARD
from services import socket_leases
from services.resources import Resources
from services.sessions import Player
from services.socket_leases import Lease
from tests.support.people import People
from tests.support.tokens import access_token
from web.sockets import frames, hub as hubs, places
from web.sockets.hub import Hub
from web.sockets.loop import Loop
from web.sockets.member import Member
from web.tokens import register_jwt

PLAYER = 7


class StillLoop(Loop):
    """A loop whose greenlets do not run, so that nothing is noticed by itself."""

    @staticmethod
    def _forever(turn: object) -> None:
        del turn


class House:
    """A hub, and the clients' ends of its sockets."""

    def __init__(self, resources: Resources) -> None:
        app = Flask(__name__)
        register_jwt(app, resources.settings)
        self.hub = Hub(resources, BOARD, app.app_context, StillLoop())
        self.clients: list[socket.socket] = []

    def come(self, user_id: int = PLAYER) -> bool:
        """Whether the player may hold one more socket."""
        return self.hub.enter(self.stranger(), user_id)

    def stranger(self) -> Member:
        """Somebody whose handshake is done."""
        here, there = socket.socketpair()
        member = Member(self.hub, here, leave_at=float("inf"))
        self.hub.loop.adopt(member)
        self.clients.append(there)
        return member

    def log_in(self, player: Player) -> Member:
        """Somebody who says by message who they are; it has not been looked up yet."""
        member = self.stranger()
        token = access_token(self.hub._resources.settings, player.user_id, str(player.session_id), life=600)
        member.authenticate(token)
        return member


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


def test_who_holds_too_many_sockets_keeps_nobody_else_waiting(house: House, people: People) -> None:
    many, other = people.several(2)
    assert all(house.come(many.user_id) for _ in range(house.hub._resources.settings.sockets_per_player))
    refused = [house.log_in(many) for _ in range(3)]
    welcome = house.log_in(other)
    for _ in (*refused, welcome):
        house.hub._answer_one()
    while welcome.user_id is None:
        gevent.sleep(0.001)
    assert not any(member.closing for member in refused), "they get a second look, which takes a while"
    while not all(member.closing for member in refused):
        gevent.sleep(0.01)


def test_while_redis_is_away_a_process_counts_those_who_come_at_once(
    house: House, resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of them was within the limit when Redis was asked, and all wait for it together."""

    def unheard(*_: object) -> bool:
        gevent.sleep(0.001)
        return True

    monkeypatch.setattr(socket_leases, "hold", unheard)
    limit = resources.settings.sockets_per_player
    came = [gevent.spawn(house.come) for _ in range(limit + 5)]
    gevent.joinall(came)
    assert [each.value for each in came].count(True) == limit


def test_a_place_that_is_given_back_while_it_is_renewed_is_free(
    house: House, resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert house.come()
    renew, (peer,) = socket_leases.renew, house.hub.loop.peers()

    def overtaken(own: Resources, leases: Iterable[Lease]) -> None:
        house.hub.loop.drop(peer)
        house.hub._places.give_back()
        renew(own, leases)

    monkeypatch.setattr(socket_leases, "renew", overtaken)
    monkeypatch.setattr(places, "RENEW_SECONDS", 0.0)
    house.hub._places.renew()
    house.hub._places.give_back()
    assert not resources.redis.exists(socket_leases.key(PLAYER))


def test_a_process_that_ends_gives_all_places_back(
    house: House, resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hubs, "LAST_WORDS_SECONDS", 0.0)
    assert house.come()
    house.hub.close_all(frames.RESTART)
    assert not resources.redis.exists(socket_leases.key(PLAYER))
