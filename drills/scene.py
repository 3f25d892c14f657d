"""One drill: clients at work, a fault, its end, and what the checker says of it."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace

from drills import people
from drills.checker import ANSWER_SECONDS, Demands, Verdict, check, refusals
from drills.history import Silence
from drills.load import Load, Plan
from drills.site import Site
from drills.truth import Recovery, forget_limits, read_truth, top_of, until, wait_quiet, watch_recovery
from services.redis_client import RedisUnavailableError

WAIT_SECONDS = 90.0
OVERTIME_SECONDS = 1.0
"""So much longer than an answer may take do clients wait for it, so that one that comes late is seen to."""


@dataclass(frozen=True)
class Size:
    """How large a drill is: its players, of whom nobody shall meet the limits, and completions before and after."""

    crowd: int = 400
    warm: int = 25
    after: int = 40
    plan: Plan | None = None
    """In the place of the drill's own."""
    everything: bool = True
    """Whether `fairboard verify` compares all that the site holds, or only these players are judged."""


A_DRILL = Size()


class DrillError(Exception):
    """A drill could not be carried out; that is no verdict."""


@dataclass(frozen=True)
class Drill:
    """A row of the table, or a part of one. `act` does the harm and undoes it."""

    row: str
    fault: str
    act: Callable[[Scene], None]
    ground: str = "one machine"
    quick: bool = False
    outage: float | None = None
    """The longest outage of completions that is promised, in seconds."""
    redis: float = 2.0
    """The longest time until Redis equals PostgreSQL: by the outbox. Where the sweep has to mend it, ten seconds."""
    plan: Plan = field(default_factory=Plan)
    answer_seconds: float = ANSWER_SECONDS
    refused: frozenset[str] = frozenset()
    """Codes with which this fault itself may have honest players refused, limits apart."""

    @property
    def key(self) -> str:
        """What names it."""
        return f"{self.row} {self.ground}"


@dataclass
class Scene:
    """What a drill acts on."""

    site: Site
    load: Load
    random: random.Random
    spare: list[people.Person]
    """Players who do nothing but what the drill has them do."""
    quick: bool = False
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    recovery: Recovery | None = None
    aborted: str = ""
    """What the exception said that ended the drill, if one did."""

    @property
    def players(self) -> list[int]:
        """Everybody who may play."""
        return [person.user_id for person in (*self.load.people, *self.load.watchers, *self.spare)]

    def seconds(self, full: float, quick: float) -> float:
        """How long a fault lasts."""
        return quick if self.quick else full

    def lasts(self, seconds: float) -> None:
        """Let the fault last: here time itself is what is tested."""
        time.sleep(seconds)

    def require(self, what: str, *, holds: bool) -> None:
        """What this drill demands besides the invariants."""
        if not holds:
            self.problems.append(what)

    def wait_for_more(self, number: int, seconds: float = WAIT_SECONDS) -> None:
        """Return when so many more completions have been acknowledged."""
        wanted = self.load.count() + number
        self.wait(lambda: self.load.count() >= wanted, f"{number} more completions", seconds)

    def wait(self, found: Callable[[], bool], what: str, seconds: float = WAIT_SECONDS) -> None:
        """Return when something is true. Raises DrillError."""
        if until(found, seconds) is None:
            raise DrillError(f"{what} did not come about within {seconds:.0f} s")

    def silent(self, begin: float) -> None:
        """From `begin` until now nothing could be made durable."""
        self.load.history.silences.append(Silence(begin, self.load.now()))

    def over(self) -> None:
        """The fault is undone, or is now: see how soon all is well. What is started and waited for here counts."""
        begun = time.monotonic()
        self.site.heal()
        self.wait(self.site.ready, "readiness")
        load = self.load
        self.recovery = watch_recovery(self.site, self.players, load.history, load.plan.followers, begun)


@dataclass(frozen=True)
class Result:
    """What one run of a drill printed."""

    drill: Drill
    seed: int
    verdict: Verdict
    problems: tuple[str, ...]
    outage: float
    """Of completions."""
    outage_of_requests: float
    recovery: Recovery
    failed: int
    """Requests that were not answered with success, those that had to fail included."""
    slowest: float
    notes: tuple[str, ...]

    @property
    def held(self) -> bool:
        """Whether everything held that was to hold."""
        return not self.problems


