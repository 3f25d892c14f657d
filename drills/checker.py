"""The judge: a pure function over a history, in the manner of Jepsen's set test. No log line has a say.

Lost is what was acknowledged and is not in the ledger; unexpected is what is in the ledger and was never attempted;
duplicated is a token that was paid twice. The other checks are the invariants I2 to I9 of docs/drills.md.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from drills.history import ALREADY_USED, LIMITED, Attempt, Entry, History, Outcome, Truth, answer_to

ANSWER_SECONDS = 5.0
"""No write may keep a client waiting longer, whatever is broken (I6)."""
LIMITS = ((10, 60.0), (100, 3_600.0), (500, 86_400.0))
SLACK_SECONDS = 5.5
"""A call is counted when it is let in, and its entry is written a little later: so much may a window look shorter."""
SHOWN, LETTERS = 3, 12
"""Examples that a sentence about many names, and how much of each."""
AWAY = 503, "SERVICE_UNAVAILABLE"
"""The one answer that says that something is away, from web servers and from the balancer alike."""


@dataclass(frozen=True)
class Demands:
    """What is asked of one drill besides the truth."""

    followers: int
    """How many held the board's socket."""
    crowd: frozenset[int]
    """Players who are honest and do what the rules allow."""
    answer_seconds: float = ANSWER_SECONDS
    refused: frozenset[str] = frozenset()
    """Codes with which the fault itself may have them refused."""


@dataclass(frozen=True)
class Verdict:
    """What a drill has shown. It held if there is no problem."""

    acknowledged: int
    lost: frozenset[str]
    duplicated: frozenset[str]
    unexpected: frozenset[str]
    problems: tuple[str, ...]

    @property
    def held(self) -> bool:
        """Whether every invariant held."""
        return not self.problems


def check(history: History, truth: Truth, demands: Demands) -> Verdict:
    """Judge what clients were told by what the servers hold."""
    acknowledged = history.acknowledged()
    counted = Counter(entry.token for entry in truth.ledger)
    lost = frozenset(acknowledged - counted.keys())
    unexpected = frozenset(counted.keys() - {attempt.token for attempt in history.attempts})
    duplicated = frozenset(token for token, times in counted.items() if times > 1) | _paid_twice(history)
    problems = [
        *_named("I1: acknowledged and not in the ledger", lost),
        *_named("I1: in the ledger and never attempted", unexpected),
        *_named("I4: spent more than once", duplicated),
        *_false_acknowledgements(history),
        *_wrong_sums(truth),
        *_wrong_answers(history, truth),
        *(f"I3: player {player}: Redis says {score}" for player, score in _unequal(truth)),
        *_over_limits(truth.ledger),
        *_late(history, demands.answer_seconds),
        *_unruly_sockets(history, truth, demands.followers),
        *_internal_errors(history),
        *_named("I9: refused for good and in the ledger", _refused_for_good(history) & counted.keys()),
        *_honest_refused(history, demands),
        *_never_learned(history),
        *(f"verify: {difference}" for difference in truth.differences),
    ]
    return Verdict(len(acknowledged), lost, duplicated, unexpected, tuple(problems))


def _named(what: str, tokens: frozenset[str]) -> Iterator[str]:
    if tokens:
        yield f"{what}: {len(tokens)}, such as {', '.join(token[:LETTERS] for token in sorted(tokens)[:SHOWN])}"


def _paid_twice(history: History) -> frozenset[str]:
    """Tokens for which two attempts were told that they earned points."""
    paid = Counter(attempt.token for attempt in history.attempts if attempt.outcome is Outcome.OK)
    return frozenset(token for token, times in paid.items() if times > 1)


def _false_acknowledgements(history: History) -> Iterator[str]:
    """What was begun and acknowledged while nothing could be made durable."""
    for silence in history.silences:
        false = frozenset(
            attempt.token
            for attempt in history.attempts
            if attempt.acknowledged and silence.begin < attempt.invoked and attempt.returned < silence.end
        )
        yield from _named("I1: acknowledged while no commit could be replicated", false)


def _wrong_sums(truth: Truth) -> Iterator[str]:
    """I2: a standing is the sum of its entries."""
    sums: Counter[int] = Counter()
    for entry in truth.ledger:
        sums[entry.player] += entry.points
    for player in sums.keys() | truth.standings.keys():
        if sums[player] != truth.standings.get(player, 0):
            yield f"I2: player {player}: the ledger says {sums[player]}, the standing {truth.standings.get(player, 0)}"


