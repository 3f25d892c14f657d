"""What clients may say: one class per event, checked like the bodies of requests, and a table of who handles what."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from services import sessions
from services.errors import FairboardError, InvalidRequest, Unauthorized
from services.leaderboard.board import compact_json, rfc3339
from web.parsing import parse_json, validate
from web.schemas import Body
from web.sockets.hub import frame
from web.tokens import read_access_token

if TYPE_CHECKING:
    from web.sockets.endpoint import Connection


class Message(Body):
    """A frame from a client."""

    event: str
    data: dict[str, Any] = Field(default_factory=dict)


class Authenticate(Body):
    """The access token, for clients that cannot set headers."""

    token: str


class Room(Body):
    """Which room to join or leave."""

    room: Literal["leaderboard"]


class Ping(Body):
    """Are you there?"""


def handle(connection: Connection, raw: str | bytes) -> None:
    """Do what a frame asks for. Raises FairboardError for one that makes no sense or is not allowed."""
    if isinstance(raw, bytes):
        raise InvalidRequest("Frames must be text.")
    message = validate(Message, parse_json(raw))
    handler = HANDLERS.get(message.event)
    if handler is None:
        raise InvalidRequest(f"There is no such event; the events are: {', '.join(HANDLERS)}.")
    handler(connection, message.data)


def error_frame(error: FairboardError) -> str:
    """An error as a frame."""
    reasons = "; ".join(f"{field}: {reason}" for field, reason in (error.errors or {}).items())
    return frame("error", compact_json({"code": error.code, "detail": reasons or error.detail}))


def _authenticate(connection: Connection, data: dict[str, Any]) -> None:
    credentials = read_access_token(validate(Authenticate, data).token)
    player = sessions.authenticate(connection.resources, credentials.user_id, credentials.session_id)
    connection.welcome(player, credentials.expires_at)


def _join(connection: Connection, data: dict[str, Any]) -> None:
    validate(Room, data)
    connection.join()


def _leave(connection: Connection, data: dict[str, Any]) -> None:
    room = validate(Room, data).room
    client = connection.client
    if client is None:
        raise Unauthorized("Authenticate first.")
    connection.hub.leave(client)
    client.reply(frame("left", compact_json({"room": room})))


def _ping(connection: Connection, data: dict[str, Any]) -> None:
    validate(Ping, data)
    connection.reply(frame("pong", compact_json({"serverTime": rfc3339(datetime.now(UTC))})))


HANDLERS: dict[str, Callable[[Connection, dict[str, Any]], None]] = {
    "authenticate": _authenticate,
    "join": _join,
    "leave": _leave,
    "ping": _ping,
}
