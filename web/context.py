"""What the routes reach the services with."""

from __future__ import annotations

import json
from ipaddress import IPv6Network
from typing import cast

from flask import Response, current_app, request
from pydantic import BaseModel

from services.resources import Resources
from web.doorbell import Doorbell

RESOURCES, DOORBELL = "fairboard-resources", "fairboard-doorbell"


def resources() -> Resources:
    """The resources of this process."""
    return cast(Resources, current_app.extensions[RESOURCES])


def doorbell() -> Doorbell:
    """The bell that wakes workers."""
    return cast(Doorbell, current_app.extensions[DOORBELL])


def client_address() -> str:
    """The client's address; behind trusted proxies, what they say it is."""
    address = request.remote_addr or "unknown"
    try:
        network = IPv6Network((address, 64), strict=False)
    except ValueError:
        return address
    return str(network.network_address)  # Whoever has one IPv6 address has 2**64 of them.


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
