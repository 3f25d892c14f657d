"""The answers, typed. Fields that a newer server adds are ignored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Self

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Account:
    """A registered account."""

    user_id: int
    username: str

    @classmethod
    def read(cls, body: Json) -> Self:
        """From the answer of register."""
        return cls(user_id=body["userId"], username=body["username"])


@dataclass(frozen=True, slots=True)
class Session:
    """A login. The tokens are left out of its text, so that it can be logged."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_in: int
    user_id: int
    username: str
    role: str

    @classmethod
    def read(cls, body: Json) -> Self:
        """From the answer of login."""
        return cls(
            access_token=body["accessToken"],
            refresh_token=body["refreshToken"],
            expires_in=body["expiresIn"],
            user_id=body["userId"],
            username=body["username"],
            role=body["role"],
        )

    def renewed(self, body: Json) -> Session:
        """The same login with the tokens of a refresh answer."""
        return Session(
            access_token=body["accessToken"],
            refresh_token=body["refreshToken"],
            expires_in=body["expiresIn"],
            user_id=self.user_id,
            username=self.username,
            role=self.role,
        )


@dataclass(frozen=True, slots=True)
class Profile:
    """The player behind the session; `rank` is None before the first point."""

    user_id: int
    username: str
    role: str
    status: str
    score: int
    rank: int | None

    @classmethod
    def read(cls, body: Json) -> Self:
        """From the answer of `/api/me`."""
        return cls(
            user_id=body["userId"],
            username=body["username"],
            role=body["role"],
            status=body["status"],
            score=body["score"],
            rank=body["rank"],
        )


@dataclass(frozen=True, slots=True)
class Action:
    """An entry of the catalogue. The bounds are None where the action is not timed."""

    action_type: str
    title: str
    kind: Literal["timed", "once"]
    points: int
    min_ms: int | None
    max_ms: int | None

    @classmethod
    def read(cls, body: Json) -> Self:
        """From one item of `/api/actions`."""
        return cls(
            action_type=body["actionType"],
            title=body["title"],
            kind=body["kind"],
            points=body["points"],
            min_ms=body.get("minMs"),
            max_ms=body.get("maxMs"),
        )


@dataclass(frozen=True, slots=True)
class Ticket:
    """Permission to play one timed action; valid until `expires_at`."""

    action_token: str = field(repr=False)
    expires_at: datetime

    @classmethod
    def read(cls, body: Json) -> Self:
        """From the answer of `/api/actions/request`."""
        return cls(action_token=body["actionToken"], expires_at=datetime.fromisoformat(body["expiresAt"]))


@dataclass(frozen=True, slots=True)
class Completion:
    """What a completed action was worth, and where it put the player."""

    new_score: int
    score_incr: int
    rank: int

    @classmethod
    def read(cls, body: Json) -> Self:
        """From the answer of either way to complete."""
        return cls(new_score=body["newScore"], score_incr=body["scoreIncr"], rank=body["rank"])


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of the board."""

    rank: int
    user_id: int
    username: str
    score: int

    @classmethod
    def read(cls, body: Json) -> Self:
        """From one row of the board."""
        return cls(rank=body["rank"], user_id=body["userId"], username=body["username"], score=body["score"])


@dataclass(frozen=True, slots=True)
class Board:
    """The board at one version; a higher version is newer."""

    leaderboard: tuple[Entry, ...]
    updated_at: datetime
    version: int

    @classmethod
    def read(cls, body: Json) -> Self:
        """From the answer of `/api/leaderboard` or the data of a frame."""
        return cls(
            leaderboard=tuple(Entry.read(row) for row in body["leaderboard"]),
            updated_at=datetime.fromisoformat(body["updatedAt"]),
            version=body["version"],
        )
