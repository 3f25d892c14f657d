"""Family F: two signs that several accounts are played by one program, found in their times alone."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import chdtr, pdtrc

from services.anticheat.events import Event
from services.anticheat.statistics import Floats, median
from services.anticheat.thresholds import BREAK_SECONDS

LAGS = 60
"""Whole seconds by which one account may follow another."""
MOST_EVENTS = 20_000
P_PAIR = 1e-6
MOST_FIRST = 0.9
"""Of the meetings of an account that others only follow, it comes first in more: nobody can help being followed."""
BETWEEN_PEOPLE = 0.15
"""Spread of levels and of paces between people, as logarithms; see `same_hand` in the table."""
LEAST_WITHIN = 0.05
"""Of log time: where a play takes always the same, everybody's level is the same."""


@dataclass(frozen=True, slots=True)
class Lockstep:
    """Accounts, by place, that keep a distance from each other, and the most telling one."""

    places: tuple[int, ...]
    leaders: frozenset[int]
    """Those among them that the others only follow."""
    pairs: tuple[tuple[int, int, int], ...]
    """An account, another that follows it, and at how many whole seconds: the least that tells, for each two."""
    lag: int
    value: float
    p: float


def lockstep(times: Sequence[Floats]) -> Lockstep | None:
    """Whether accounts follow others at one distance in the first half of the time and in the second."""
    at = np.concatenate(list(times))
    owner = np.repeat(np.arange(len(times)), [len(own) for own in times])
    order = np.argsort(at, kind="stable")[-MOST_EVENTS:]
    half = len(order) // 2
    counts, ties = zip(
        *(_lags(at[part], owner[part], len(times)) for part in (order[:half], order[half:])), strict=True
    )
    usual = [np.maximum(part.mean(axis=2, keepdims=True), 1 / LAGS) for part in counts]
    # The same distance has to be there in both halves: two people at one limit keep step for a while.
    chance = np.maximum(*(pdtrc(np.maximum(part - 1.0, 0.0), mean) for part, mean in zip(counts, usual, strict=True)))
    chance = np.where(np.minimum(*counts) >= 3, chance, 1.0) * LAGS * max(len(times) * (len(times) - 1), 1)
    telling = chance < P_PAIR
    one, other, _ = np.nonzero(telling)
    if not len(one):
        return None
    nearest = _nearest(telling)
    beyond = np.sum([part - mean for part, mean in zip(counts, usual, strict=True)], axis=0)
    # Of two at the very same moment neither came first.
    beyond[:, :, 0] += (sum(ties).T - sum(ties)) / 2
    top = np.unravel_index(int(chance.argmin()), chance.shape)
    value = min(float((part[top] - mean[top[:2]][0]) / math.sqrt(mean[top[:2]][0] + 1))
                for part, mean in zip(counts, usual, strict=True))  # fmt: skip
    places = tuple(int(place) for place in np.union1d(one, other))
    pairs = tuple((int(one), int(other), int(lag)) for one, other, lag in np.argwhere(nearest & telling))
    return Lockstep(
        places, leaders(*_order(np.where(nearest, beyond, 0.0))), pairs, int(top[2]), value, float(chance[top])
    )


def _nearest(telling: np.typing.NDArray[np.bool_]) -> np.typing.NDArray[np.bool_]:
    """The least lag that tells of each two accounts, in both directions.

    Whoever plays steadily also comes at a fixed distance after those who follow: the longer one is their own.
    """
    either = telling | telling.transpose(1, 0, 2)
    nearest: np.typing.NDArray[np.bool_] = either & (either.cumsum(axis=2) == 1)
    return nearest


def _order(meetings: Floats) -> tuple[Floats, Floats]:
    """Of each account, the meetings in which it came first and those in which it came second."""
    return meetings.sum(axis=(1, 2)), meetings.sum(axis=(0, 2))


def leaders(first: Floats, second: Floats) -> frozenset[int]:
    """The places that come first in nearly all of their meetings, beyond those that chance would bring."""
    first, second = np.maximum(first, 0.0), np.maximum(second, 0.0)
    return frozenset(int(place) for place in np.flatnonzero(first > MOST_FIRST * np.maximum(first + second, 1.0)))


def met(times: Sequence[Floats], pairs: Sequence[tuple[int, int, int]]) -> list[np.typing.NDArray[np.bool_]]:
    """Of each account's times, those at which it met another: `pairs` are as those of a Lockstep."""
    found = [np.zeros(len(own), np.bool_) for own in times]
    for one, other, lag in pairs:
        before, after = times[one], times[other]
        found[one] |= np.searchsorted(after, before + lag + 1) > np.searchsorted(after, before + lag)
        found[other] |= np.searchsorted(before, after - lag, "right") > np.searchsorted(
            before, after - lag - 1, "right"
        )
    return found


def _lags(at: Floats, owner: np.typing.NDArray[np.int64], accounts: int) -> tuple[Floats, Floats]:
    """How often each account comes so many whole seconds after each other one; and how often at the same moment."""
    found, ties = np.zeros(accounts * accounts * LAGS), np.zeros(accounts * accounts)
    for ahead in range(1, len(at)):
        lag = at[ahead:] - at[:-ahead]
        near = (lag < LAGS) & (owner[ahead:] != owner[:-ahead])
        if not (lag < LAGS).any():
            break
        places = (owner[:-ahead][near] * accounts + owner[ahead:][near]) * LAGS + lag[near].astype(np.int64)
        found += np.bincount(places, minlength=len(found))
        ties += np.bincount(places[lag[near] == 0] // LAGS, minlength=len(ties))
    return found.reshape(accounts, accounts, LAGS), ties.reshape(accounts, accounts)


def similar(histories: Sequence[Sequence[Event]]) -> tuple[float, float] | None:
    """The spread of the accounts' levels and paces over that between people, and how likely people are so close.

    Compared is the action that is played most. None where too few play it, or a play takes always the same.
    """
    action = Counter(event.action_type for own in histories for event in own).most_common(1)[0][0]
    traits = [_traits([event for event in own if event.action_type == action]) for own in histories]
    known = np.array([trait for trait in traits if trait is not None])
    if len(known) < len(histories) or median(known[:, 2]) < LEAST_WITHIN:
        return None
    free = len(known) - 1
    shares = [float(known[:, column].var(ddof=1)) / BETWEEN_PEOPLE**2 for column in (0, 1)]
    p = math.prod(max(float(chdtr(free, free * share)), 1e-100) for share in shares)
    return math.sqrt(max(shares)), min(p * (1 - math.log(p)), 1.0)


def _traits(events: Sequence[Event]) -> tuple[float, float, float] | None:
    """Level, pace beyond it, and spread of an account, as logarithms."""
    claims = np.log(np.maximum([event.claimed_ms for event in events], 1.0)) if len(events) >= 20 else np.empty(0)
    gaps = np.diff([event.submitted_at for event in events])
    gaps = gaps[(gaps > 0) & (gaps <= BREAK_SECONDS)]
    if len(claims) < 20 or len(gaps) < 20:
        return None
    level = median(claims)
    return level, math.log(median(gaps)) + math.log(1_000) - level, float(claims.std())
