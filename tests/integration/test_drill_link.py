"""The proxy of the drills does to a connection what it says, and nothing when it is mended."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from drills.link import Deed, Link, Links, Trap, Way


class Echo:
    """A server that answers each piece with the same, and keeps all that it heard."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.heard = b""
        self.arrived = threading.Condition()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, suppress(OSError):
            while data := client.recv(1024):
                with self.arrived:
                    self.heard += data
                    self.arrived.notify_all()
                client.sendall(data)

    def wait_for(self, data: bytes) -> bool:
        with self.arrived:
            return self.arrived.wait_for(lambda: data in self.heard, 10)


@pytest.fixture
def echo() -> Iterator[Echo]:
    server = Echo()
    yield server
    server.listener.shutdown(socket.SHUT_RDWR)
    server.listener.close()


@pytest.fixture
def link(echo: Echo) -> Iterator[Link]:
    links = Links()
    yield links.add("to echo", echo.port)
    links.close()


def dial(link: Link) -> socket.socket:
    return socket.create_connection(("127.0.0.1", link.port), timeout=10)


def exchange(client: socket.socket, data: bytes) -> bytes:
    client.sendall(data)
    return client.recv(1024)


def test_it_lets_everything_pass(link: Link) -> None:
    with dial(link) as client:
        assert exchange(client, b"hello") == b"hello"


def test_a_delay_holds_back_both_ways(link: Link) -> None:
    link.delay(0.1)
    with dial(link) as client:
        begun = time.monotonic()
        assert exchange(client, b"hello") == b"hello"
        assert time.monotonic() - begun > 0.2


def test_a_hole_swallows_until_it_is_mended(link: Link, echo: Echo) -> None:
    with dial(link) as client:
        assert exchange(client, b"before") == b"before"
        link.hole()
        client.settimeout(0.2)
        with pytest.raises(TimeoutError):
            exchange(client, b"lost?")
        assert b"lost?" not in echo.heard
        client.settimeout(10)
        link.mend()
        assert client.recv(1024) == b"lost?"


def test_refused_and_cut_connections_are_reset(link: Link) -> None:
    with dial(link) as client:
        exchange(client, b"hello")
        link.refuse()
        with pytest.raises(ConnectionResetError):
            client.recv(1024)
    with pytest.raises(ConnectionResetError), dial(link) as client:  # The reset may come before `connect` returns.
        client.recv(1024)
    link.mend()
    with dial(link) as client:
        assert exchange(client, b"again") == b"again"


def test_a_trap_drops_what_springs_it(link: Link, echo: Echo) -> None:
    called = threading.Event()
    trap = link.set_trap(Trap((b"fa", b"tal"), Deed.CUT, call=called.set))
    with dial(link) as client:
        assert exchange(client, b"harmless") == b"harmless"
        with pytest.raises(ConnectionResetError):
            exchange(client, b"fatal")
    assert trap.sprung.wait(10)
    assert called.is_set()
    assert b"fatal" not in echo.heard
    with dial(link) as client:
        assert exchange(client, b"fatal") == b"fatal", "it springs once"


def test_a_trap_cuts_the_answer_to_what_was_done(link: Link, echo: Echo) -> None:
    trap = link.set_trap(Trap((b"commit",), Deed.CUT_ANSWER))
    with dial(link) as client, pytest.raises(ConnectionResetError):
        exchange(client, b"commit")
    assert trap.sprung.wait(10)
    assert echo.wait_for(b"commit")


def test_a_trap_on_the_way_down(link: Link, echo: Echo) -> None:
    link.set_trap(Trap((b"secret",), Deed.CUT, Way.DOWN))
    with dial(link) as client, pytest.raises(ConnectionResetError):
        exchange(client, b"secret")
    assert echo.wait_for(b"secret")


def test_late_bytes_arrive_although_their_client_has_left(link: Link, echo: Echo) -> None:
    trap = link.set_trap(Trap((b"late",), Deed.LATE, seconds=0.2))
    with dial(link) as client:
        client.sendall(b"late")
    assert b"late" not in echo.heard
    assert echo.wait_for(b"late")
    assert trap.sprung.wait(10)
