"""The catalogue of actions: what players can do, what it is worth and which data it asks for.

Read from `catalogue.toml` beside this file and checked at start, so that a mistake stops the server and not a player.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

BOARD = "global"
"""The board that actions count for until the catalogue names more."""

MIN_COMPLETION_MS = 1_000
MAX_COMPLETION_MS = 300_000
COMPLETIONS_A_MINUTE = 10
"""What the limits let through."""
TABS = 2
"""Tokens of one action that an honest player may have open at once."""
FILE = Path(__file__).with_name("catalogue.toml")


class CatalogueError(Exception):
    """The catalogue is not usable; the message says where and why."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class ChoiceRule(_Strict):
    """One answer out of a list, of which one is right."""

    type: Literal["choice"]
    of: list[str] = Field(min_length=2)
    answer: str

    @model_validator(mode="after")
    def answer_is_listed(self) -> Self:
        """An answer that nobody can give would be a trap."""
        if self.answer not in self.of:
            raise ValueError("the answer is not one of the choices")
        return self

    def refuses(self, value: object) -> str | None:
        """What is wrong with the value, or None."""
        if not isinstance(value, str) or value not in self.of:
            return f"must be one of: {', '.join(self.of)}"
        return None if value == self.answer else "is not the right answer"


class IntegerRule(_Strict):
    """A whole number within bounds, both included."""

    type: Literal["integer"]
    min: int
    max: int

    @model_validator(mode="after")
    def bounds_in_order(self) -> Self:
        """Bounds that no number lies between would be a trap."""
        if self.min > self.max:
            raise ValueError("min must not be greater than max")
        return self

    def refuses(self, value: object) -> str | None:
        """What is wrong with the value, or None. `true` is no number, although Python counts it as 1."""
        if isinstance(value, int) and not isinstance(value, bool) and self.min <= value <= self.max:
            return None
        return f"must be a whole number from {self.min} to {self.max}"


class TextRule(_Strict):
    """A text that matches a pattern from its first character to its last."""

    type: Literal["text"]
    pattern: str
    max_length: int = Field(200, ge=1, le=1_000)

    @model_validator(mode="after")
    def pattern_compiles(self) -> Self:
        """A pattern that does not compile must stop the server, not the request."""
        try:
            re.compile(self.pattern)
        except re.error as error:
            raise ValueError(f"the pattern does not compile: {error}") from error
        return self

    def refuses(self, value: object) -> str | None:
        """What is wrong with the value, or None."""
        if isinstance(value, str) and len(value) <= self.max_length and re.fullmatch(self.pattern, value):
            return None
        return f"must match the pattern {self.pattern}"


Rule = Annotated[ChoiceRule | IntegerRule | TextRule, Field(discriminator="type")]


class _Action(_Strict):
    action_type: str = Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")
    title: str = Field(min_length=1, max_length=80)
    points: int = Field(ge=1, le=1_000_000)
    board: str = BOARD


class TimedAction(_Action):
    """A repeatable action whose time the server bounds."""

    kind: Literal["timed"]
    min_ms: int = Field(ge=MIN_COMPLETION_MS)
    max_ms: int = Field(le=MAX_COMPLETION_MS)

    @model_validator(mode="after")
    def bounds_in_order(self) -> Self:
        """The least time must lie under the longest."""
        if self.min_ms >= self.max_ms:
            raise ValueError("min_ms must be less than max_ms")
        return self


class OnceAction(_Action):
    """An action that a player completes once for ever."""

    kind: Literal["once"]
    data: dict[str, Rule] = Field(min_length=1)

    def refusals(self, data: dict[str, object]) -> dict[str, str]:
        """What is wrong with each field of the data; empty when all of it is right."""
        wrong = {name: "is not a field of this action" for name in data if name not in self.data}
        for name, rule in self.data.items():
            reason = rule.refuses(data[name]) if name in data else "is missing"
            if reason:
                wrong[name] = reason
        return wrong


Action = Annotated[TimedAction | OnceAction, Field(discriminator="kind")]


class Catalogue(_Strict):
    """All actions by their type."""

    action: dict[str, Action] = Field(min_length=1)


def parse_catalogue(text: str) -> dict[str, TimedAction | OnceAction]:
    """Read a catalogue from TOML. Raises CatalogueError that names the entry at fault."""
    try:
        raw = tomllib.loads(text)
        for name, entry in raw.get("action", {}).items():
            entry["action_type"] = name
        return Catalogue.model_validate(raw).action
    except (tomllib.TOMLDecodeError, ValidationError, TypeError, AttributeError) as error:
        raise CatalogueError(f"the catalogue of actions is not usable: {error}") from error


def points_ceiling(actions: Iterable[TimedAction | OnceAction]) -> int:
    """What timed actions can pay at most within a minute: the best that fit into it and that the limits let through."""
    worth = [
        action.points
        for action in actions
        if isinstance(action, TimedAction)
        for _ in range(min(TABS * (60_000 // action.min_ms + 1), COMPLETIONS_A_MINUTE))
    ]
    return sum(sorted(worth, reverse=True)[:COMPLETIONS_A_MINUTE])


@lru_cache(maxsize=1)
def get_catalogue() -> dict[str, TimedAction | OnceAction]:
    """The catalogue of this process."""
    return parse_catalogue(FILE.read_text(encoding="utf-8"))
