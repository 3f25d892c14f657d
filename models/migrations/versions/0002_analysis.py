"""analysis: severity, states of the detectors, refusals, where sessions come from"""

from __future__ import annotations

import re
from pathlib import Path

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

SQL = Path(__file__).parents[1] / "sql"
CHANGED = ("add_evidence", "complete_timed")
NEW = ("suspect", "points_lately")


def upgrade() -> None:
    _sessions_and_cases()
    _decisions()
    _states()
    _refusals()
    _execute((SQL / "0002_functions.sql").read_text(encoding="utf-8"))


def _sessions_and_cases() -> None:
    op.add_column("sessions", sa.Column("address", sa.Text(), server_default="", nullable=False))
    op.add_column("sessions", sa.Column("user_agent", sa.Text(), server_default="", nullable=False))
    op.add_column("review_cases", sa.Column("severity", sa.Text(), server_default="low", nullable=False))
    op.add_column("review_cases", sa.Column("held", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.add_column(
        "review_cases",
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
    )
    op.create_check_constraint(
        op.f("ck_review_cases_severity"), "review_cases", "severity IN ('low', 'medium', 'high')"
    )
    op.add_column("evidence", sa.Column("family", sa.Text(), server_default="G", nullable=False))
    op.add_column("evidence", sa.Column("severity", sa.Text(), server_default="low", nullable=False))
    op.create_check_constraint(op.f("ck_evidence_family"), "evidence", "family IN ('A', 'B', 'C', 'D', 'E', 'F', 'G')")
    op.create_check_constraint(op.f("ck_evidence_severity"), "evidence", "severity IN ('low', 'medium', 'high')")


def _decisions() -> None:
    op.add_column(
        "decisions",
        sa.Column("scope", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False),
    )
    op.add_column(
        "decisions",
        sa.Column("entries", postgresql.ARRAY(sa.BigInteger()), server_default=sa.text("'{}'"), nullable=False),
    )


def _states() -> None:
    op.create_table(
        "anticheat_states",
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("window_id", sa.BigInteger(), server_default=sa.text("-1"), nullable=False),
        sa.Column("state", sa.LargeBinary(), nullable=True),
        sa.Column("seq", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("analysed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("rung_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failures", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("parked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_anticheat_states_user_id")),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_anticheat_states")),
    )
    op.create_index(
        "ix_anticheat_states_due_at",
        "anticheat_states",
        ["due_at"],
        unique=False,
        postgresql_where=sa.text("due_at IS NOT NULL"),
    )


def _refusals() -> None:
    op.create_table(
        "refusals",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column(
            "recorded_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_refusals_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_refusals")),
    )
    op.create_index("ix_refusals_user_id", "refusals", ["user_id", "recorded_at"], unique=False)
    op.create_index("ix_refusals_recorded_at", "refusals", ["recorded_at"], unique=False)


def downgrade() -> None:
    for function in (*CHANGED, *NEW):
        op.execute(f"DROP FUNCTION {function}")
    op.drop_table("refusals")
    op.drop_table("anticheat_states")
    for table, columns in (
        ("decisions", ("scope", "entries")),
        ("evidence", ("family", "severity")),
        ("review_cases", ("severity", "held", "updated_at")),
        ("sessions", ("address", "user_agent")),
    ):
        for column in columns:
            op.drop_column(table, column)
    former = (SQL / "0001_functions.sql").read_text(encoding="utf-8")
    for function in CHANGED:
        found = re.search(rf"^CREATE FUNCTION {function}\(.*?^END \$\$;$", former, re.DOTALL | re.MULTILINE)
        _execute(found.group() if found else "")


def _execute(statements: str) -> None:
    """As they are: SQLAlchemy would read parameters in them."""
    op.get_bind().connection.cursor().execute(statements)
