"""Clients under whom the faults happen. Each asks for a token, plays for as long as an action takes, completes, and

asks again with the same token until it knows what became of it. Followers hold the board's socket meanwhile.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import ssl
import threading
import time
from collections.abc import Callable, Coroutine, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self, TypeVar

from drills.followers import follow
from drills.history import ALREADY_USED, LIMITED, Attempt, Call, History, Outcome, Request, answer_to
from drills.people import Person
from drills.roster import Roster
from drills.wire import NO_ANSWER, Answer, Wire
from fairboard_client import checksum
from tests.support.tokens import digest

T = TypeVar("T")
ACTION = "reaction"
LEAST_MS, MOST_MS = 1_000, 1_400
"""How long a round is played. It varies as people's rounds do, or the product would take its players for robots."""
PLAY_SECONDS = LEAST_MS / 1000
SPARE_MS = 20
"""A claim is shorter than the time that has passed."""
PATIENCE = (0.2, 0.4, 0.8, 1.5, 3.0, 4.0)
"""Waits between attempts with one token. More often, and the limits of ten a minute would stop it."""
PASSING = {LIMITED, "SERVICE_UNAVAILABLE", "INTERNAL_ERROR"}
SETTLE_SECONDS, FORGIVE_SECONDS = 40.0, 3.0
"""How long clients may ask a last time once all has been answered or given up, and how often limits are lifted then."""


@dataclass(frozen=True)
class Plan:
    """How much load. `seats` is how many play at a time; `rest` is the longest pause between two rounds of one seat."""

    seats: int = 40
    followers: int = 4
    rest: float = 0.1
    keep_connections: bool = True


def body_of(token: str) -> dict[str, Any]:
    """A completion whose proof is right. A token has one claim, so that a retry says the same."""
    claim = round_of(token)
    return {"actionToken": token, "proof": {"completionTime": claim, "checksum": checksum(token, claim)}}


def round_of(token: str) -> int:
    """How long the round of a token is played, in milliseconds."""
    return LEAST_MS + int(digest(token)[:8], 16) % (MOST_MS - LEAST_MS)


def judge(answer: Answer) -> Outcome:
    """What an answer to a completion tells its client."""
    if answer.status == 200:
        return Outcome.OK
    return Outcome.UNKNOWN if answer.status == 0 or answer.status >= 500 else Outcome.FAIL


