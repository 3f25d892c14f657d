"""limits: the ledger refuses what Redis has forgotten to refuse"""

from __future__ import annotations

import re
from pathlib import Path

from alembic import op

revision = "0007"
down_revision = "0004"
branch_labels = None
depends_on = None

SQL = Path(__file__).parents[1] / "sql"


def upgrade() -> None:
    _execute((SQL / "0007_functions.sql").read_text(encoding="utf-8"))


def downgrade() -> None:
    former = (SQL / "0001_functions.sql").read_text(encoding="utf-8")
    found = re.search(r"^CREATE FUNCTION lock_player\(.*?^END \$\$;$", former, re.DOTALL | re.MULTILINE)
    _execute(f"DROP FUNCTION lock_player; {found.group() if found else ''} DROP FUNCTION is_over_limit")


def _execute(statements: str) -> None:
    """As they are: SQLAlchemy would read parameters in them."""
    op.get_bind().connection.cursor().execute(statements)
