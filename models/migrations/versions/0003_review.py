"""review: reversals many at a time, holds that no decision about another case lifts"""

from __future__ import annotations

import re
from pathlib import Path

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

SQL = Path(__file__).parents[1] / "sql"
CHANGED = {"append_entry": "0001_functions.sql", "add_evidence": "0002_functions.sql"}
NEW = ("reverse_entries", "is_held", "is_hidden")


def upgrade() -> None:
    op.create_index("ix_sessions_address", "sessions", ["address"], postgresql_using="hash")
    op.create_index("ix_sessions_user_agent", "sessions", ["user_agent"], postgresql_using="hash")
    _execute((SQL / "0003_functions.sql").read_text(encoding="utf-8"))


def downgrade() -> None:
    for function, file in CHANGED.items():
        former = (SQL / file).read_text(encoding="utf-8")
        found = re.search(rf"^CREATE FUNCTION {function}\(.*?^END \$\$;$", former, re.DOTALL | re.MULTILINE)
        _execute(f"DROP FUNCTION {function}; {found.group() if found else ''}")
    for name in NEW:
        op.execute(f"DROP FUNCTION {name}")
    op.drop_index("ix_sessions_user_agent", "sessions")
    op.drop_index("ix_sessions_address", "sessions")


def _execute(statements: str) -> None:
    """As they are: SQLAlchemy would read parameters in them."""
    op.get_bind().connection.cursor().execute(statements)
