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
BETWEEN_PEOPLE = 0.15
"""Spread of levels and of paces between people, as logarithms; see `same_hand` in the table."""
LEAST_WITHIN = 0.05
"""Of log time: where a play takes always the same, everybody's level is the same."""


@dataclass(frozen=True, slots=True)
class Lockstep:
    """Accounts, by place, that keep a distance from each other, and the most telling one."""

    places: tuple[int, ...]
    lag: int
    value: float
    p: float


def lockstep(times: Sequence[Floats]) -> Lockstep | None:
    """Whether accounts follow others at one distance in the first half of the time and in the second."""
    at = np.concatenate(list(times))
    owner = np.repeat(np.arange(len(times)), [len(own) for own in times])
    order = np.argsort(at, kind="stable")[-MOST_EVENTS:]
    half = len(order) // 2
    counts = [_lags(at[part], owner[part], len(times)) for part in (order[:half], order[half:])]
    usual = [np.maximum(part.mean(axis=2, keepdims=True), 1 / LAGS) for part in counts]
    # The same distance has to be there in both halves: two people at one limit keep step for a while.
    chance = np.maximum(*(pdtrc(np.maximum(part - 1.0, 0.0), mean) for part, mean in zip(counts, usual, strict=True)))
    chance = np.where(np.minimum(*counts) >= 3, chance, 1.0) * LAGS * max(len(times) * (len(times) - 1), 1)
    one, other, _ = np.nonzero(chance < P_PAIR)
    if not len(one):
        return None
    top = np.unravel_index(int(chance.argmin()), chance.shape)
    value = min(float((part[top] - mean[top[:2]][0]) / math.sqrt(mean[top[:2]][0] + 1))
                for part, mean in zip(counts, usual, strict=True))  # fmt: skip
    return Lockstep(tuple(int(place) for place in np.union1d(one, other)), int(top[2]), value, float(chance[top]))


def _lags(at: Floats, owner: np.typing.NDArray[np.int64], accounts: int) -> Floats:
    """How often each account comes so many whole seconds after each other one."""
    found = np.zeros(accounts * accounts * LAGS)
    for ahead in range(1, len(at)):
        lag = at[ahead:] - at[:-ahead]
        near = (lag < LAGS) & (owner[ahead:] != owner[:-ahead])
        if not (lag < LAGS).any():
            break
        places = (owner[:-ahead][near] * accounts + owner[ahead:][near]) * LAGS + lag[near].astype(np.int64)
        found += np.bincount(places, minlength=len(found))
    return found.reshape(accounts, accounts, LAGS)


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
