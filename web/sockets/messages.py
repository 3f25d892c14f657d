"""What clients may say: one class per event, checked like the bodies of requests, and a table of who handles what."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from services.errors import FairboardError, InvalidRequest
from services.leaderboard.board import compact_json, rfc3339
from web.parsing import parse_json, validate
from web.schemas import Body
from web.sockets import frames

if TYPE_CHECKING:
    from web.sockets.member import Member


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


def handle(member: Member, raw: str | bytes) -> None:
    """Do what a message asks for. Raises FairboardError for one that makes no sense or is not allowed."""
    if isinstance(raw, bytes):
        raise InvalidRequest("Frames must be text.")
    message = validate(Message, parse_json(raw))
    handler = HANDLERS.get(message.event)
    if handler is None:
        raise InvalidRequest(f"There is no such event; the events are: {', '.join(HANDLERS)}.")
    handler(member, message.data)


def event_frame(event: str, body: str) -> bytes:
    """An event as a frame; `body` is JSON already."""
    return frames.text(f'{{"event":"{event}","data":{body}}}')


def error_frame(error: FairboardError) -> bytes:
    """An error as a frame."""
    reasons = "; ".join(f"{field}: {reason}" for field, reason in (error.errors or {}).items())
    return event_frame("error", compact_json({"code": error.code, "detail": reasons or error.detail}))


def _authenticate(member: Member, data: dict[str, Any]) -> None:
    member.authenticate(validate(Authenticate, data).token)


def _join(member: Member, data: dict[str, Any]) -> None:
    validate(Room, data)
    member.join()


def _leave(member: Member, data: dict[str, Any]) -> None:
    room = validate(Room, data).room
    member.leave()
    member.send(event_frame("left", compact_json({"room": room})))


def _ping(member: Member, data: dict[str, Any]) -> None:
    validate(Ping, data)
    member.send(event_frame("pong", compact_json({"serverTime": rfc3339(datetime.now(UTC))})))


HANDLERS: dict[str, Callable[[Member, dict[str, Any]], None]] = {
    "authenticate": _authenticate,
    "join": _join,
    "leave": _leave,
    "ping": _ping,
}
