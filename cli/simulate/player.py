"""One simulated player: enters, plays, rests, and waits when it is told to."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TypeVar

from cli.simulate.habits import Habits, Routine
from cli.simulate.journal import Journal
from cli.simulate.roster import Roster, Seat
from fairboard_client import Action, Backoff, FairboardClient, FairboardError

T = TypeVar("T")

ANSWERS: dict[str, Callable[[random.Random], dict[str, object]]] = {
    "quiz": lambda _: {"answer": "redis"},
    "guess": lambda rng: {"number": rng.randint(1, 100)},
    "referral": lambda rng: {
        "code": f"{''.join(rng.choices('ABCDEFGHKLMNPRSTUVWXYZ', k=4))}-{rng.randrange(10_000):04}"
    },
}
"""What the demo catalogue's `once` actions want to hear; its titles are all that a client is told."""


class LeaveError(Exception):
    """This player plays no longer: the simulation ends, or the account is suspended."""


@dataclass(slots=True)
class World:
    """What all players share."""

    url: str
    journal: Journal
    roster: Roster
    stop: threading.Event = field(default_factory=threading.Event)
    # Hashing a password costs the server 50 ms of a processor, and players are all at the door at once.
    door: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(4))
    tokens: dict[str, tuple[str, float]] = field(default_factory=dict)
    """The action tokens in play, by username, for the thief to take: token, and when it was issued."""


