"""Family F: accounts of one hand. Sharing an address is no reason to doubt anybody; keeping step to the second is."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from services.anticheat.evalues import e_from_p
from services.anticheat.events import Event, Presence
from services.anticheat.evidence import Evidence
from services.anticheat.hands import leaders, lockstep, met, similar
from services.anticheat.statistics import Floats
from services.anticheat.thresholds import TABLE

RULE = "in_step"
LEAST_ACCOUNTS = 3
LEAST_LEFT = 2
"""Accounts of a group, once those that the others only follow are left out."""
LEAST_IN_TURN = 5
"""Accounts that are never active together: fewer may be a household with one device."""
FOLLOWED = " Whom they only follow is not counted: nobody can help being followed."
AVOIDED = " It is a remark and no more: anybody can keep out of somebody's way, who then looks the same."
P_APART = 1e-7
"""No evidence that accounts keep apart is taken further than this, which is a remark: a victim looks as they do."""
MOST_ACCOUNTS = 64
LEAST_EVENTS = 20
LEAST_FOR_LEVEL = 100
"""Completions of an account, for its level and pace to be known."""
NEAR_SECONDS = 2.0
SHIFTS = 64
Flags = npt.NDArray[np.bool_]
MOST_SHIFT = 60.0
"""Seconds by which accounts are moved against each other: a lesson or a tournament stays together, a beat does not."""


@dataclass(frozen=True, slots=True)
class Group:
    """Accounts that act as one, and why it is thought so.

    Whom the others only follow is not among them: nobody can help being followed.
    """

    members: tuple[int, ...]
    evidence: Evidence
    met: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    """The entries of each member with which it met another, where the group is told by meetings; where it is told by

    their absence, the last one.
    """


def judge(presences: Iterable[Presence], completions: Mapping[int, Sequence[Event]]) -> list[Group]:
    """The groups of one hand, among accounts that share an address or a rare agent; one group per rule."""
    found: list[Group] = []
    for linked, what in _linked(presences).items():
        own = {user: completions[user] for user in linked if len(completions.get(user, ())) >= LEAST_EVENTS}
        if len(own) >= LEAST_ACCOUNTS:
            groups = (_in_step(own, what), in_turn(own, what), same_hand(own, what))
            found += [group for group in groups if group]
    return found


def _linked(presences: Iterable[Presence]) -> dict[tuple[int, ...], str]:
    """Accounts that were seen with the same address or agent, each set once. What very many share says nothing."""
    shared: dict[tuple[str, str], set[int]] = defaultdict(set)
    for user, address, agent, _ in presences:
        for what, value in (("address", address), ("agent", agent)):
            if value:
                shared[what, value].add(user)
    linked: dict[tuple[int, ...], str] = {}
    for (what, _), users in sorted(shared.items()):
        if LEAST_ACCOUNTS <= len(users) <= MOST_ACCOUNTS:
            linked.setdefault(tuple(sorted(users)), what)
    return linked


def _in_step(completions: Mapping[int, Sequence[Event]], what: str) -> Group | None:
    """Whether the accounts' completions meet far more, or far less, than they would if each were moved a little."""
    times = {user: np.array([event.submitted_at for event in own]) for user, own in completions.items()}
    together, apart, led = _deviations(times)
    p = 2 * float(ndtr(-abs(together)))
    alike = [place for place, own in enumerate(apart) if own > 1.0]
    least = LEAST_ACCOUNTS if together > 0 else LEAST_IN_TURN
    members = _without(tuple(times), alike, led if together > 0 else frozenset())
    if p > TABLE[RULE].p_mild or len(alike) < least or len(members) < LEAST_LEFT:
        return None
    reason = _telling(len(members), what, together)
    if together < 0:
        last = {user: (completions[user][-1].entry_id,) for user in members}
        return Group(members, evidence(RULE, -together, max(p, P_APART), members, completions, reason + AVOIDED), last)
    reason += FOLLOWED if len(members) < len(alike) else ""
    meetings = _met(completions, _near(times))
    return Group(members, evidence(RULE, together, p, members, completions, reason), meetings)


def _telling(members: int, what: str, together: float) -> str:
    how = "within two seconds of each other far more often" if together > 0 else "at the same moment far more rarely"
    return (
        f"{members} accounts that share an {what} complete {how} than independent people "
        f"in the same minutes would ({abs(together):.0f} standard deviations)."
    )


def _without(users: Sequence[int], places: Iterable[int], led: frozenset[int]) -> tuple[int, ...]:
    return tuple(users[place] for place in places if place not in led)


def _met(completions: Mapping[int, Sequence[Event]], flags: Iterable[Flags]) -> dict[int, tuple[int, ...]]:
    return {
        user: tuple(event.entry_id for event, flag in zip(own, flagged, strict=True) if flag)
        for (user, own), flagged in zip(completions.items(), flags, strict=True)
    }


