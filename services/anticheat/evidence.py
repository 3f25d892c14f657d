"""What the detectors say: numbers for the record and a sentence for a moderator."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

FAMILIES = {
    "A": "regularity",
    "B": "claim against clock",
    "C": "replay",
    "D": "endurance",
    "E": "velocity",
    "F": "groups",
    "G": "refusals",
}
MOST_ENTRIES = 200

Severity = Literal["none", "low", "medium", "high"]


@dataclass(frozen=True, slots=True)
class Evidence:
    """One reason to doubt a player."""

    family: str
    """A letter of FAMILIES."""
    rule: str
    statistic: str
    value: float
    threshold: float
    """Where the rule alone is reason enough to flag."""
    percentile: float | None
    """The share of honest people, at most, of whom it would say as much in their whole history; None if unknown."""
    n: int
    """Events or, in families F and G, accounts or calls that the value was computed from."""
    entries: tuple[int, ...]
    """The ledger entries of this window that it rests on, the latest 200."""
    reason: str
    e_value: float = 1.0
    told_at: int | None = None
    """The entry with which it was enough to flag alone, where that is known and may not be the last."""

    @property
    def family_name(self) -> str:
        """The family in words."""
        return FAMILIES[self.family]


@dataclass(frozen=True, slots=True)
class Silence:
    """A rule that could not judge, and why."""

    family: str
    rule: str
    why: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is known of a player after a window."""

    severity: Severity
    evidence: tuple[Evidence, ...]
    """What this window shows, the most telling first. A verdict of several windows has each rule once, at its best."""
    e_values: tuple[tuple[str, float], ...]
    """R of each family: 100,000 flags. See docs/adr/0012-sequential-evidence.md."""
    silent: tuple[Silence, ...] = ()

    @property
    def flagged(self) -> bool:
        """Whether a moderator has to look: medium or high. Low is worth a remark and no more."""
        return self.severity in {"medium", "high"}


def strongest(evidence: Iterable[Evidence]) -> tuple[Evidence, ...]:
    """Each rule once, at its most telling, the most telling rule first."""
    best: dict[str, Evidence] = {}
    for item in evidence:
        if item.rule not in best or item.e_value > best[item.rule].e_value:
            best[item.rule] = item
    return tuple(sorted(best.values(), key=lambda item: (-item.e_value, item.rule)))
