"""`/ws`: the door. Checks who comes in, then listens to what they say."""

from __future__ import annotations

import re
import time
from typing import cast
from urllib.parse import urlsplit

from flask import Flask, current_app, g, request
from flask_sock import Sock
from simple_websocket import ConnectionClosed, Server

from config.catalogue import BOARD
from services import sessions
from services.errors import AccountSuspended, FairboardError, Forbidden, InvalidRequest, RateLimitExceeded, Unauthorized
from services.leaderboard.board import compact_json
from services.resources import Resources
from services.sessions import Player
from web.auth import bearer
from web.context import resources
from web.sockets.hub import ANYBODY, Client, Hub, frame
from web.sockets.messages import error_frame, handle
from web.sockets.transport import FORBIDDEN, POLICY, RESTART, TOO_BIG, UNAUTHENTICATED, Reader, WholeFrames
from web.tokens import read_access_token

HUB = "fairboard-hub"
PATH = "/ws"
MAX_FRAME = 4096
AUTHENTICATE_SECONDS = 5.0
PING_SECONDS = 25
MAX_ERRORS = 3
KEY = re.compile(r"[A-Za-z0-9+/]{22}==")

sock = Sock()


def register_sockets(app: Flask, own: Resources) -> None:
    """Open the door on an app."""
    app.config["SOCK_SERVER_OPTIONS"] = {
        "ping_interval": PING_SECONDS,
        "max_message_size": MAX_FRAME,
        "thread_class": Reader,
    }
    app.extensions[HUB] = Hub(own, BOARD)
    app.before_request(_check_handshake)
    sock.init_app(app)


def hub() -> Hub:
    """The hub of this process."""
    return cast(Hub, current_app.extensions[HUB])


@sock.route(PATH)  # type: ignore[untyped-decorator]  # flask-sock has no types
def live(socket: Server) -> None:
    """One client from its handshake to its end."""
    socket.sock = WholeFrames(socket.sock)
    connection = Connection(socket, hub(), resources())
    hub().open(socket)
    try:
        connection.begin()
        connection.listen()
    finally:
        connection.end()


class Connection:
    """One client's dialogue: who it is, how often it was wrong, and until when it may stay."""

    def __init__(self, socket: Server, own_hub: Hub, own: Resources) -> None:
        """Nobody is known yet."""
        self.socket = socket
        self.hub = own_hub
        self.resources = own
        self.client: Client | None = None
        self._errors = 0
        self._leave_at = time.time() + AUTHENTICATE_SECONDS

    def begin(self) -> None:
        """Welcome a client whose header named it, or one that needs no name."""
        if known := g.get("welcome"):
            self.welcome(*known)
        elif self.resources.settings.public_board:
            self._enter(ANYBODY)
            self._leave_at = float("inf")

    def listen(self) -> None:
        """Handle frames until the client goes, its time is over, or it was wrong too often."""
        while not self.hub.closing:
            wait = min(max(0.0, self._leave_at - time.time()), 3600.0)
            raw = self.socket.receive(timeout=wait)
            if raw is not None:
                self._handle(raw)
            elif time.time() >= self._leave_at:
                self.socket.close(UNAUTHENTICATED, "authenticate" if self.client is None else "token expired")
        self.socket.close(RESTART)

    def end(self) -> None:
        """Forget the client."""
        self.hub.close(self.socket)
        if self.client:
            self.hub.discard(self.client)

    def welcome(self, player: Player, expires_at: int) -> None:
        """Let a player in until the token expires; a known one may stay longer with a newer token."""
        if self.client is not None and self.client.user_id not in (ANYBODY, player.user_id):
            raise InvalidRequest("This socket belongs to another player.")
        if self.client is None:
            self._enter(player.user_id)
        self._leave_at = float(expires_at)
        self.reply(frame("connected", compact_json({"userId": player.user_id})))

    def join(self) -> None:
        """Join the board's room. Raises Unauthorized before the client has said who it is."""
        if self.client is None:
            raise Unauthorized("Authenticate first.")
        self.hub.join(self.client)

    def reply(self, text: str) -> None:
        """Send one frame in its turn; before there is a client, nobody else writes."""
        if self.client:
            self.client.reply(text)
        else:
            self.socket.send(text)

    def _enter(self, user_id: int) -> None:
        client = Client(self.socket, user_id)
        if self.hub.enter(client):
            self.client = client
            return
        client.stop()
        self.socket.send(error_frame(RateLimitExceeded("You hold too many sockets open.")))
        self.socket.close(POLICY, "too many sockets")
        raise ConnectionClosed(POLICY)

    def _handle(self, raw: str | bytes) -> None:
        size = len(raw.encode("utf-8", "surrogatepass")) if isinstance(raw, str) else len(raw)
        if size > MAX_FRAME:
            self.socket.close(TOO_BIG)
            return
        try:
            handle(self, raw)
        except AccountSuspended:
            self.socket.close(FORBIDDEN, "suspended")
        except FairboardError as error:
            self._refuse(error)

    def _refuse(self, error: FairboardError) -> None:
        self._errors += error.status < 500  # What is our fault is not counted as theirs.
        if error.status == 401 and self.client is None:
            self.socket.send(error_frame(error))
            self.socket.close(UNAUTHENTICATED, error.code)
            return
        self.reply(error_frame(error))
        if self._errors >= MAX_ERRORS:
            self._flush()
            self.socket.close(POLICY, "too many errors")

    def _flush(self) -> None:
        """Give the writer its turn, so that the last error is read before the close."""
        if self.client:
            self.client.drain()


def _check_handshake() -> None:
    """Refuse before the upgrade what should not become a socket. Runs before every request; acts on this path only."""
    if request.path != PATH:
        return
    if request.headers.get("Upgrade", "").lower() != "websocket":
        raise InvalidRequest("This is a WebSocket endpoint.")
    _check_version_and_key()
    _check_origin()
    # Compression costs a compressor per socket and more time than the frames are worth; see ADR 0004.
    request.environ.pop("HTTP_SEC_WEBSOCKET_EXTENSIONS", None)
    request.environ.pop("HTTP_SEC_WEBSOCKET_PROTOCOL", None)  # There is none to choose from.
    if request.headers.get("Authorization"):
        credentials = read_access_token(bearer())
        player = sessions.authenticate(resources(), credentials.user_id, credentials.session_id)
        g.welcome = (player, credentials.expires_at)


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
