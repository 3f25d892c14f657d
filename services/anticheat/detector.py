"""The detectors put together: one step per player and window, the same result however often and however late."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from services.anticheat import clock, endurance, refusals as refused, regularity, replay as replays, velocity
from services.anticheat.evalues import advance
from services.anticheat.events import Event, Refusal, Window, tidy, windows
from services.anticheat.evidence import FAMILIES, Evidence, Severity, Silence, Verdict, strongest
from services.anticheat.history import History, absorb
from services.anticheat.state import PlayerState
from services.anticheat.thresholds import FLAG, KIN, LOW, RULES, TABLE

ALONE = {"B", "C"}
"""Families whose evidence is high by itself: it speaks of what happened, not of how somebody is."""
MOST_LOOKS = 16
LEAST_LOOK = 120
LEAST_NEW = 5
"""Completions since the last look, before which the rules on times are not asked again: fewer change little."""
PLACES = {rule: place for place, rule in enumerate(RULES)}
JUDGES = {
    "A": regularity.judge,
    "B": clock.judge,
    "C": replays.judge,
    "D": endurance.judge,
    "E": velocity.judge,
    "G": refused.judge,
}
ALWAYS = {"D", "G"}
"""Families that are asked after each window, however little happened in it."""


def step(state: PlayerState, window: Window, *, goes_on: bool = False) -> tuple[PlayerState, Verdict]:
    """The state after a window, and what is then known. A window that was taken in, or is older, changes nothing.

    A window that is not over yet may be judged at any time; keep the old state until it is. One that `goes_on` is the
    rest of a window of which the state knows the beginning.
    """
    if window.window_id < state.window or (window.window_id == state.window and not goes_on):
        return state, Verdict(severity(state.totals), (), _named(state.totals))
    events = tidy(window.events)
    size = max(LEAST_LOOK, -(-len(events) // MOST_LOOKS))
    found: list[Evidence] = []
    silent: tuple[Silence, ...] = ()
    for start in range(0, max(len(events), 1), size):
        rest = window.refusals if start == 0 else ()
        history = absorb(state, window.window_id, events[start : start + size], rest)
        state, evidence, silent = _weigh(history)
        found += evidence
    return state, Verdict(severity(state.totals), strongest(found), _named(state.totals), silent)


def _weigh(history: History) -> tuple[PlayerState, list[Evidence], tuple[Silence, ...]]:
    """The state with what the rules say of it."""
    asked = JUDGES if _worth_a_look(history) else ALWAYS
    judged = [item for family in asked for item in JUDGES[family](history)]
    evidence = [item for item in judged if isinstance(item, Evidence)]
    telling = [item for item in evidence if item.percentile is not None and item.percentile <= TABLE[item.rule].p_mild]
    state = _added(history.state, evidence)
    if asked is JUDGES:
        state = replace(state, unjudged=0, levels=velocity.fastest(history))
    return state, telling, tuple(item for item in judged if isinstance(item, Silence))


def _worth_a_look(history: History) -> bool:
    """Whether the rules on times may say something else than last time: much is new, or a rule has enough at last."""
    n, new = len(history.kinds), history.state.unjudged
    return new >= LEAST_NEW or any(n - new < row.least <= n for row in TABLE.values())


def _added(state: PlayerState, evidence: Iterable[Evidence]) -> PlayerState:
    """The state with evidence weighed in. What a rule has said before adds nothing."""
    best = list(state.best)
    for item in evidence:
        best[PLACES[item.rule]] = max(best[PLACES[item.rule]], item.e_value)
    if tuple(best) == state.best:
        return state
    totals = tuple(
        advance(total, _mean(family, state.best, state.spent), _mean(family, best, state.spent))
        for family, total in zip(FAMILIES, state.totals, strict=True)
    )
    return replace(state, best=tuple(best), totals=totals)


def join(state: PlayerState, evidence: Sequence[Evidence]) -> tuple[PlayerState, Verdict]:
    """The state with evidence from several players' histories, by `echoes` or `groups`. Twice is as once."""
    state = _added(state, evidence)
    return state, Verdict(severity(state.totals), strongest(evidence), _named(state.totals))


def _mean(family: str, best: Iterable[float], spent: int) -> float:
    """The family's e-value: the mean over its rules, which is fair however they depend on each other.

    A rule that is spent says nothing, either way.
    """
    own = [
        1.0 if spent >> place & 1 else value
        for place, (rule, value) in enumerate(zip(RULES, best, strict=True))
        if TABLE[rule].family == family
    ]
    return sum(own) / len(own) if own else 1.0


def severity(totals: Iterable[float]) -> Severity:
    """High needs two families, or B or C alone; one other family is medium; a remark is low."""
    values = _named(totals)
    flagging = {family for family, total in values if total >= FLAG}
    if flagging & ALONE or len(flagging) > 1:
        return "high"
    if flagging:
        return "medium"
    return "low" if any(total >= LOW for _, total in values) else "none"


def _named(totals: Iterable[float]) -> tuple[tuple[str, float], ...]:
    return tuple(zip(FAMILIES, totals, strict=True))


def merge(earlier: Verdict | None, later: Verdict) -> Verdict:
    """One verdict of two that follow each other: each rule's evidence at its most telling."""
    evidence = strongest((*earlier.evidence, *later.evidence)) if earlier else later.evidence
    silent = later.silent or (earlier.silent if earlier else ())
    return Verdict(later.severity, evidence, later.e_values, silent)


def replay(events: Iterable[Event], refusals: Iterable[Refusal] = ()) -> tuple[PlayerState, Verdict]:
    """Everything of one player from the beginning: the state and the merged verdict of stepping through it."""
    state, verdict = PlayerState(), Verdict("none", (), _named(PlayerState().totals))
    for window in windows(events, refusals):
        state, latest = step(state, window)
        verdict = merge(verdict, latest)
    return state, verdict


def cleared(state: PlayerState) -> PlayerState:
    """After a reviewer has cleared the player: R begins at nought, and what is known of their habits counts no more.

    A rule that was worth a remark is spent, and so are its kin: the same habit does not flag again, another one does.
    Family C begins anew with what is played from then on: a replay is no habit.
    """
    said = {rule for rule, value in zip(RULES, state.best, strict=True) if value > LOW and TABLE[rule].family != "C"}
    spent = said.union(*(kin for kin in KIN if kin & said))
    best = tuple(1.0 if TABLE[rule].family == "C" else value for rule, value in zip(RULES, state.best, strict=True))
    bits = state.spent | sum(1 << PLACES[rule] for rule in spent)
    return replace(state, totals=(0.0,) * len(FAMILIES), best=best, spent=bits, since=0)
