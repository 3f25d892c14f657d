"""What the routes reach the services with."""

from __future__ import annotations

import json
from ipaddress import IPv6Address, IPv6Network, ip_address
from threading import Event
from typing import cast

from flask import Response, current_app, request
from pydantic import BaseModel

from services.prober import Prober
from services.resources import Resources
from web.doorbell import Doorbell

USER = "fairboard.user"
"""Where in the WSGI environment the user id of a valid access token is left, for the log."""
RESOURCES, DOORBELL = "fairboard-resources", "fairboard-doorbell"
DRAINING, PROBER = "fairboard-draining", "fairboard-prober"


def resources() -> Resources:
    """The resources of this process."""
    return cast(Resources, current_app.extensions[RESOURCES])


def doorbell() -> Doorbell:
    """The bell that wakes workers."""
    return cast(Doorbell, current_app.extensions[DOORBELL])


def prober() -> Prober:
    """What looks after PostgreSQL and Redis."""
    return cast(Prober, current_app.extensions[PROBER])


def draining() -> bool:
    """Whether this process is about to end and wants no new clients."""
    return cast(Event, current_app.extensions[DRAINING]).is_set()


def client_address() -> str:
    """The client's address; behind trusted proxies, what they say it is. Whatever is no address counts as one."""
    given = request.remote_addr or ""
    try:
        address = ip_address(_without_port(given))
    except ValueError:
        return "unknown"
    if not isinstance(address, IPv6Address):
        return str(address)
    if address.ipv4_mapped:  # An IPv4 client of a socket that takes both; all of them lie in one IPv6 network.
        return str(address.ipv4_mapped)
    return str(IPv6Network((address, 64), strict=False).network_address)  # Whoever has one of them has 2**64.


def _without_port(given: str) -> str:
    """Some proxies add the port, as in `192.0.2.1:50000`; with it each connection would be a stranger."""
    if given.startswith("["):
        return given[1:].partition("]")[0]
    return given.partition(":")[0] if given.count(":") == 1 else given


def answer(model: BaseModel, status: int = 200) -> Response:
    """A model as a JSON answer that nobody caches."""
    return json_response(model.model_dump_json().encode(), status)


def quick_answer(value: dict[str, object]) -> Response:
    """A small answer of the hot path, whose fields the tests hold against its model."""
    return json_response(json.dumps(value).encode())


def json_response(body: bytes, status: int = 200) -> Response:
    """Bytes of JSON as an answer that nobody caches."""
    response = Response(body, status, content_type="application/json")
    response.headers["Cache-Control"] = "no-store"
    return response
