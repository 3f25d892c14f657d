"""The hub: keeps the members of one process and sends each of them the newest board.

The channel only stores what it heard; a round sends it to everybody, encoded once; a member that is still taking
the frame before skips this one and ends on the last. Whoever joins is subscribed first, then the board is read, then
it is sent, so that no change falls between.
"""

from __future__ import annotations

import itertools
import json
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from typing import Any

import gevent
from gevent.event import Event
from gevent.lock import Semaphore
from gevent.queue import SimpleQueue

from config.cause import Cause, cause, resume
from config.tracing import resumed
from services import sessions
from services.errors import AccountSuspended, FairboardError, InternalError, ServiceUnavailable
from services.leaderboard.board import publish_above
from services.leaderboard.reading import last_frame, read_board
from services.redis_client import RedisUnavailableError
from services.resources import Resources
from services.sessions import Player
from web.metrics import COMMIT_TO_FRAME, FRAMES
from web.sockets import frames
from web.sockets.channel import Channel
from web.sockets.loop import SENDERS, Loop
from web.sockets.member import ANYBODY, NOTHING_YET, Member
from web.sockets.messages import event_frame
from web.sockets.pace import Pace, in_turns
from web.sockets.places import Places
from web.sockets.ring import CHUNK
from web.sockets.strangers import Strangers
from web.tokens import read_access_token

log = logging.getLogger(__name__)

ASKERS = 32
"""Clients whose token is looked up at the same time; and so many whose place is."""
GOODBYES, GOODBYE_PAUSE = 500, 0.1
"""So many clients are told of a restart at once, then there is a pause: they come back as they were sent away."""
LAST_WORDS_SECONDS = 1.0
CATCH_UP_SECONDS = 1.0
"""Between two attempts to find out what was missed."""
NOTICE_SECONDS = 0.2
"""How long it takes another process to notice that a socket has ended, and to say so."""
ON_THE_WAY_SECONDS = 10.0
"""Longer than a socket is on its way from the question who it is to its place here."""


@dataclass(frozen=True, slots=True, eq=False)
class Board:
    """A board as everybody gets it."""

    version: int
    update: bytes
    """The whole frame."""
    cause: Cause


