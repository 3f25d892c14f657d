"""cluster: a mark by which a standby shows that it has caught up"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("boards", sa.Column("rebuild_mark", sa.Text(), server_default="", nullable=False))


def downgrade() -> None:
    op.drop_column("boards", "rebuild_mark")
