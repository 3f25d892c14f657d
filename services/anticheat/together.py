"""Looking at several players at once, those who share an address or a client: do they keep step, or repeat each other?

What is found joins the case of each of them. Accounts that do not play cost nothing and hide nobody: only players
count, of each the newest few addresses and clients, and of very many who share one some at random.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection, text

from models.database import transaction
from services.anticheat.analysis import add, add_own
from services.anticheat.detector import join, severity
from services.anticheat.echoes import echoes
from services.anticheat.events import Event, Presence, window_of
from services.anticheat.evidence import Evidence
from services.anticheat.groups import MOST_ACCOUNTS, judge
from services.anticheat.stored import load_state, read_marks, settle
from services.resources import Resources

log = logging.getLogger(__name__)

GROUPS_LOCK = 0xFA12B0A4E
DAYS = 7
DAY_SECONDS = 86_400
"""A group that goes on is told of once a day: its new completions are evidence too."""
LINKED_DAYS = 30
LEAST_ENTRIES = 12
"""Ledger entries within DAYS, of who counts: no rule on several players says anything of fewer."""
NEWEST = 3
"""Addresses and clients of one player that are looked at."""
MOST_SECONDS = 30.0
"""After this long the rest has to wait for the next time: pairs last, otherwise in another order each time."""
MOST_ALIKE = 20_000
"""Pairs of places where two players' times are the same, that are followed up."""

_LOCK = text("SELECT pg_try_advisory_xact_lock(:key)")
_SHARED = text("""
    WITH playing AS MATERIALIZED (
        SELECT h.user_id FROM ledger_heads h
        JOIN ledger_entries l ON l.user_id = h.user_id AND l.seq = h.seq - :least + 1
        WHERE l.created_at > now() - make_interval(days => :days)
    ), seen AS (
        SELECT user_id, what, value,
               row_number() OVER (PARTITION BY user_id, what ORDER BY max(rotated_at) DESC) AS place
        FROM playing JOIN sessions USING (user_id)
        CROSS JOIN LATERAL (VALUES ('address', address), ('agent', user_agent)) AS mark (what, value)
        WHERE value <> '' AND rotated_at > now() - make_interval(days => :linked_days)
        GROUP BY user_id, what, value
    )
    SELECT what, value, (array_agg(user_id ORDER BY random()))[1:CAST(:most AS int)] AS users
    FROM seen WHERE place <= :newest
    GROUP BY what, value HAVING count(*) > 1
    ORDER BY count(*) = 2, random()
""")
_EVENTS = text("""
    SELECT l.user_id, u.username, l.id, l.action_type, extract(epoch FROM l.created_at)::float8 AS at, l.claimed_ms,
           l.elapsed_ms
    FROM ledger_entries l JOIN users u ON u.id = l.user_id
    WHERE l.user_id = ANY(:users) AND l.kind = 'timed' AND l.created_at > now() - make_interval(days => :days)
    ORDER BY l.created_at, l.id
""")

_CLEARED = text("""
    SELECT u.username, extract(epoch FROM max(d.created_at))::float8 AS at
    FROM review_cases c JOIN decisions d ON d.case_id = c.id JOIN users u ON u.id = c.user_id
    WHERE c.user_id = ANY(:users) AND d.decision = 'clear' GROUP BY 1
""")


@dataclass(frozen=True, slots=True)
class Looked:
    """One pass: sets of players who share something, the players in them, sets left for the next time, and findings."""

    sets: int
    players: int
    left: int
    found: list[str]


@dataclass(frozen=True, slots=True)
class _Crowd:
    """Players who share something, with what they did lately."""

    presences: list[Presence]
    histories: dict[int, list[Event]]
    names: dict[int, str]
    cleared: dict[str, float]
    """When an analyst cleared them last, by name."""


