"""What is for operators only: asked for from a trusted network, or with a token."""

from __future__ import annotations

import hmac
import re
from ipaddress import ip_address, ip_network

from flask import request

from services.errors import Forbidden, InvalidToken
from web.auth import bearer
from web.context import resources

FORWARDED = ("X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP", "Forwarded", "Via")
"""Each of them says that a proxy passed this on, for somebody who may sit anywhere."""
LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")


def operators_only() -> None:
    """Raises Unauthorized or InvalidToken where a token is set and not sent, Forbidden for whoever else is outside."""
    token = resources().settings.metrics_token
    if token:
        if not hmac.compare_digest(bearer().encode(), token.encode()):
            raise InvalidToken("This is not the token of FAIRBOARD_METRICS_TOKEN.")
    elif not _from_trusted_network():
        raise Forbidden("This is for operators: see FAIRBOARD_METRICS_TOKEN and FAIRBOARD_METRICS_NETWORKS.")


def _from_trusted_network() -> bool:
    """Whether the peer itself, no proxy in between, sits in a network of the settings."""
    if any(name in request.headers for name in FORWARDED):
        return False
    try:
        peer = ip_address(request.remote_addr or "")
    except ValueError:
        return False
    peer = getattr(peer, "ipv4_mapped", None) or peer
    # A page whose name was made to point to this machine asks from it too, but under its own name.
    if peer.is_loopback and re.sub(r":[0-9]+$", "", request.host.lower()) not in LOOPBACK_NAMES:
        return False
    return any(peer in ip_network(network) for network in resources().settings.metrics_networks)