class Hub:
    """All members of this process that watch one board."""

    def __init__(
        self, resources: Resources, board: str, context: Callable[[], AbstractContextManager[Any]], loop: Loop
    ) -> None:
        """Nothing is connected before the first socket, hence after gunicorn's fork. `context` is the application's."""
        self.loop = loop
        self.board: Board | None = None
        self._next: tuple[int, dict[str, Any]] = (0, {})
        """The version that is to come, and its cause."""
        self.closing = False
        self._resources = resources
        self._name = board
        self._context = context
        self._channel = Channel(resources, board, self)
        self._places = Places(resources)
        self.strangers = Strangers()
        self._players: dict[int, list[Member]] = {}
        self._room: dict[Member, None] = {}
        """In the order of their coming."""
        self._joining: dict[Member, None] = {}
        self._ends: dict[int, float] = {}
        """Whose sessions ended lately, and when, in that order."""
        self._join_wanted, self._board_wanted, self._missed, self._lift_wanted = Event(), Event(), Event(), Event()
        self._asked: SimpleQueue[tuple[Member, str]] = SimpleQueue()
        self._places_asked = Semaphore(ASKERS)
        self._started = False

    @property
    def players_online(self) -> int:
        """Players who have a socket here."""
        return sum(user_id != ANYBODY for user_id in self._players)

    # Members come and go

    def adopt(self, member: Member) -> None:
        """Take in a client whose handshake is done."""
        if not self._started:
            self._start()
        self.loop.adopt(member)
        if self.closing:
            member.close(frames.RESTART)  # It was on its way in when the others were told.

    def enter(self, member: Member, user_id: int) -> bool:
        """Note whose socket this is; asks Redis, so it may wait. False if the player holds too many already."""
        if user_id != ANYBODY and not self._may_hold(member, user_id):
            return False
        if member.closing:
            return False
        self._leave_player(member)
        self.strangers.remove(member)
        self._players.setdefault(user_id, []).append(member)
        member.user_id = user_id
        return True

    def ask_who(self, member: Member, token: str) -> None:
        """Look a token up; the member gets the answer."""
        self._asked.put((member, token))

    def join(self, member: Member) -> None:
        """Put a member into the room. Nothing is sent before the board that it will be answered with."""
        member.watching, member.version = True, NOTHING_YET
        self._room[member] = None
        self._joining[member] = None
        self._join_wanted.set()

    def leave(self, member: Member) -> None:
        """Take a member out of the room."""
        member.watching, member.version = False, NOTHING_YET
        self._room.pop(member, None)
        self._joining.pop(member, None)

    def forget(self, member: Member) -> None:
        """Nothing may be sent to this member any more."""
        self.leave(member)
        self.strangers.remove(member)
        self._leave_player(member)
        self._places.free(member)

    def close_all(self, code: int) -> None:
        """Say goodbye to everybody, some at a time, and wait until they have heard it."""
        self.closing = True
        peers = self.loop.peers()
        for start in range(0, len(peers), GOODBYES):
            if start:
                gevent.sleep(GOODBYE_PAUSE)
            for peer in peers[start : start + GOODBYES]:
                peer.close(code)
        self.loop.empty.wait(LAST_WORDS_SECONDS)
        self._places.give_all_back()

    def _may_hold(self, member: Member, user_id: int) -> bool:
        """Whether a player may hold this socket too. One that has just hung up does not count, here or elsewhere."""
        if self._hold(member, user_id):
            return True
        self.loop.drop_gone(self._players.get(user_id, ()))
        gevent.sleep(NOTICE_SECONDS)
        return not member.closing and self._hold(member, user_id)

    def _hold(self, member: Member, user_id: int) -> bool:
        if self._is_full(user_id):
            return False
        with self._places_asked:
            if not self._places.hold(member, user_id):
                return False
        if self._is_full(user_id):  # Others came in while Redis was asked, which lets everybody in while it is away.
            self._places.free(member)
            return False
        return True

    def _is_full(self, user_id: int) -> bool:
        return len(self._players.get(user_id, ())) >= self._resources.settings.sockets_per_player

    def _leave_player(self, member: Member) -> None:
        if member.user_id is None:
            return
        held = self._players.get(member.user_id, [])
        if member in held:
            held.remove(member)
        if not held:
            self._players.pop(member.user_id, None)

    # What the channel hears

    def board_caused(self, version: int, why: dict[str, Any]) -> None:
        """Note the cause of the board that is published next. One from an older worker comes without."""
        self._next = version, why

    def board_changed(self, body: str) -> None:
        """Keep a board if it is newer; whoever is in the room will get it."""
        version = int(json.loads(body)["version"])
        if self.board and 0 < version < self.board.version:
            self._lift_wanted.set()
        if self.board is None or version > self.board.version:
            expected, why = self._next
            self.board = Board(
                version, event_frame("leaderboard:update", body), resume(why if expected == version else {})
            )
            self._board_wanted.set()

    def session_ended(self, user_id: int, session_id: str | None, reason: str) -> None:
        """Close the sockets of a session, or all of a player's."""
        self._note_end(user_id)
        for member in list(self._players.get(user_id, ())):
            if session_id is None or str(member.session_id) == session_id:
                member.close(frames.FORBIDDEN if reason == "suspended" else frames.UNAUTHENTICATED, reason)

    def end_of(self, player: Player) -> tuple[int, str] | None:
        """Why a socket that has just come in has to be closed, if the player's session ended while it was on its way.

        Asks again only where some session of the player ended lately.
        """
        try:
            if player.user_id in self._ends:
                sessions.authenticate(self._resources, player.user_id, player.session_id)
        except AccountSuspended:
            return frames.FORBIDDEN, "suspended"
        except ServiceUnavailable:
            return frames.RESTART, "try again"
        except FairboardError:
            return frames.UNAUTHENTICATED, "logged out"
        return None

    def _note_end(self, user_id: int) -> None:
        now = self.loop.now
        for known in list(itertools.takewhile(lambda one: self._ends[one] < now - ON_THE_WAY_SECONDS, self._ends)):
            del self._ends[known]
        self._ends.pop(user_id, None)
        self._ends[user_id] = now

    def subscribed(self) -> None:
        """Find out what was missed: boards, and sessions that ended."""
        self._missed.set()

    def _catch_up(self) -> None:
        """One turn: what was missed, again and again until it could be read. Nobody else would tell it."""
        self._missed.wait()
        self._missed.clear()
        try:
            self._read_what_was_missed()
        except Exception as error:
            surprise = not isinstance(error, FairboardError | RedisUnavailableError)
            log.warning("what was missed could not be read: %s", type(error).__name__, exc_info=surprise)
            gevent.sleep(CATCH_UP_SECONDS)
            self._missed.set()

    def _read_what_was_missed(self) -> None:
        # Not the present one of `read_board`, which may be newer than its version, under which others show another.
        if frame := last_frame(self._resources, self._name):
            self.board_changed(frame.decode())
        members = [member for held in list(self._players.values()) for member in held if member.session_id]
        for start in range(0, len(members), sessions.MAX_ASKED):
            known = {str(member.session_id): member for member in members[start : start + sessions.MAX_ASKED]}
            for session_id, reason in sessions.ended_among(self._resources, list(known)):
                self.session_ended(known[session_id].user_id or ANYBODY, session_id, reason)

    def _lift_versions(self) -> None:
        """One turn: where versions began anew, go on above those that clients have; they would show no other."""
        self._lift_wanted.wait()
        self._lift_wanted.clear()
        with suppress(RedisUnavailableError):  # What is published when it is back tells of it again.
            if self.board and publish_above(self._resources, self._name, self.board.version):
                log.warning("versions of boards began anew; they go on above %d", self.board.version)

    # What runs for as long as the process does

    def _start(self) -> None:
        self._started = True
        self._channel.start()
        own = (self._answer_joins, self._send_newest, self._catch_up, self._lift_versions)
        for turn in (*own, self._places.give_back, self._places.renew, *[self._answer_one] * ASKERS):
            gevent.spawn(_forever, turn)

    def _answer_joins(self) -> None:
        """One turn: read the board once for all who wait."""
        self._join_wanted.wait()
        self._join_wanted.clear()
        self._channel.wait(self._resources.redis_deadline)
        waiting, self._joining = list(self._joining), {}
        try:
            self._begin(waiting)
        except ServiceUnavailable as error:
            self._refuse(waiting, error)
        except Exception:
            log.exception("who joined could not be answered")
            self._refuse(waiting, InternalError())

    def _begin(self, waiting: Sequence[Member]) -> None:
        known = self.board.version if self.board else 0
        body = read_board(self._resources, self._name).body.decode()
        version, frame = int(json.loads(body)["version"]), event_frame("leaderboard:initial", body)
        for member in in_turns(waiting):
            if member.watching and member not in self._joining:
                # One of unknown version was read just now, so only what was heard since then can be newer.
                member.begin(version or known, frame)

    def _refuse(self, waiting: Sequence[Member], error: FairboardError) -> None:
        """Tell those who wait still that they have to join again. Without a first board they would hear nothing."""
        for member in waiting:
            if member.watching and member.version == NOTHING_YET and member not in self._joining:
                self.leave(member)
                member.refuse(error)

    def _send_newest(self) -> None:
        """One turn: the newest board to everybody who has not seen it and can take it.

        What is published meanwhile goes to those who follow at once, and to those before them in the next turn. So a
        board is with everybody within the time of one round, however many come one after another.
        """
        self._board_wanted.wait()
        self._board_wanted.clear()
        sent: Counter[Board] = Counter()
        room = list(self._room)
        chunks = iter([room[start : start + CHUNK] for start in range(0, len(room), CHUNK)])
        gevent.joinall([gevent.spawn(self._send_some, chunks, sent) for _ in range(SENDERS)], raise_error=True)
        for board, count in (+sent).items():  # Those that somebody got.
            _note(board, count)

    def _send_some(self, chunks: Iterator[Sequence[Member]], sent: Counter[Board]) -> None:
        """Take one chunk after another, as others do too, until none is left."""
        pace = Pace()
        for members in chunks:
            if board := self.board:
                sent[board] += self._offer(board, members)
            pace.rest()

    def _offer(self, board: Board, members: Sequence[Member]) -> int:
        """Send a board to those who can take it and have not seen it. To how many."""
        due = [member for member in members if member.version < board.version and not member.busy]
        for member in due:
            member.version = board.version
        if due:  # Who came late to the last round has this board already.
            self.loop.broadcast(board.update, due)
        return len(due)

    def _answer_one(self) -> None:
        """One turn: who the next token belongs to. Nobody waits any more for the answer to one who has left."""
        member, token = self._asked.get()
        if member.closing:
            return
        try:
            with self._context():
                credentials = read_access_token(token)
                player = sessions.authenticate(self._resources, credentials.user_id, credentials.session_id)
        except FairboardError as error:
            member.answered(error)
        except Exception:
            log.exception("a token could not be looked up")
            member.answered(InternalError())
        else:  # Not here: who holds too many sockets waits a moment, for which nobody else is to wait.
            gevent.spawn(member.answered, (player, credentials))


def _note(board: Board, count: int) -> None:
    """A frame is out: the end of what a request began."""
    cause.set(board.cause)
    FRAMES.inc(count)
    if board.cause.rung_at is not None:
        COMMIT_TO_FRAME.observe(max(0.0, time.time() - board.cause.rung_at))
    with resumed("leaderboard:update", board.cause.traceparent):
        log.info(
            "board %d to %d sockets", board.version, count, extra={"fields": {"fairboard.board.version": board.version}}
        )


def _forever(turn: Callable[[], None]) -> None:
    while True:
        try:
            turn()
        except Exception:
            log.exception("the hub failed")  # It must live as long as the process.
