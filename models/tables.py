"""The tables. PostgreSQL is the truth; everything in Redis can be rebuilt from here.

The score functions that write to `ledger_entries`, `standings` and `outbox` live in `migrations/sql/`.
"""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    LargeBinary,
    MetaData,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

NAMING = {
    "pk": "pk_%(table_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "ix": "ix_%(table_name)s_%(column_0_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
}


class Base(DeclarativeBase):
    """Constraint names follow one convention, because errors are told apart by them."""

    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        str: Text,
        bytes: LargeBinary,
        int: BigInteger,
        datetime: DateTime(timezone=True),
        dict[str, Any]: JSONB,
        list[int]: ARRAY(BigInteger),
    }


class User(Base):
    """An account. `username_key` is the username as it is compared: NFKC, without case."""

    __tablename__ = "users"
    __table_args__ = (
        CheckConstraint("role IN ('player', 'analyst', 'admin')", name="role"),
        CheckConstraint("status IN ('active', 'flagged', 'suspended')", name="status"),
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    username: Mapped[str]
    username_key: Mapped[str] = mapped_column(unique=True)
    password_hash: Mapped[str]
    role: Mapped[str] = mapped_column(server_default="player")
    status: Mapped[str] = mapped_column(server_default="active")
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Session(Base):
    """A login. Its access and refresh tokens name it, and are dead once it is revoked."""

    __tablename__ = "sessions"
    __table_args__ = (
        Index("ix_sessions_user_id", "user_id"),
        Index("ix_sessions_expires_at", "expires_at"),
        Index("ix_sessions_revoked_at", "revoked_at", postgresql_where=text("revoked_at IS NOT NULL")),
        # Without those that came from nowhere, which are of no use and make a hash index slow: all lie in one bucket.
        Index("ix_sessions_address", "address", postgresql_using="hash", postgresql_where=text("address <> ''")),
        Index(
            "ix_sessions_user_agent", "user_agent", postgresql_using="hash", postgresql_where=text("user_agent <> ''")
        ),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    refresh_id: Mapped[uuid.UUID]
    """The one refresh token that is not spent."""
    rotated_at: Mapped[datetime] = mapped_column(server_default=func.now())
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    address: Mapped[str] = mapped_column(server_default="")
    """Where it was last renewed from, as a keyed hash: enough to see that accounts share one."""
    user_agent: Mapped[str] = mapped_column(server_default="")


class ActionToken(Base):
    """An action token by its SHA-256; the token itself is never kept."""

    __tablename__ = "action_tokens"
    __table_args__ = (Index("ix_action_tokens_expires_at", "expires_at"),)

    hash: Mapped[bytes] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    action_type: Mapped[str]
    issued_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class LedgerHead(Base):
    """The end of a player's hash chain. Its row lock puts one player's completions in a line."""

    __tablename__ = "ledger_heads"

    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), primary_key=True)
    seq: Mapped[int] = mapped_column(server_default=text("0"))
    hash: Mapped[bytes] = mapped_column(server_default=text(r"'\x" + "00" * 32 + "'::bytea"))


class LedgerEntry(Base):
    """A change of a player's score: written once, never changed. A score is the sum of its entries."""

    __tablename__ = "ledger_entries"
    __table_args__ = (
        UniqueConstraint("user_id", "seq"),
        Index(
            "uq_ledger_entries_once",
            "user_id",
            "action_type",
            unique=True,
            postgresql_where=text("kind = 'once'"),
        ),
        CheckConstraint("kind IN ('timed', 'once', 'reversal')", name="kind"),
        CheckConstraint("(kind = 'reversal') = (reverses IS NOT NULL)", name="reverses"),
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    seq: Mapped[int]
    board: Mapped[str]
    action_type: Mapped[str]
    kind: Mapped[str]
    points: Mapped[int]
    token_hash: Mapped[bytes | None] = mapped_column(unique=True)
    reverses: Mapped[int | None] = mapped_column(ForeignKey("ledger_entries.id"), unique=True)
    claimed_ms: Mapped[int | None]
    elapsed_ms: Mapped[int | None]
    data: Mapped[dict[str, Any] | None]
    created_at: Mapped[datetime]
    previous_hash: Mapped[bytes]
    hash: Mapped[bytes]


class Standing(Base):
    """A player's place on a board: the fold of the ledger. `version` grows with every change of the row."""

    __tablename__ = "standings"
    __table_args__ = (
        Index(
            "ix_standings_rank",
            "board",
            text("score DESC"),
            "reached_at",
            "user_id",
            postgresql_where=text("score > 0 AND NOT hidden"),
        ),
        CheckConstraint("score BETWEEN 0 AND 9007199254740991", name="score"),
    )

    board: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), primary_key=True)
    score: Mapped[int]
    reached_at: Mapped[datetime]
    version: Mapped[int]
    hidden: Mapped[bool] = mapped_column(server_default=text("false"))


