"""A peer of the live board: who it is, which boards it saw, and how often it was wrong."""

from __future__ import annotations

import logging
import time
import uuid
from collections import deque
from typing import TYPE_CHECKING

from services.errors import AccountSuspended, FairboardError, InvalidRequest, RateLimitExceeded, Unauthorized
from services.leaderboard.board import compact_json
from services.sessions import Player
from web.sockets import frames
from web.sockets.messages import error_frame, event_frame, handle
from web.sockets.peer import Peer
from web.tokens import Credentials

if TYPE_CHECKING:
    from _socket import socket as PlainSocket  # noqa: N812 -- a class, whatever its name

    from web.sockets.hub import Hub

log = logging.getLogger(__name__)

MAX_ERRORS = 3
ANYBODY = 0
"""The user id of those who watch a public board without an account."""
ANSWER_SECONDS = 30.0
"""How long the answer who a client is may take. It is our time, so it is not counted as the client's."""
NOTHING_YET = 2**62
"""The version of a client that waits for its first board: none is newer."""


class Member(Peer):
    """One client of the hub."""

    __slots__ = ("_errors", "_later", "hub", "session_id", "user_id", "version", "watching")

    def __init__(self, hub: Hub, sock: PlainSocket, leave_at: float) -> None:
        """Nobody is known yet, and has until `leave_at` to say who."""
        super().__init__(hub.loop, sock)
        self.hub = hub
        self.leave_at = leave_at
        self.user_id: int | None = None
        self.session_id: uuid.UUID | None = None
        self.watching = False
        self.version = NOTHING_YET
        self._errors = 0
        self._later: deque[str | bytes] | None = None
        """What waits until it is known who says it."""

    # What a client says

    def received(self, message: str | bytes) -> None:
        """Handle a message, after those that came before it."""
        if self._later is None:
            self._handle(message)
        elif len(self._later) < self.MAX_WAITING:
            self._later.append(message)
        else:
            self.close(frames.POLICY, "too many messages")

    def authenticate(self, token: str) -> None:
        """Ask who the token belongs to. That takes a while; what the client says meanwhile is handled afterwards."""
        self.pause()
        self.hub.ask_who(self, token)

    def pause(self) -> None:
        """Keep what the client says until `answered`. Who has said who they are in time need not be quick any more."""
        self._later = deque()
        if self.user_id is None:
            self.leave_at = time.time() + ANSWER_SECONDS

    def answered(self, answer: tuple[Player, Credentials] | FairboardError) -> None:
        """Who the client is, or why not; then what it said meanwhile. Asks Redis, so it may wait."""
        if self.closing:
            return
        try:
            self._welcome(answer)
        except FairboardError as error:
            self.refuse(error)
        except Exception:
            log.exception("an answer could not be given")
            self.close(frames.INTERNAL)
        later, self._later = self._later or (), None
        for message in later:
            if not self.closing:
                self.received(message)  # Should this ask again who it is, the rest waits for that.

    def _welcome(self, answer: tuple[Player, Credentials] | FairboardError) -> None:
        """Let a player in until the token expires; a known one may stay longer with a newer token."""
        if isinstance(answer, FairboardError):
            raise answer
        player, credentials = answer
        if self.user_id not in (None, ANYBODY, player.user_id):
            raise InvalidRequest("This socket belongs to another player.")
        if self.user_id != player.user_id and not self._enter(player.user_id):
            return
        self.session_id = player.session_id
        if ended := self.hub.end_of(player):
            self.close(*ended)
        if self.closing:
            return
        self.leave_at = float(credentials.expires_at)
        self.send(event_frame("connected", compact_json({"userId": player.user_id})))

    def welcome_anybody(self) -> None:
        """Let somebody in who needs no name, for as long as they like."""
        self._enter(ANYBODY)
        self.leave_at = float("inf")

    def join(self) -> None:
        """Join the board's room. Raises Unauthorized before the client has said who it is."""
        if self.user_id is None:
            raise Unauthorized("Authenticate first.")
        self.hub.join(self)

    def leave(self) -> None:
        """Leave the room. Raises Unauthorized."""
        if self.user_id is None:
            raise Unauthorized("Authenticate first.")
        self.hub.leave(self)

    # What a client is told

    def begin(self, version: int, initial: bytes) -> None:
        """The first board after joining, then at once what is newer, if the board moved since it was read."""
        self.version = version
        self.send(initial)
        if not self.busy and (newer := self.newest()):
            self.offer(newer)

    def newest(self) -> bytes | None:
        """The newest board, if this client has not seen it."""
        board = self.hub.board
        if not self.watching or board is None or board.version <= self.version:
            return None
        self.version = board.version
        return board.update

    def time_over(self) -> None:
        """The token expired, or the client never said who it is. What it said in time may still have to be read."""
        if self.user_id is None and self._later is None:
            self.readable()
        if time.time() < self.leave_at:
            return
        self.close(frames.UNAUTHENTICATED, "authenticate" if self.user_id is None else "token expired")

    def ended(self) -> None:
        """Forgotten."""
        self.hub.forget(self)

    def _enter(self, user_id: int) -> bool:
        if self.hub.enter(self, user_id):
            return True
        if not self.closing:
            self.send(error_frame(RateLimitExceeded("You hold too many sockets open.")))
            self.close(frames.POLICY, "too many sockets")
        return False

    def _handle(self, message: str | bytes) -> None:
        try:
            handle(self, message)
        except FairboardError as error:
            self.refuse(error)
        except Exception:
            log.exception("a message could not be handled")
            self.close(frames.INTERNAL)

    def refuse(self, error: FairboardError) -> None:
        """Tell a client what was wrong, and end it when that was once too often."""
        if self.closing:
            return
        if isinstance(error, AccountSuspended):
            self.close(frames.FORBIDDEN, "suspended")
            return
        self._errors += error.status < 500  # What is our fault is not counted as theirs.
        self.send(error_frame(error))
        if error.status == 401 and self.user_id is None:
            self.close(frames.UNAUTHENTICATED, error.code)
        elif self._errors >= MAX_ERRORS:
            self.close(frames.POLICY, "too many errors")
