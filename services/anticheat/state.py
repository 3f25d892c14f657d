"""What is kept of a player between windows: 4 KB at most, and nothing that stored events would not give again."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from services.anticheat.evidence import FAMILIES
from services.anticheat.thresholds import RULES, TABLE

VERSION = 5
"""Of the layout and of the detectors' code: a change of either that gives other bytes needs another one."""
DIGEST = zlib.crc32(repr(tuple(TABLE.values())).encode())
"""Of the thresholds: a state that was made by others is computed anew."""
EVENTS = 510
"""How many of the latest claims, gaps and slacks are kept: a day at the limit, and a little more."""
MOST_ACTIONS = 15
UNKNOWN_SLACK = -32_768
_LOW, _HIGH = 1e-3, 2e6
_STEP = np.log(_HIGH / _LOW) / 65_534
_HEADER = struct.Struct("<BIBHHqddIQffIHd")
_IN_HEADER = ("unjudged", "window", "last_at", "run_started", "run_events", "hours", "calls", "telling", "spent",
              "since", "marked")  # fmt: skip


class StateError(ValueError):
    """The bytes are no state of this version."""


@dataclass(frozen=True, slots=True)
class PlayerState:
    """Immutable; arrays are kept as bytes, the latest event last."""

    window: int = -1
    """The last window that was taken in."""
    last_at: float = 0.0
    run_started: float = 0.0
    """When the stretch without a break of 15 minutes began that the last event belongs to."""
    run_events: int = 0
    hours: int = 0
    """A bit per window with a completion, the lowest for `window`, 48 in all."""
    calls: float = 0.0
    telling: float = 0.0
    """Calls, and refusals among them that an honest client does not earn; both halved from time to time."""
    unjudged: int = 0
    """Events that were taken in since the rules last looked at the times."""
    spent: int = 0
    """A bit per rule, in the order of RULES, whose habit a reviewer has cleared: it counts no more."""
    since: int = 0
    """Events since a reviewer cleared the player, or ever: replays are not looked for further back."""
    marked: float = 0.0
    """The moment of the last clearing or group's evidence that was taken in; see `stored.Mark`."""
    claims: bytes = b""
    gaps: bytes = b""
    """Seconds as `packed`; 0 where unknown."""
    slacks: bytes = b""
    """Server's time less claim in hundredths of a second; UNKNOWN_SLACK without an issue time."""
    kinds: bytes = b""
    """Each event's action, as a place in `actions`."""
    actions: tuple[int, ...] = ()
    levels: bytes = bytes(2 * (MOST_ACTIONS + 1))
    """For each action the fastest level ever, in seconds as `packed`; see `velocity`."""
    totals: tuple[float, ...] = (0.0,) * len(FAMILIES)
    """R of each family."""
    best: tuple[float, ...] = field(default=(1.0,) * len(RULES))
    """The largest e-value that each rule has come to."""

    def to_bytes(self) -> bytes:
        """For storage: at most 4,096 bytes, the same for the same state."""
        head = _HEADER.pack(
            VERSION, DIGEST, len(self.actions), len(self.kinds), self.unjudged, self.window, self.last_at,
            self.run_started, self.run_events, self.hours, self.calls, self.telling, self.spent, self.since,
            self.marked,
        )  # fmt: skip
        return b"".join(
            (
                head,
                struct.pack("<H", len(self.best)),
                struct.pack(f"<{len(self.actions)}I", *self.actions),
                struct.pack(f"<{len(self.totals) + len(self.best)}d", *self.totals, *self.best),
                self.levels, self.kinds, self.claims, self.gaps, self.slacks,
            )
        )  # fmt: skip

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """The state again. Raises StateError for bytes of another version, table or length: replay the player then."""
        try:
            return cls(**_fields(data))
        except struct.error as error:
            raise StateError(f"not a state: {error}") from error


def _fields(data: bytes) -> dict[str, Any]:
    version, digest, actions, events, *head = _HEADER.unpack_from(data)
    if (version, digest) != (VERSION, DIGEST):
        raise StateError(f"state of version {version} and thresholds {digest:x}, this is {VERSION} and {DIGEST:x}")
    (rules,) = struct.unpack_from("<H", data, _HEADER.size)
    place = _HEADER.size + 2
    known = struct.unpack_from(f"<{actions}I", data, place)
    numbers = struct.unpack_from(f"<{len(FAMILIES) + rules}d", data, place + 4 * actions)
    place += 4 * actions + 8 * (len(FAMILIES) + rules)
    fields: dict[str, Any] = dict(zip(_IN_HEADER, head, strict=True))
    sizes = {"levels": 2 * (MOST_ACTIONS + 1), "kinds": events}
    sizes |= dict.fromkeys(("claims", "gaps", "slacks"), 2 * events)
    for name, size in sizes.items():
        fields[name] = data[place : place + size]
        place += size
    if place != len(data):
        raise StateError(f"{len(data)} bytes, expected {place}")
    best = numbers[len(FAMILIES) :] + (1.0,) * (len(RULES) - rules)
    return {**fields, "actions": known, "totals": numbers[: len(FAMILIES)], "best": best}


def packed(seconds: npt.NDArray[np.float64]) -> npt.NDArray[np.uint16]:
    """Seconds in two bytes, right to 0.02 %, from a millisecond to three weeks; 0 for nan."""
    known = np.isfinite(seconds)
    logs = np.log(np.clip(np.where(known, seconds, 1.0), _LOW, _HIGH) / _LOW)
    return np.where(known, np.rint(logs / _STEP) + 1, 0).astype("<u2")


def unpacked(data: bytes) -> npt.NDArray[np.float64]:
    """The natural logarithms of what `packed` packed; nan for what was unknown."""
    codes = np.frombuffer(data, "<u2").astype(np.float64)
    return np.where(codes > 0, (codes - 1) * _STEP + np.log(_LOW), np.nan)


def action_code(action_type: str) -> int:
    """A number for an action's name that is the same in every process."""
    return zlib.crc32(action_type.encode("utf-8", "surrogatepass"))