def analyse_groups(resources: Resources) -> Looked | None:
    """One pass over everybody who shares something; None if somebody else is at it. Raises DatabaseUnavailableError."""
    with transaction(resources.engine) as connection:
        if not connection.execute(_LOCK, {"key": GROUPS_LOCK}).scalar_one():
            return None
        seen, found, ends = set[tuple[int, ...]](), list[str](), time.monotonic() + MOST_SECONDS
        shared = _shared(connection)
        for place, (what, value, users) in enumerate(shared):
            if time.monotonic() > ends:
                log.warning("%s sets of players who share something wait for the next time", len(shared) - place)
                return Looked(place, _players(seen), len(shared) - place, found)
            if users not in seen:
                found += _look(resources, _crowd(connection, what, value, users))
            seen.add(users)
    return Looked(len(shared), _players(seen), 0, found)


def _shared(connection: Connection) -> list[tuple[str, str, tuple[int, ...]]]:
    """What players share, and who: everybody, or some of very many."""
    parameters = {
        "days": DAYS, "linked_days": LINKED_DAYS, "least": LEAST_ENTRIES, "newest": NEWEST, "most": MOST_ACCOUNTS,
    }  # fmt: skip
    return [(row.what, row.value, tuple(sorted(row.users))) for row in connection.execute(_SHARED, parameters)]


def _players(seen: set[tuple[int, ...]]) -> int:
    return len({user for users in seen for user in users})


def _crowd(connection: Connection, what: str, value: str, users: Sequence[int]) -> _Crowd:
    histories: dict[int, list[Event]] = {}
    names: dict[int, str] = {}
    for row in connection.execute(_EVENTS, {"users": list(users), "days": DAYS}):
        issued = None if row.elapsed_ms is None else row.at - row.elapsed_ms / 1_000
        histories.setdefault(row.user_id, []).append(Event(row.id, row.action_type, issued, row.at, row.claimed_ms))
        names[row.user_id] = row.username
    mark = (value, "") if what == "address" else ("", value)
    cleared = {row.username: row.at for row in connection.execute(_CLEARED, {"users": list(users)})}
    return _Crowd([Presence(user, *mark, 0.0) for user in histories], histories, names, cleared)


def _look(resources: Resources, crowd: _Crowd) -> Iterator[str]:
    """Findings about a crowd, each put on its player's case. Yields those that were new, in words."""
    for user, evidence, fingerprint in _judged(crowd):
        if _joins(resources, user, evidence, fingerprint):
            yield f"{crowd.names[user]}: {evidence.reason}"


def _judged(crowd: _Crowd) -> Iterator[tuple[int, Evidence, str]]:
    for group in judge(crowd.presences, crowd.histories):
        digest = hashlib.sha256(repr(sorted(group.members)).encode()).hexdigest()[:16]
        for user in group.members:
            own = crowd.histories[user]
            # The group's evidence names an entry of each member. This member's case rests on this member's own: on
            # those that the group names, as those with which it met others, or on all where it names none.
            entries = group.met.get(user) or tuple(event.entry_id for event in own)
            evidence = replace(group.evidence, entries=entries)
            yield user, evidence, f"{evidence.rule}:{digest}:{int(own[-1].submitted_at // DAY_SECONDS)}"
    owners = {name: user for user, name in crowd.names.items()}
    by_name = {crowd.names[user]: events for user, events in crowd.histories.items()}
    for name, evidence in echoes(by_name, crowd.cleared, MOST_ALIKE).items():
        user = owners[name]
        at = next(event.submitted_at for event in crowd.histories[user] if event.entry_id == evidence.entries[-1])
        yield user, evidence, f"{evidence.rule}:{window_of(at)}"


def _joins(resources: Resources, user: int, evidence: Evidence, fingerprint: str) -> bool:
    """Whether the evidence was new and, with what is known of the player, worth a remark at least."""
    with transaction(resources.engine) as connection:
        taken = load_state(connection, user)
        state = settle(taken.state, read_marks(connection, user, taken.state.window))
        found = join(state, [evidence])[1].severity
        new = found != "none" and add(connection, user, evidence, found, fingerprint)
    if new and severity(state.totals) == "none":
        with transaction(resources.engine) as connection:
            add_own(connection, user)
    return new