def _wrong_answers(history: History, truth: Truth) -> Iterator[str]:
    """I2: the score in an answer is what the ledger summed up to at that entry."""
    sums: Counter[int] = Counter()
    then: dict[str, int] = {}
    for entry in truth.ledger:
        sums[entry.player] += entry.points
        then[entry.token] = sums[entry.player]
    for attempt in history.attempts:
        known = then.get(attempt.token, attempt.score)
        if attempt.outcome is Outcome.OK and attempt.score != known:
            yield f"I2: player {attempt.player} was told {attempt.score} where the ledger says {known}"


def _unequal(truth: Truth) -> list[tuple[int, int | None]]:
    """Players whose score in Redis is not the one in PostgreSQL."""
    return [
        (player, truth.redis.get(player))
        for player, score in sorted(truth.standings.items())
        if truth.redis.get(player) != (None if player in truth.hidden else score)
    ]


def _over_limits(ledger: tuple[Entry, ...]) -> Iterator[str]:
    """I5: no window of any player holds more completions than its limit."""
    times: defaultdict[int, list[float]] = defaultdict(list)
    for entry in ledger:
        times[entry.player].append(entry.at)
    for player, moments in times.items():
        moments.sort()
        for limit, seconds in LIMITS:
            spans = [late - early for early, late in zip(moments, moments[limit:], strict=False)]
            if spans and min(spans) < seconds - SLACK_SECONDS:
                yield f"I5: player {player}: more than {limit} completions in {min(spans):.1f} s"


def _late(history: History, answer_seconds: float) -> Iterator[str]:
    """I6: every answer came in time."""
    late = [call.seconds for call in history.calls if call.seconds > answer_seconds]
    if late:
        yield f"I6: {len(late)} answers later than {answer_seconds} s, the latest after {max(late):.1f} s"


def _unruly_sockets(history: History, truth: Truth, followers: int) -> Iterator[str]:
    """I7: versions grow on each connection, name one board each, and everyone ends on the board of PostgreSQL."""
    boards: dict[int, tuple[tuple[int, int], ...]] = {}
    newest: dict[tuple[int, int], int] = {}
    for seen in history.sightings:
        if seen.published and boards.setdefault(seen.version, seen.rows) != seen.rows:
            yield f"I7: version {seen.version} named two boards"
        if newest.get((seen.follower, seen.connection), -1) >= seen.version:
            yield f"I7: follower {seen.follower} received version {seen.version} twice or late"
        newest[seen.follower, seen.connection] = seen.version
    yield from _left_behind(history, truth, followers)


def _left_behind(history: History, truth: Truth, followers: int) -> Iterator[str]:
    """I7: nobody is shown nothing, which would be easy to get right."""
    updated = {seen.follower for seen in history.sightings if seen.published}
    last = {seen.follower: seen.rows for seen in history.sightings}
    for follower in sorted(last.keys() | set(range(followers))):
        if follower not in updated:
            yield f"I7: follower {follower} received no update"
        if last.get(follower) != truth.top:
            yield f"I7: follower {follower} did not end on the board that PostgreSQL has"


def _internal_errors(history: History) -> Iterator[str]:
    """I8: whatever is broken, nobody is told that Fairboard itself has failed, nor given a proxy's own page."""
    calls = Counter(
        answer_to(call) for call in history.calls if call.status >= 500 and (call.status, call.code) != AWAY
    )
    for answer, times in sorted(calls.items()):
        yield f"I8: {answer}, {times} times"


def _refused_for_good(history: History) -> frozenset[str]:
    """Tokens whose client was told last that they are worth nothing. A limit says nothing of the token."""
    last: dict[str, Attempt] = {attempt.token: attempt for attempt in history.attempts}
    return frozenset(
        token
        for token, attempt in last.items()
        if attempt.outcome is Outcome.FAIL and not attempt.acknowledged and attempt.code != LIMITED
    )


def refusals(history: History, crowd: frozenset[int]) -> Counter[str]:
    """The calls of honest players that were refused, by what they were told, limits apart."""
    return Counter(
        answer_to(call)
        for call in history.calls
        if call.player in crowd and 400 <= call.status < 500 and call.code not in {ALREADY_USED, LIMITED}
    )


def _honest_refused(history: History, demands: Demands) -> Iterator[str]:
    """I9: a fault is no reason to refuse who has done nothing wrong."""
    for answer, times in sorted(refusals(history, demands.crowd).items()):
        if answer.split()[-1] not in demands.refused:
            yield f"I9: honest players refused: {answer}, {times} times"


def _never_learned(history: History) -> Iterator[str]:
    """I9: whoever asks again with the same token learns what became of it."""
    if history.pending:
        clients = len(set(history.pending.values()))
        such = ", ".join(token[:LETTERS] for token in sorted(history.pending)[:SHOWN])
        yield f"I9: {clients} clients never learned what became of their completion, such as {such}"
