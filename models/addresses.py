"""Names of hosts, looked up here and not by libpq.

libpq looks a name up while it begins to connect, and with a wait callback that stops the whole event loop for as long
as the name service is silent. `socket.getaddrinfo` is gevent's in a web process, hence one greenlet's own affair.
"""

from __future__ import annotations

import ipaddress
import os
import socket
from concurrent.futures import Future
from threading import Thread
from typing import Any

import psycopg2

LOOKUP_SECONDS = 1.0
"""Longest wait for the addresses of a name that was never looked up."""
KNOWN_LOOKUP_SECONDS = 0.2
"""The same where the last answer will do."""

_known: dict[str, tuple[str, ...]] = {}
"""The last answer for each name: addresses change seldom, and name services fail."""
_lookups: dict[str, Future[tuple[str, ...]]] = {}
"""Those under way. One for each name: a silent name service is not to take a thread for every connection."""
os.register_at_fork(after_in_child=_lookups.clear)


class NoAddressError(psycopg2.OperationalError):
    """The name service did not answer in time."""


def with_addresses(arguments: dict[str, Any]) -> dict[str, Any]:
    """Arguments of `psycopg2.connect` in which a host has its addresses, so that libpq looks nothing up.

    It tries them in turn, as it would have done. Raises OperationalError if nothing is known of the name.
    """
    host = str(arguments.get("host") or "")
    if "hostaddr" in arguments or not _is_name(host):
        return arguments
    found = _addresses(host)
    return arguments | {"host": ",".join([host] * len(found)), "hostaddr": ",".join(found)}


def _is_name(host: str) -> bool:
    if not host or host.startswith(("/", "@")) or "," in host:
        return False  # Sockets in the file system, and lists of hosts.
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return True
    return False


def _addresses(host: str) -> tuple[str, ...]:
    last = _known.get(host)
    try:
        return _lookup(host).result(KNOWN_LOOKUP_SECONDS if last else LOOKUP_SECONDS)
    except (OSError, UnicodeError) as error:
        if last:
            return last
        failure = NoAddressError if isinstance(error, TimeoutError) else psycopg2.OperationalError
        raise failure(f"the name {host} has no address: {str(error) or 'no answer in time'}") from None


def _lookup(host: str) -> Future[tuple[str, ...]]:
    future = _lookups.get(host)
    if future is None:
        future = _lookups[host] = Future()
        Thread(target=_look_up, args=(host, future), name=f"lookup of {host}", daemon=True).start()
    return future


def _look_up(host: str, future: Future[tuple[str, ...]]) -> None:
    try:
        answers = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        _known[host] = tuple(dict.fromkeys(str(address[0]) for *_, address in answers))
    except Exception as error:  # noqa: BLE001 -- whoever waits for it is told
        future.set_exception(error)
    else:
        future.set_result(_known[host])
    finally:
        _lookups.pop(host, None)
