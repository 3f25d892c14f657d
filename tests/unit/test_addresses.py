"""The address that limits are counted under: one for each client, however a server or a proxy writes it."""

from __future__ import annotations

import pytest
from flask import Flask

from web.context import client_address


def counted_as(written: str | None) -> str:
    environ = {} if written is None else {"REMOTE_ADDR": written}
    with Flask("addresses").test_request_context("/", environ_overrides=environ):
        return client_address()


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("192.0.2.1:50000", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("[2001:db8:1:2:3:4:5:6]:50000", "2001:db8:1:2::"),
        ("[2001:db8:1:2:3:4:5:6]", "2001:db8:1:2::"),
        ("::1", "::"),
    ],
)
def test_an_address_is_counted_without_port_and_an_ipv6_network_as_one(written: str, address: str) -> None:
    assert counted_as(written) == address


def test_ipv4_clients_of_a_socket_that_takes_both_are_told_apart() -> None:
    assert counted_as("::ffff:192.0.2.1") == "192.0.2.1"
    assert counted_as("::ffff:192.0.2.2") == "192.0.2.2"


@pytest.mark.parametrize("written", ["", "nonsense", "}:x", "1.2.3.4.5", "x" * 5_000, "'; DROP TABLE users", "1:2:3"])
def test_what_is_no_address_is_one_stranger(written: str) -> None:
    assert counted_as(written) == "unknown"