class Player:
    """Plays honestly. `run` is the body of a thread and returns when the player leaves."""

    def __init__(self, world: World, seat: Seat, rng: random.Random, local_address: str | None = None) -> None:
        self.world = world
        self.seat = seat
        self.rng = rng
        self.client = FairboardClient(world.url, local_address=local_address, user_agent="fairboard-simulate")
        self.routine = Routine(rng, Habits.draw(rng), time.monotonic())
        self.catalogue: list[Action] = []
        self.ends_once = rng.randint(4, 14)

    @property
    def name(self) -> str:
        """As it stands in the log."""
        return self.seat.username

    def run(self, delay: float = 0.0) -> None:
        """Enter after `delay` seconds and play until the simulation ends or the account is suspended."""
        try:
            self.wait(delay)
            self.enter()
            self.catalogue = self.patiently(self.client.actions)
            while True:
                self.turn()
                self.rest()
        except LeaveError:
            pass
        finally:
            self.client.close()

    def turn(self) -> None:
        """One thing to do: a round, or now and then something that counts once."""
        try:
            self.ends_once -= 1
            if self.ends_once == 0:
                self.ends_once = self.rng.randint(8, 30)
                self.answer_once()
            else:
                self.round()
        except FairboardError as error:
            self.world.journal.stumbled(self.name, error.code)

    def rest(self) -> None:
        """Wait as people do between two rounds."""
        self.wait(self.routine.rest_seconds(time.monotonic()))

    def wait(self, seconds: float) -> None:
        """Wait, and leave at once when the simulation ends."""
        if self.world.stop.wait(max(0.0, seconds)):
            raise LeaveError

    def enter(self) -> None:
        """Register where needed, and log in."""
        new = not self.seat.registered
        while True:
            try:
                if not self.seat.registered:
                    self.at_the_door(self.client.register)
                    self.seat.registered = True
                    self.world.roster.keep(self.seat)
                self.at_the_door(self.client.login)
            except FairboardError as error:
                self.mend_account(error)
            else:
                self.world.journal.entered(self.name, new=new)
                return

    def at_the_door(self, call: Callable[[str, str], object]) -> None:
        """Register or log in, a few players at a time."""

        def knock() -> None:
            with self.world.door:
                call(self.seat.username, self.seat.password)

        self.patiently(knock)

    def mend_account(self, error: FairboardError) -> None:
        """Make the seat fit for another attempt, or leave."""
        roster = self.world.roster
        if error.code == "USERNAME_TAKEN":
            roster.rename(self.seat)
        elif error.code == "VALIDATION_ERROR":
            self.world.journal.say(f"· {self.name}: this server does not take the name")
            roster.rename(self.seat, plain=True)
            self.wait(1.0)
        elif error.code == "INVALID_CREDENTIALS":
            # The server's data is new, or somebody else has the name by now: registering tells.
            roster.forget(self.seat)
            self.seat.registered = False
            self.seat.done.clear()
        else:
            self.leave_if_suspended(error)
            self.world.journal.stumbled(self.name, error.code, "and tries again in a minute")
            self.wait(60.0)

    def leave_if_suspended(self, error: FairboardError) -> None:
        """A suspended account is given up; its seat goes to a new player at the next start."""
        if error.code == "ACCOUNT_SUSPENDED":
            self.world.journal.stumbled(self.name, error.code, "and leaves")
            self.world.roster.forget(self.seat)
            raise LeaveError

    def patiently(self, call: Callable[[], T]) -> T:
        """The answer of the call, however long the server is away or tells this player to wait.

        What waiting cannot help is raised.
        """
        backoff = Backoff(limit=15.0, rng=self.rng)
        while True:
            try:
                answer = call()
            except FairboardError as error:
                self.leave_if_suspended(error)
                if error.status == HTTPStatus.UNAUTHORIZED and error.code != "INVALID_CREDENTIALS":
                    self.wait(backoff.next())
                    self.enter()
                elif error.passing:
                    self.bide(error, backoff)
                else:
                    raise
            else:
                self.world.journal.back()
                return answer

    def bide(self, error: FairboardError, backoff: Backoff) -> None:
        """Wait for as long as the server says, and a little longer, each player differently."""
        if error.code == "RATE_LIMIT_EXCEEDED":
            told = error.retry_after or 1.0
            self.world.journal.stumbled(self.name, error.code, f"waits {told:.0f} s as told")
            self.wait(told + self.rng.uniform(0.1, 2.0 + told * 0.1))
        else:
            self.world.journal.away(error.code)
            self.wait((error.retry_after or 0.0) + backoff.next())

    def round(self) -> None:
        """Request an action, play it for a human time, and complete it with the time it took."""
        action = self.routine.choose([action for action in self.catalogue if action.kind == "timed"])
        token, took = self.play(action.action_type, self.routine.play_seconds(action))
        self.complete(action.action_type, token, took)

    def play(self, action_type: str, seconds: float) -> tuple[str, int]:
        """Request an action and let the time pass. The token, and the milliseconds since it was here."""
        self.routine.budget.note(time.monotonic())
        ticket = self.patiently(lambda: self.client.request_action(action_type))
        started = time.monotonic()
        self.world.tokens[self.name] = (ticket.action_token, started)
        self.wait(seconds)
        self.world.tokens.pop(self.name, None)
        # Rounded down, so that the claim is never longer than what the server saw.
        return ticket.action_token, int((time.monotonic() - started) * 1_000)

    def complete(self, action_type: str, token: str, took: int) -> None:
        """Hand the round in; one that was counted before the connection broke shows as such."""
        try:
            completion = self.patiently(lambda: self.client.complete(token, took))
        except FairboardError as error:
            if error.code != "TOKEN_ALREADY_USED":
                raise
            self.world.journal.say(f"· {self.name}: {action_type} had counted, although its answer was lost")
        else:
            self.world.journal.completed(self.name, action_type, completion)

    def answer_once(self) -> None:
        """Complete one of the actions that count once and that this player has not done."""
        open_ones = [
            action.action_type
            for action in self.catalogue
            if action.kind == "once" and action.action_type in ANSWERS and action.action_type not in self.seat.done
        ]
        if not open_ones:
            return
        chosen = self.rng.choice(open_ones)
        data = ANSWERS[chosen](self.rng)
        self.seat.done.add(chosen)
        try:
            completion = self.patiently(lambda: self.client.complete_once(chosen, data))
            self.world.journal.completed(self.name, chosen, completion)
        finally:
            self.world.roster.keep(self.seat)