class Outbox(Base):
    """Standings that Redis may not have yet, written in the transaction that changed them."""

    __tablename__ = "outbox"

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    board: Mapped[str]
    user_id: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Board(Base):
    """What is known of a board's copy in Redis: which server process was last filled from here."""

    __tablename__ = "boards"

    name: Mapped[str] = mapped_column(primary_key=True)
    redis_run_id: Mapped[str] = mapped_column(server_default="")
    rebuild_mark: Mapped[str] = mapped_column(server_default="")
    """Written when a rebuild begins: a standby that shows it has all that came before."""


class ReviewCase(Base):
    """What an analyst decides about. A player has at most one open case; new evidence joins it."""

    __tablename__ = "review_cases"
    __table_args__ = (
        Index("uq_review_cases_open", "user_id", unique=True, postgresql_where=text("status = 'open'")),
        Index("ix_review_cases_status", "status", "id"),
        CheckConstraint("status IN ('open', 'cleared', 'confirmed')", name="status"),
        CheckConstraint("severity IN ('low', 'medium', 'high')", name="severity"),
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    status: Mapped[str] = mapped_column(server_default="open")
    opened_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())
    severity: Mapped[str] = mapped_column(server_default="low")
    """The highest of its evidence."""
    held: Mapped[bool] = mapped_column(server_default=text("false"))
    """Whether it keeps the player off the boards until somebody decides."""


class Evidence(Base):
    """One reason to doubt a player: a refused completion, or a finding of the analysis."""

    __tablename__ = "evidence"
    __table_args__ = (
        Index("ix_evidence_case_id", "case_id", "id"),
        UniqueConstraint("user_id", "fingerprint"),
        CheckConstraint("family IN ('A', 'B', 'C', 'D', 'E', 'F', 'G')", name="family"),
        CheckConstraint("severity IN ('low', 'medium', 'high')", name="severity"),
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    case_id: Mapped[int] = mapped_column(ForeignKey("review_cases.id"))
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    rule: Mapped[str]
    reason: Mapped[str]
    value: Mapped[float | None]
    threshold: Mapped[float | None]
    entries: Mapped[list[int]] = mapped_column(server_default=text("'{}'"))
    details: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    fingerprint: Mapped[str]
    """The same finding has the same fingerprint, so that a task that runs twice adds it once."""
    family: Mapped[str] = mapped_column(server_default="G")
    """A letter of `services.anticheat.evidence.FAMILIES`."""
    severity: Mapped[str] = mapped_column(server_default="low")
    """What all that is known of the player came to with it."""
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class Decision(Base):
    """Who decided what about a case, and why: the audit of the review. Never changed."""

    __tablename__ = "decisions"
    __table_args__ = (Index("ix_decisions_case_id", "case_id", "id"),)

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    case_id: Mapped[int] = mapped_column(ForeignKey("review_cases.id"))
    decided_by: Mapped[int] = mapped_column(ForeignKey("users.id"))
    decision: Mapped[str]
    note: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    scope: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    """What was to be reversed, as `{"reverse": ...}`; empty if nothing, or before there were scopes: the evidence."""
    entries: Mapped[list[int]] = mapped_column(server_default=text("'{}'"))
    """The player's completions within that, reversed already or not."""


class AnticheatState(Base):
    """What the detectors keep of a player, and when they are to look again. All of it can be computed anew."""

    __tablename__ = "anticheat_states"
    __table_args__ = (Index("ix_anticheat_states_due_at", "due_at", postgresql_where=text("due_at IS NOT NULL")),)

    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), primary_key=True)
    window_id: Mapped[int] = mapped_column(server_default=text("-1"))
    """The last window that the state has taken in."""
    state: Mapped[bytes | None]
    seq: Mapped[int] = mapped_column(server_default=text("0"))
    """The last ledger entry of that window, as its place in the player's chain."""
    analysed_at: Mapped[datetime | None]
    due_at: Mapped[datetime | None]
    """From when on the player is to be looked at; NULL if there is nothing new."""
    rung_at: Mapped[datetime | None]
    """When a task was last asked for."""
    failures: Mapped[int] = mapped_column(server_default=text("0"))
    last_error: Mapped[str | None]
    parked_at: Mapped[datetime | None]
    """Since when nobody tries any more."""


class Refusal(Base):
    """A refused call of a player, for the analysis. Kept for a while only."""

    __tablename__ = "refusals"
    __table_args__ = (
        Index("ix_refusals_user_id", "user_id", "recorded_at"),
        Index("ix_refusals_recorded_at", "recorded_at"),
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    at: Mapped[datetime]
    code: Mapped[str]
    recorded_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    """When it came here, which decides the window that it belongs to."""
