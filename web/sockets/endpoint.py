"""`/ws`: the door. Checks who comes in, shakes hands, and gives the socket to the hub.

flask-sock and simple-websocket do the handshake. What follows they would do with two greenlets and a compressor for
each socket, so the descriptor is taken over here: gunicorn and the library close theirs, and the hub keeps a copy.
"""

from __future__ import annotations

import logging
import os
import re
import time
from _socket import socket as PlainSocket  # noqa: N812 -- a class, whatever its name
from typing import Any, cast
from urllib.parse import urlsplit

from flask import Flask, Response, current_app, g, request
from flask_sock import Sock
from simple_websocket import Server

from config.catalogue import BOARD
from services import sessions
from services.errors import Crowded, Forbidden, InvalidRequest, RateLimitExceeded
from services.resources import Resources
from web.auth import credentials
from web.context import client_address, resources
from web.sockets.hub import Hub
from web.sockets.loop import Loop
from web.sockets.member import Member

log = logging.getLogger(__name__)

HUB = "fairboard-hub"
PATH = "/ws"
AUTHENTICATE_SECONDS = 5.0
KEY = re.compile(r"[A-Za-z0-9+/]{22}==")

sock = Sock()


class NoReader:
    """Stands where simple-websocket would start a thread that reads. The loop reads."""

    name = ""

    def __init__(self, target: Any) -> None:
        """There is nothing to run."""

    def start(self) -> None:
        """Nothing starts."""


def register_sockets(app: Flask, own: Resources, *, open_door: bool = True) -> None:
    """Give an app its hub, and open the door to it."""
    app.extensions[HUB] = Hub(own, BOARD, app.app_context, Loop(io_uring=own.settings.io_uring))
    if not open_door:
        return
    app.config["SOCK_SERVER_OPTIONS"] = {"thread_class": NoReader}
    app.before_request(_check_handshake)
    app.register_error_handler(ConnectionError, _gone)
    sock.init_app(app)


def hub() -> Hub:
    """The hub of this process."""
    return cast(Hub, current_app.extensions[HUB])


@sock.route(PATH)  # type: ignore[untyped-decorator]  # flask-sock has no types
def live(socket: Server) -> None:
    """The handshake is done: the hub has the socket from here on."""
    member = Member(hub(), detach(socket), leave_at=time.time() + AUTHENTICATE_SECONDS)
    known = g.get("welcome")
    if known:
        member.pause()
    else:
        hub().strangers.add(member, client_address())
    hub().adopt(member)
    if known:
        member.answered(known)
    elif resources().settings.public_board:
        member.welcome_anybody()


def detach(socket: Server) -> PlainSocket:
    """The connection without the library. What it and gunicorn close afterwards is only their own descriptor."""
    own = PlainSocket(fileno=os.dup(socket.sock.fileno()))
    socket.connected = False  # Otherwise flask-sock would say goodbye.
    return own


def _gone(error: ConnectionError) -> Response:
    """A client hung up while hands were shaken: nobody reads this, and nobody has to hear of it."""
    log.info("a client is gone: %s", error)
    return Response(status=400)


def _check_handshake() -> None:
    """Refuse before the upgrade what should not become a socket. Runs before every request; acts on this path only."""
    if request.path != PATH or request.routing_exception:  # Another method than GET is answered by the router.
        return
    if request.headers.get("Upgrade", "").lower() != "websocket":
        raise InvalidRequest("This is a WebSocket endpoint.")
    _check_version_and_key()
    _check_origin()
    _check_room()
    # Compression costs a compressor per socket and more time than the frames are worth; see ADR 0004.
    request.environ.pop("HTTP_SEC_WEBSOCKET_EXTENSIONS", None)
    request.environ.pop("HTTP_SEC_WEBSOCKET_PROTOCOL", None)  # There is none to choose from.
    request.environ["HTTP_HOST"] = "localhost"  # The library reads it as IDNA of 2003, and stumbles over today's names.
    if request.headers.get("Authorization"):
        found = credentials()
        g.welcome = (sessions.authenticate(resources(), found.user_id, found.session_id), found)
    elif hub().strangers.full(client_address(), resources().settings.strangers_per_address):
        raise RateLimitExceeded("Too many sockets from your address have not said whose they are.", retry_after=5)


def _check_version_and_key() -> None:
    """Refuse what the handshake would stumble over after the upgrade has begun (RFC 6455, section 4.2.1)."""
    key = request.headers.get("Sec-WebSocket-Key", "")
    if request.headers.get("Sec-WebSocket-Version") != "13" or not KEY.fullmatch(key):
        raise InvalidRequest("Sec-WebSocket-Version must be 13, and Sec-WebSocket-Key 16 bytes in base64.")
    if not request.host or not request.headers.get("Connection", "").isascii():
        raise InvalidRequest("Host must be given, and Connection in ASCII.")


def _check_origin() -> None:
    """Browsers say where a page came from; other clients send no Origin (RFC 6455, section 10.2)."""
    origin = request.headers.get("Origin")
    if origin is None or origin in resources().settings.allowed_origins:
        return
    try:
        own = urlsplit(origin).netloc.lower() == request.host.lower()
    except ValueError:
        own = False
    if not own:
        raise Forbidden("Pages of this origin may not open the live board.")


def _check_room() -> None:
    """Refuse whoever comes while this process leaves, or holds as many as it may."""
    if hub().closing or len(hub().loop) >= resources().settings.sockets_per_process:
        raise Crowded("No more sockets here just now; try again in a moment.")