@dataclass
class Load:
    """The clients of one drill, on a thread of their own. `history` is theirs, in seconds since `begun`."""

    urls: Sequence[str]
    people: Sequence[Person]
    seed: int
    plan: Plan = field(default_factory=Plan)
    watchers: Sequence[Person] = ()
    trust: ssl.SSLContext | None = None
    timeout: float = 6.0
    """So long a client waits for an answer: more than any may take, or a late one would not show."""
    on_settle: Callable[[Iterable[int]], None] = lambda players: None
    """Called with the players who do not know what became of a completion, again and again while they ask."""
    history: History = field(default_factory=History)

    def __post_init__(self) -> None:
        self.begun = time.monotonic()
        self._random = random.Random(self.seed)
        self._stopping = asyncio.Event()
        self._hanging: dict[str, int] = {}
        self._acknowledged = 0
        self._tasks: set[asyncio.Task[Any]] = set()
        self._followers: list[asyncio.Task[None]] = []
        self._roster = Roster(self.people, self._random)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="load", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._call(self._begin())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._call(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def now(self) -> float:
        """Seconds since the drill began."""
        return time.monotonic() - self.begun

    def count(self) -> int:
        """Acknowledgements until now."""
        return self._acknowledged

    def settle(self) -> None:
        """Let nobody begin any more, and return when everybody knows what became of their completions.

        It gives up after a while. Who does not know by the end of the load is in `history.pending`.
        """
        seconds = SETTLE_SECONDS + 2 * self.timeout
        self._call(self._settle(seconds), seconds + 30)

    def post_together(self, token: str, person: Person, times: int) -> list[Attempt]:
        """Complete one token many times at once, over as many connections."""
        return self._call(self._post_together(token, person, times), 60)

    def token(self, person: Person) -> str:
        """An action token, asked for until there is one."""
        return self._call(self._token(person), 60)

    def play(self, person: Person, token: str) -> Attempt:
        """One completion, as soon as its time has passed."""
        return self._call(self._play(person, token), 30)

    def ask_again(self, person: Person, token: str) -> Attempt:
        """The answer that says what became of a token."""
        return self._call(self._until_known(person, token), 60)

    def burst(self, person: Person, times: int) -> list[Attempt]:
        """As many rounds of one player at once as the server lets in."""
        return self._call(self._burst(person, times), 60)

    def _call(self, work: Coroutine[Any, Any, T], seconds: float = 30.0) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(seconds)

    async def _begin(self) -> None:
        for _ in range(self.plan.seats):
            self._spawn(self._seat())
        for number in range(self.plan.followers):
            url = self.urls[number % len(self.urls)]
            watcher = self.watchers[number % len(self.watchers)]
            self._followers.append(
                asyncio.create_task(follow(number, url, watcher, self.history, self.now, self.trust))
            )

    def _spawn(self, work: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _settle(self, seconds: float) -> None:
        self._stopping.set()
        end = self.now() + seconds
        while self._tasks and self.now() < end:
            await asyncio.to_thread(self.on_settle, list(self._hanging.values()))
            await asyncio.wait(list(self._tasks), timeout=FORGIVE_SECONDS)

    async def _end(self) -> None:
        self._stopping.set()
        every = asyncio.all_tasks() - {asyncio.current_task()}
        for task in every:
            task.cancel()
        await asyncio.gather(*every, return_exceptions=True)
        self.history.pending.update(self._hanging)

    def _wire(self, url: str = "") -> Wire:
        chosen = url or self._random.choice(self.urls)
        return Wire(chosen, self.timeout, keep=self.plan.keep_connections, trust=self.trust)

    async def _seat(self) -> None:
        with closing(self._wire()) as wire:
            await self._play_on(wire)

    async def _play_on(self, wire: Wire) -> None:
        await asyncio.sleep(self._random.uniform(0, PLAY_SECONDS))
        while not self._stopping.is_set():
            person = self._roster.pick(self.now())
            answer = await self._request(wire, person) if person is not None else NO_ANSWER
            if person is None or answer.status != 200:
                await asyncio.sleep(self._random.uniform(0.05, 0.3))
                continue
            token = str(answer.body["actionToken"])
            await asyncio.sleep((round_of(token) + SPARE_MS) / 1000)
            await self._complete(wire, person, token)
            await asyncio.sleep(self._random.uniform(0, self.plan.rest))

    async def _request(self, wire: Wire, person: Person) -> Answer:
        invoked = self.now()
        answer = await wire.post("/api/actions/request", person.access, {"actionType": ACTION})
        request = Request(person.user_id, invoked, self.now(), answer.status, answer.code)
        self.history.requests.append(request)
        self._note(request)
        return answer

    async def _token(self, person: Person) -> str:
        wire = self._wire()
        for wait in itertools.chain(PATIENCE, itertools.repeat(PATIENCE[-1])):
            answer = await self._request(wire, person)
            if answer.status == 200:
                wire.close()
                return str(answer.body["actionToken"])
            await asyncio.sleep(wait)
        raise AssertionError("an endless iterator has ended")

    async def _complete(self, wire: Wire, person: Person, token: str) -> None:
        """One attempt; if it leaves the client in doubt, the others follow on their own, and the seat is free."""
        self._hanging[digest(token)] = person.user_id
        first = await self._attempt(wire, person, token)
        if first.outcome is Outcome.UNKNOWN or first.code in PASSING:
            self._spawn(self._until_known(person, token))
        else:
            self._hanging.pop(first.token)

    async def _play(self, person: Person, token: str) -> Attempt:
        await asyncio.sleep((round_of(token) + SPARE_MS) / 1000)
        return await self._attempt(self._wire(), person, token)

    async def _burst(self, person: Person, times: int) -> list[Attempt]:
        answers = await asyncio.gather(*(self._request(self._wire(), person) for _ in range(times)))
        tokens = [str(answer.body["actionToken"]) for answer in answers if answer.status == 200]
        return await asyncio.gather(*(self._play(person, token) for token in tokens))

    async def _until_known(self, person: Person, token: str) -> Attempt:
        waits = itertools.chain(PATIENCE, itertools.repeat(PATIENCE[-1]))
        with closing(self._wire()) as wire:
            while True:
                await self._pause(next(waits) * self._random.uniform(0.7, 1.3))
                attempt = await self._attempt(wire, person, token)
                if attempt.outcome is not Outcome.UNKNOWN and attempt.code not in PASSING:
                    self._hanging.pop(digest(token), None)
                    return attempt

    async def _pause(self, seconds: float) -> None:
        """Wait, but no longer than until the drill ends: then everybody asks at once."""
        if self._stopping.is_set():
            await asyncio.sleep(min(seconds, 0.5))
            return
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            return

    async def _attempt(self, wire: Wire, person: Person, token: str) -> Attempt:
        invoked = self.now()
        answer = await wire.post("/api/actions/complete", person.access, body_of(token))
        score = int(answer.body["newScore"]) if answer.status == 200 else 0
        attempt = Attempt(
            digest(token), person.user_id, invoked, self.now(), judge(answer), answer.status, answer.code, score
        )
        self.history.attempts.append(attempt)
        self._acknowledged += attempt.acknowledged
        self._note(attempt)
        return attempt

    async def _post_together(self, token: str, person: Person, times: int) -> list[Attempt]:
        urls = (self.urls[number % len(self.urls)] for number in range(times))
        wires = [Wire(url, self.timeout, keep=False, trust=self.trust) for url in urls]
        return await asyncio.gather(*(self._attempt(wire, person, token) for wire in wires))

    def _note(self, call: Call) -> None:
        if call.status != 200 and call.code != ALREADY_USED:
            self.history.failures.append(answer_to(call))
