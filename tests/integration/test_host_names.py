"""PostgreSQL under a name: what is looked up, tried and remembered, and what a silent name service holds up."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from threading import Event
from typing import Any

import psycopg2
import pytest
from psycopg2 import extensions

from models import addresses, nodes
from models.addresses import with_addresses
from models.database import use_deadline
from models.nodes import Nodes
from services.resources import Resources
from tests.processes import ROOT

NAME = "postgres.example"
Answer = Callable[[], list[str]]


@pytest.fixture(autouse=True)
def as_in_a_worker() -> Iterator[None]:
    """Nothing is known yet, and psycopg2 waits as it does in a worker."""
    addresses._known.clear()
    nodes._silent.clear()
    use_deadline(5.0)
    yield
    extensions.set_wait_callback(None)
    addresses._known.clear()
    nodes._silent.clear()


@pytest.fixture
def named(resources: Resources) -> Nodes:
    """The server, under a name."""
    return Nodes(resources.settings.database_url.replace("127.0.0.1", NAME), {})


def name_service(monkeypatch: pytest.MonkeyPatch, answer: Answer) -> None:
    """A name service that gives these addresses."""

    def look_up(host: str, *_: object, **__: object) -> list[Any]:
        assert host == NAME
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in answer()]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)


def fail() -> list[str]:
    raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")


def host_of(named: Nodes) -> str:
    with closing(named.connect()) as connection:
        return str(connection.info.host)


def test_every_address_of_a_name_is_tried(monkeypatch: pytest.MonkeyPatch, named: Nodes) -> None:
    """As those of `localhost`, of which a server may have one only. The connection still goes by its name."""
    name_service(monkeypatch, lambda: ["127.0.0.2", "127.0.0.1"])
    assert host_of(named) == NAME


def test_the_last_answer_does_while_the_name_service_fails(monkeypatch: pytest.MonkeyPatch, named: Nodes) -> None:
    name_service(monkeypatch, lambda: ["127.0.0.1"])
    host_of(named)
    name_service(monkeypatch, fail)
    assert host_of(named) == NAME


def test_the_last_answer_does_while_the_name_service_is_silent(monkeypatch: pytest.MonkeyPatch, named: Nodes) -> None:
    name_service(monkeypatch, lambda: ["127.0.0.1"])
    host_of(named)
    asked, go_on = [], Event()

    def be_silent() -> list[str]:
        asked.append(1)
        return ["127.0.0.1"] if go_on.wait(20) else fail()

    name_service(monkeypatch, be_silent)
    for _ in range(3):
        assert host_of(named) == NAME
    assert len(asked) == 1, "three waited for one lookup"
    go_on.set()
    addresses._lookup(NAME).result(20)


def test_a_new_answer_goes_before_the_last_one(monkeypatch: pytest.MonkeyPatch, named: Nodes) -> None:
    name_service(monkeypatch, lambda: ["127.0.0.2"])
    with pytest.raises(psycopg2.OperationalError):
        named.connect()
    name_service(monkeypatch, lambda: ["127.0.0.1"])
    assert host_of(named) == NAME


def test_a_name_of_which_nothing_is_known_is_an_outage(monkeypatch: pytest.MonkeyPatch, named: Nodes) -> None:
    name_service(monkeypatch, fail)
    with pytest.raises(psycopg2.OperationalError, match=f"{NAME}.*Temporary failure"):
        named.connect()


def test_a_silent_name_service_is_an_outage_in_time(monkeypatch: pytest.MonkeyPatch, resources: Resources) -> None:
    go_on = Event()
    name_service(monkeypatch, lambda: ["127.0.0.1"] if go_on.wait(20) else fail())
    two = resources.settings.database_url.replace("127.0.0.1", f"{NAME}:1,{NAME}")
    begun = time.monotonic()
    with pytest.raises(psycopg2.OperationalError, match=r"no primary.*no answer in time"):
        Nodes(two, {}).connect()
    assert time.monotonic() - begun < 10
    assert len(nodes._silent) == 2, "the next one does not wait for them"
    go_on.set()
    addresses._lookup(NAME).result(20)


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"host": ""},
        {"host": "/run/postgresql"},
        {"host": "127.0.0.1"},
        {"host": "::1"},
        {"host": "one,two"},
        {"host": NAME, "hostaddr": "192.0.2.1"},
    ],
)
def test_what_is_no_name_stays_as_it_is(arguments: dict[str, str]) -> None:
    assert with_addresses(arguments) == arguments


GEVENT = """
from gevent import monkey
monkey.patch_all()
import _socket, sys, gevent
from contextlib import closing
sleep = monkey.get_original("time", "sleep")

def look_up(*_, **__):
    sleep(0.7)
    return [(_socket.AF_INET, _socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0))]

_socket.getaddrinfo = look_up
from models.database import use_gevent
from models.nodes import Nodes
use_gevent(5.0)
turns = 0

def tick():
    global turns
    while True:
        gevent.sleep(0.01)
        turns += 1

ticker = gevent.spawn(tick)
with closing(Nodes(sys.argv[1], {}).connect()) as connection:
    print(connection.info.host, turns > 10)
ticker.kill()
"""


def test_a_slow_name_service_holds_up_one_greenlet_only(resources: Resources) -> None:
    """The lookup is slow in its native thread, where the real one is."""
    url = resources.settings.database_url.replace("127.0.0.1", NAME)
    done = subprocess.run(
        [sys.executable, "-c", GEVENT, url],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout, done.stderr) == (f"{NAME} True\n", "")