def evidence(
    rule: str, value: float, p: float, members: Sequence[int], completions: Mapping[int, Sequence[Event]], reason: str
) -> Evidence:
    """Evidence against all members."""
    row = TABLE[rule]
    entries = tuple(completions[user][-1].entry_id for user in members)
    return Evidence(
        row.family, rule, row.statistic, float(f"{value:.6g}"), row.telling, float(f"{p:.3g}"), len(members),
        entries, reason, float(f"{e_from_p(p):.9g}"),
    )  # fmt: skip


def _deviations(times: Mapping[int, Floats]) -> tuple[float, Floats, frozenset[int]]:
    """Of all meetings from what shifted times give, in standard deviations; each account's in that direction; and the

    places of those that come first.
    """
    rng = np.random.default_rng(len(times))
    ordered = _meetings(times)
    moved = np.array([_meetings(_moved(times, rng)) for _ in range(SHIFTS)])
    led = leaders(*(ordered - moved.mean(axis=0)))
    seen, shifted = ordered.sum(axis=0), moved.sum(axis=1)
    usual = shifted.mean(axis=0)
    # Each meeting counts for two accounts. A variance under a Poisson's is luck of few shifts.
    pairs = shifted.sum(axis=1) / 2
    together = (float(seen.sum()) / 2 - float(pairs.mean())) / math.sqrt(
        max(float(pairs.var()), float(pairs.mean())) + 1
    )
    apart = (seen - usual) / np.sqrt(np.maximum(shifted.var(axis=0), usual) + 1)
    return together, apart * math.copysign(1, together), led


def _moved(times: Mapping[int, Floats], rng: np.random.Generator) -> dict[int, Floats]:
    """Each account's times moved by one amount of its own, either way."""
    shifts = rng.uniform(-MOST_SHIFT, MOST_SHIFT, len(times))
    return {user: own + shift for (user, own), shift in zip(times.items(), shifts, strict=True)}


def _meetings(times: Mapping[int, Floats]) -> Floats:
    """For each account, how many neighbours in time within two seconds after, and before, belong to another."""
    at, owner, order, near = _neighbours(times)
    left, right = owner[order][:-1][near], owner[order][1:][near]
    # Of two at the very same moment neither came first: each counts half on either side.
    first = np.where(np.diff(at[order])[near] > 0, 1.0, 0.5)
    sides = [np.bincount(one, first, len(times)) + np.bincount(other, 1.0 - first, len(times))
             for one, other in ((left, right), (right, left))]  # fmt: skip
    return np.array(sides, np.float64)


def _neighbours(times: Mapping[int, Floats]) -> tuple[Floats, npt.NDArray[np.int64], npt.NDArray[np.int64], Flags]:
    """All times, whose each is, their order, and which of them in order meet the next."""
    at = np.concatenate(list(times.values()))
    owner = np.repeat(np.arange(len(times)), [len(own) for own in times.values()])
    order = np.argsort(at, kind="stable")
    return at, owner, order, (np.diff(at[order]) <= NEAR_SECONDS) & (np.diff(owner[order]) != 0)


def _near(times: Mapping[int, Floats]) -> list[Flags]:
    """Of each account's times, those that meet another's."""
    _, owner, order, near = _neighbours(times)
    found = np.zeros(len(owner), np.bool_)
    found[order[:-1][near]] = found[order[1:][near]] = True
    return np.split(found, np.cumsum([len(own) for own in times.values()])[:-1])


def in_turn(completions: Mapping[int, Sequence[Event]], what: str) -> Group | None:
    """Accounts of which one follows the other at the same distance, as a program goes through a list of them."""
    times = [np.array([event.submitted_at for event in own]) for own in completions.values()]
    found = lockstep(times)
    if found is None or found.p > TABLE["in_turn"].p_mild or len(found.places) < LEAST_ACCOUNTS:
        return None
    members = _without(tuple(completions), found.places, found.leaders)
    if len(members) < LEAST_LEFT:
        return None
    reason = (
        f"{len(members)} accounts that share an {what} follow each other at fixed distances: one is {found.lag} to "
        f"{found.lag + 1} s after another {found.value:.0f} standard deviations more often than by chance."
    )
    reason += FOLLOWED if found.leaders else ""
    meetings = _met(completions, met(times, found.pairs))
    return Group(members, evidence("in_turn", found.value, found.p, members, completions, reason), meetings)


def same_hand(completions: Mapping[int, Sequence[Event]], what: str) -> Group | None:
    """Accounts that all play at the same level and at the same pace, as copies of one program do."""
    enough = {user: own for user, own in completions.items() if len(own) >= LEAST_FOR_LEVEL}
    if len(enough) < LEAST_IN_TURN:
        return None
    found = similar(list(enough.values()))
    if found is None or found[1] > TABLE["same_hand"].p_mild:
        return None
    value, p = found
    reason = (
        f"{len(enough)} accounts that share an {what} play at the same level and pace: they differ by {value:.0%} of "
        "what people differ by."
    )
    return Group(tuple(enough), evidence("same_hand", value, p, tuple(enough), enough, reason))
