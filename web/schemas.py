"""Bodies and answers. They check requests, and the OpenAPI document is generated from them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

MAX_DEPTH = 16
# What PostgreSQL has under constraints is not checked again on its way out, only told.
Role = Annotated[str, Field(json_schema_extra={"enum": ["player", "analyst", "admin"]})]
Status = Annotated[str, Field(json_schema_extra={"enum": ["active", "flagged", "suspended"]})]


def _shallow(value: dict[str, Any]) -> dict[str, Any]:
    """Deeply nested data are of no use to any action, and of some to an attacker."""
    level: list[Any] = [value]
    for _ in range(MAX_DEPTH):
        level = [
            child
            for item in level
            if isinstance(item, dict | list)
            for child in (item.values() if isinstance(item, dict) else item)
        ]
        if not level:
            return value
    raise ValueError(f"must not be nested deeper than {MAX_DEPTH} levels")


Data = Annotated[dict[str, Any], AfterValidator(_shallow)]


class Body(BaseModel):
    """What a client sends: exact types, no unknown fields."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Answer(BaseModel):
    """What the server sends."""

    model_config = ConfigDict(extra="forbid")


class CredentialsBody(Body):
    """Register and log in."""

    username: str = Field(min_length=1, max_length=128, examples=["ada"])
    password: str = Field(min_length=1, max_length=1024, examples=["correct horse battery staple"])


class PasswordBody(Body):
    """Change the password."""

    currentPassword: str = Field(min_length=1, max_length=1024)
    newPassword: str = Field(min_length=1, max_length=1024, examples=["correct horse battery staple"])


# What has a code of its own for whatever is not known, a token or the name of an action, has no length of its own here:
# the body's limit is the only one. So has the claim, of which any number that is too large is suspicious.


class RequestActionBody(Body):
    """Ask for an action token."""

    actionType: str = Field(examples=["reaction"])


class Proof(Body):
    """What the player took, bound to the token by a checksum."""

    completionTime: int = Field(description="Whole milliseconds that the player took.")
    checksum: str = Field(
        description="Lower-case hex of HMAC-SHA256(key = the action token, message = completionTime + '.' + canonical "
        "JSON of data).",
    )


class CompleteTimedBody(Body):
    """Complete a timed action."""

    actionToken: str
    proof: Proof
    data: Data = {}


class CompleteOnceBody(Body):
    """Complete a `once` action."""

    actionId: str = Field(examples=["quiz"])
    data: Data = Field(examples=[{"answer": "redis"}])


class RegisterAnswer(Answer):
    """A new account."""

    userId: int
    username: str


class RefreshAnswer(Answer):
    """A new pair of tokens."""

    accessToken: str
    refreshToken: str
    expiresIn: int = Field(description="Seconds until the access token expires.")


class LoginAnswer(RefreshAnswer):
    """A new session."""

    userId: int
    username: str
    role: Role


class MeAnswer(Answer):
    """The player's own view."""

    userId: int
    username: str
    role: Role
    status: Status
    score: int
    rank: int | None


class ActionItem(Answer):
    """One action of the catalogue. The bounds are null for `once` actions."""

    actionType: str
    title: str
    kind: Literal["timed", "once"]
    points: int
    minMs: int | None
    maxMs: int | None


class ActionsAnswer(Answer):
    """The catalogue."""

    actions: list[ActionItem]


class ActionTokenAnswer(Answer):
    """A token for one action."""

    actionToken: str
    expiresAt: datetime


class CompletionAnswer(Answer):
    """What a completion earned."""

    newScore: int
    scoreIncr: int
    rank: int


class LeaderboardItem(Answer):
    """One row of the board."""

    rank: int
    userId: int
    username: str
    score: int


class LeaderboardAnswer(Answer):
    """The board."""

    leaderboard: list[LeaderboardItem]
    updatedAt: datetime
    version: int


class HealthAnswer(Answer):
    """Whether the process is alive."""

    status: Literal["ok", "leaving"]


class ReadyAnswer(Answer):
    """Whether the process can serve."""

    status: Literal["ready", "unavailable"]
    postgresql: bool
    redis: bool


class Problem(BaseModel):
    """What went wrong, by RFC 9457. Clients switch on `code`."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    errors: dict[str, str] | None = Field(default=None, description="What is wrong, by field.")