def carry_out(site: Site, drill: Drill, seed: int, *, quick: bool = False, size: Size = A_DRILL) -> Result:
    """Run one drill on a healthy site and judge it. The site is healthy again afterwards.

    A drill that ends in an exception is judged as well, by what its clients saw until then; it has not held.
    """
    # A node that came back a moment ago may confirm nothing yet: to take another one then is another drill.
    assert until(site.whole, WAIT_SECONDS) is not None, "not every node follows"
    crowd = people.join(site.ask, site.settings, size.crowd)
    spare = people.join(site.ask, site.settings, 8)
    load = Load(
        site.urls,
        crowd,
        seed,
        size.plan or drill.plan,
        watchers=spare[:2],
        trust=site.trust,
        timeout=drill.answer_seconds + OVERTIME_SECONDS,
        on_settle=lambda players: _forgive(site, players),
    )
    scene = Scene(site, load, random.Random(seed), spare[2:], quick)
    try:
        with load:
            span = _play_out(scene, drill, size)
            load.settle()
            scene.require("Redis equal to PostgreSQL", holds=wait_quiet(site, scene.players))
            _wait_for_followers(scene, site)
        return _judge(scene, drill, span, everything=size.everything)
    finally:
        people.retire(site.ask, scene.players)


def _forgive(site: Site, players: Iterable[int]) -> None:
    with suppress(RedisUnavailableError):  # It is asked again.
        forget_limits(site, players)


def _play_out(scene: Scene, drill: Drill, size: Size) -> tuple[float, float]:
    """From a warm load to a warm load. Returns when the fault began and when all was over."""
    begun = scene.load.now()
    try:
        scene.wait_for_more(size.warm)
        begun = scene.load.now()
        drill.act(scene)
        if scene.recovery is None:
            scene.over()
        scene.wait_for_more(size.after)
    except Exception as error:  # noqa: BLE001 -- whatever has ended it: what was lost until then is to be seen
        scene.aborted = repr(error)
        scene.site.heal()
    return begun, scene.load.now()


def _wait_for_followers(scene: Scene, site: Site) -> None:
    """Let the last board reach everybody; whether it did is the checker's to say."""
    wanted = dict.fromkeys(range(scene.load.plan.followers), top_of(site))
    history = scene.load.history
    until(lambda: {seen.follower: seen.rows for seen in list(history.sightings)} == wanted, 10)


def _judge(scene: Scene, drill: Drill, span: tuple[float, float], *, everything: bool) -> Result:
    history, site, load = scene.load.history, scene.site, scene.load
    crowd = frozenset(person.user_id for person in load.people)
    demands = Demands(load.plan.followers, crowd, drill.answer_seconds, drill.refused)
    verdict = check(history, read_truth(site, scene.players, everything=everything), demands)
    result = Result(
        drill,
        load.seed,
        verdict,
        (),
        history.outage(*span),
        history.outage_of_requests(*span),
        scene.recovery or Recovery(None, None),
        len(history.failures),
        history.slowest(),
        (*scene.notes, *refused_notes(refusals(history, crowd))),
    )
    promised = broken_promises(result, quick=scene.quick) if not scene.aborted else ()
    aborted = (scene.aborted,) if scene.aborted else ()
    return replace(result, problems=(*aborted, *verdict.problems, *scene.problems, *promised))


def refused_notes(refused: Counter[str]) -> list[str]:
    """That honest players were refused, if they were."""
    told = ", ".join(f"{answer} ({times})" for answer, times in sorted(refused.items()))
    return [f"{refused.total()} calls of honest players were refused: {told}"] if refused else []


def broken_promises(result: Result, *, quick: bool) -> Iterable[str]:
    """Times are promised by the full suite; in a quick run on a busy machine they are only shown. That all is well

    again within the time that a drill waits for it is promised by both.
    """
    drill, recovery = result.drill, result.recovery
    if recovery.redis is None:
        yield "Redis did not become equal to PostgreSQL"
    if recovery.sockets is None:
        yield "sockets did not converge"
    if quick:
        return
    if drill.outage is not None and result.outage > drill.outage:
        yield f"no completion for {result.outage:.1f} s, where {drill.outage:.0f} s are promised"
    if recovery.redis is not None and recovery.redis > drill.redis:
        yield f"Redis equal to PostgreSQL after {recovery.redis:.1f} s, where {drill.redis:.0f} s are promised"
