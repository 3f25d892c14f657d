"""Players that cheat, each in one way, so that the refusals can be seen. In between they play like everybody else."""

from __future__ import annotations

import time
from collections.abc import Callable

from cli.simulate.habits import lognormal
from cli.simulate.player import Player
from fairboard_client import Completion, FairboardError

HONEST_SHARE = 0.4


class Cheat(Player):
    """Cheats in every second turn or so, at a modest pace."""

    kind = ""

    def rest(self) -> None:
        """Cheats take no breaks, but time between two attempts."""
        now = time.monotonic()
        pause = lognormal(self.rng, 20.0, 0.6)
        self.wait(max(pause, self.routine.budget.wait(now)))

    def turn(self) -> None:
        """An honest round, for cover, or the trick."""
        if self.rng.random() < HONEST_SHARE:
            super().turn()
            return
        try:
            self.trick()
        except FairboardError as error:
            self.world.journal.stumbled(self.name, error.code)

    def trick(self) -> None:
        """The way of this kind."""
        raise NotImplementedError

    def attempt(self, note: str, call: Callable[[], Completion]) -> None:
        """Try something that the server must refuse, and log how it went."""
        try:
            completion = self.patiently(call)
        except FairboardError as error:
            self.world.journal.refused(self.name, error.code, note)
        else:
            self.world.journal.say(f"! {self.name}: {note} went through, +{completion.score_incr}")

    def any_timed(self) -> str:
        """Some timed action."""
        return self.rng.choice([action.action_type for action in self.catalogue if action.kind == "timed"])


class Replay(Cheat):
    """Hands in a token that is spent."""

    kind = "replay"
    spent: tuple[str, int] | None = None

    def complete(self, action_type: str, token: str, took: int) -> None:
        """As everybody, but remember the token."""
        super().complete(action_type, token, took)
        self.spent = (token, took)

    def trick(self) -> None:
        """Complete again with the last token, after a first round to have one."""
        if self.spent is None:
            self.round()
            return
        token, took = self.spent
        self.attempt("a spent token", lambda: self.client.complete(token, took))


class Impossible(Cheat):
    """Is done in 100 ms."""

    kind = "impossible"

    def trick(self) -> None:
        """Claim a tenth of a second."""
        token, _ = self.play(self.any_timed(), 0.1)
        self.attempt("100 ms", lambda: self.client.complete(token, 100))


class Patient(Cheat):
    """Claims a long time after a short one, as if minutes had been played."""

    kind = "patient"

    def trick(self) -> None:
        """Claim more than has passed."""
        token, took = self.play(self.any_timed(), self.rng.uniform(1.5, 3.0))
        claim = took + self.rng.randint(15_000, 40_000)
        self.attempt("longer than it waited", lambda: self.client.complete(token, claim))


class Thief(Cheat):
    """Hands in another player's token."""

    kind = "thief"

    def trick(self) -> None:
        """Take any token that is in play; play a round where there is none."""
        now = time.monotonic()
        others = [(token, now - since) for name, (token, since) in list(self.world.tokens.items()) if name != self.name]
        if not others:
            self.round()
            return
        token, age = self.rng.choice(others)
        self.attempt("another player's token", lambda: self.client.complete(token, int(age * 1_000)))


class Forger(Cheat):
    """Makes up checksums."""

    kind = "forger"

    def trick(self) -> None:
        """Play, and hand in a checksum of nothing."""
        token, took = self.play(self.any_timed(), self.rng.uniform(6.0, 9.0))
        made_up = f"{self.rng.getrandbits(256):064x}"
        self.attempt("a forged checksum", lambda: self.client.complete(token, took, checksum=made_up))


class Hammer(Cheat):
    """Asks for far more than anybody may, and does not wait when told to."""

    kind = "hammer"
    calls = 14

    def rest(self) -> None:
        """Longer than the others, because one turn is many calls."""
        pause = lognormal(self.rng, 45.0, 0.4)
        self.wait(max(pause, self.routine.budget.wait(time.monotonic())))

    def trick(self) -> None:
        """Many requests at once."""
        action, refused = self.any_timed(), 0
        for _ in range(self.calls):
            self.wait(0.05)
            try:
                self.client.request_action(action)
                self.routine.budget.note(time.monotonic())  # An honest round afterwards has to wait for its room.
            except FairboardError as error:
                if error.code != "RATE_LIMIT_EXCEEDED":
                    self.patiently(self.client.me)
                    return
                refused += 1
        if refused:
            note = f"{refused} of {self.calls} requests"
            self.world.journal.refused(self.name, "RATE_LIMIT_EXCEEDED", note, refused)


class Metronome(Cheat):
    """A bot that plays by the clock and claims times of its own. No single completion is wrong; only the analysis can

    find it: it is as steady as nobody, and the server's clock does not follow its claims.
    """

    kind = "metronome"
    period = 15.0
    playing = 6.0
    embellished_ms = 450
    beat = 0.0

    def rest(self) -> None:
        """Wait for the next beat; beats that were missed are left out."""
        now = time.monotonic()
        self.beat = max(self.beat + self.period, now) if self.beat else now + self.rng.uniform(0, self.period)
        self.wait(self.beat - now)

    def turn(self) -> None:
        """The same action in the same time, for ever; the claim is a little less."""
        timed = [action for action in self.catalogue if action.kind == "timed"]
        action = min(timed, key=lambda action: (action.points, action.action_type))
        try:
            token, took = self.play(action.action_type, max(self.playing, (action.min_ms or 0) / 1_000 + 0.5))
            self.complete(action.action_type, token, took - self.rng.randrange(self.embellished_ms))
        except FairboardError as error:
            self.world.journal.stumbled(self.name, error.code)


CHEATS: dict[str, type[Cheat]] = {
    cheat.kind: cheat for cheat in (Replay, Impossible, Thief, Forger, Hammer, Metronome, Patient)
}
"""By kind, in the order in which they are seated where there is room for a few only."""
