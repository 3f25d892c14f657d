"""clocks: one that goes back makes nobody suspicious; indexes of sessions without those that came from nowhere"""

from __future__ import annotations

import re
from pathlib import Path

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

SQL = Path(__file__).parents[1] / "sql"
CHANGED = {"complete_timed": "0002_functions.sql", "reverse_entries": "0003_functions.sql"}
MARKS = ("address", "user_agent")


def upgrade() -> None:
    _execute((SQL / "0009_functions.sql").read_text(encoding="utf-8"))
    for mark in MARKS:
        _index_again(mark, sa.text(f"{mark} <> ''"))


def downgrade() -> None:
    for function, file in CHANGED.items():
        former = (SQL / file).read_text(encoding="utf-8")
        found = re.search(rf"^CREATE (FUNCTION {function}\(.*?^END \$\$;$)", former, re.DOTALL | re.MULTILINE)
        _execute(f"CREATE OR REPLACE {found.group(1)}" if found else "")
    for mark in MARKS:
        _index_again(mark, None)


def _index_again(mark: str, where: sa.TextClause | None) -> None:
    name = f"ix_sessions_{mark}"
    op.drop_index(name, "sessions")
    op.create_index(name, "sessions", [mark], postgresql_using="hash", postgresql_where=where)


def _execute(statements: str) -> None:
    """As they are: SQLAlchemy would read parameters in them."""
    op.get_bind().connection.cursor().execute(statements)
