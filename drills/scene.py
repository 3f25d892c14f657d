"""One drill: clients at work, a fault, its end, and what the checker says of it."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from drills import people
from drills.checker import Verdict, check
from drills.history import Silence
from drills.load import Load, Plan
from drills.site import Site
from drills.truth import Recovery, forget_limits, read_truth, top_of, until, wait_quiet, watch_recovery

WAIT_SECONDS = 90.0


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
    """The longest outage that is promised, in seconds."""
    redis: float = 10.0
    """The longest time until Redis equals PostgreSQL."""
    plan: Plan = field(default_factory=Plan)
    answer_seconds: float = 5.0

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
        """The fault is undone, or is now: see how soon all is well."""
        begun = time.monotonic()
        self.site.heal()
        self.wait(self.site.ready, "readiness")
        self.recovery = watch_recovery(self.site, self.players, self.load.history, begun)


@dataclass(frozen=True)
class Result:
    """What one run of a drill printed."""

    drill: Drill
    seed: int
    verdict: Verdict
    problems: tuple[str, ...]
    outage: float
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
    """Run one drill on a healthy site and judge it. The site is healthy again afterwards."""
    crowd = people.join(site.ask, site.settings, size.crowd)
    spare = people.join(site.ask, site.settings, 8)
    plan = size.plan or drill.plan
    load = Load(site.urls, crowd, seed, plan, spare[:2], site.trust, lambda players: forget_limits(site, players))
    with load:
        scene = Scene(site, load, random.Random(seed), spare[2:], quick)
        scene.wait_for_more(size.warm)
        begun = load.now()
        drill.act(scene)
        if scene.recovery is None:
            scene.over()
        scene.wait_for_more(size.after)
        ended = load.now()
        load.settle()
        scene.require("Redis equal to PostgreSQL", holds=wait_quiet(site, scene.players))
        _wait_for_followers(scene, site)
    result = _judge(scene, drill, (begun, ended), everything=size.everything)
    people.retire(site.ask, scene.players)
    return result


def _wait_for_followers(scene: Scene, site: Site) -> None:
    """Let the last board reach everybody; whether it did is the checker's to say."""
    top = top_of(site)
    history = scene.load.history
    until(lambda: set({seen.follower: seen.rows for seen in list(history.sightings)}.values()) == {top}, 10)


def _judge(scene: Scene, drill: Drill, span: tuple[float, float], *, everything: bool) -> Result:
    history, site = scene.load.history, scene.site
    truth = read_truth(site, scene.players, everything=everything)
    verdict = check(history, truth, answer_seconds=drill.answer_seconds)
    recovery = scene.recovery or Recovery(None, None)
    outage = history.outage(*span)
    promised = () if scene.quick else tuple(_broken_promises(drill, outage, recovery))
    return Result(
        drill,
        scene.load.seed,
        verdict,
        (*verdict.problems, *scene.problems, *promised),
        outage,
        recovery,
        len(history.failures),
        history.slowest(),
        tuple(scene.notes),
    )


def _broken_promises(drill: Drill, outage: float, recovery: Recovery) -> Iterable[str]:
    """Times are promised by the full suite; in a quick run on a busy machine they are only shown."""
    if drill.outage is not None and outage > drill.outage:
        yield f"an outage of {outage:.1f} s, where {drill.outage:.0f} s are promised"
    if recovery.redis is None or recovery.redis > drill.redis:
        yield f"Redis equal to PostgreSQL after {recovery.redis} s, where {drill.redis:.0f} s are promised"
    if recovery.sockets is None:
        yield "sockets did not converge"
