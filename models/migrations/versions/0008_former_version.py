"""former version: its completions go on while an upgrade is under way"""

from __future__ import annotations

from pathlib import Path

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

SQL = Path(__file__).parents[1] / "sql"


def upgrade() -> None:
    _execute((SQL / "0008_functions.sql").read_text(encoding="utf-8"))


def downgrade() -> None:
    op.execute(
        "DROP FUNCTION complete_timed(bytea, bigint, uuid, text, text, bigint, bigint, text, text, double precision)"
    )


def _execute(statements: str) -> None:
    """As they are: SQLAlchemy would read parameters in them."""
    op.get_bind().connection.cursor().execute(statements)
