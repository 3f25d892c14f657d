"""twice: a token that is issued twice, and completions of the former version while an upgrade is under way"""

from __future__ import annotations

import re
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
    former = (SQL / "0001_functions.sql").read_text(encoding="utf-8")
    found = re.search(r"^CREATE FUNCTION issue_action_token\(.*?^\$\$;$", former, re.DOTALL | re.MULTILINE)
    _execute(f"DROP FUNCTION issue_action_token; {found.group() if found else ''}")


def _execute(statements: str) -> None:
    """As they are: SQLAlchemy would read parameters in them."""
    op.get_bind().connection.cursor().execute(statements)
