"""Alembic's environment: one transaction under an advisory lock, so that two starting nodes do not migrate at once."""

from __future__ import annotations

from alembic import context
from sqlalchemy import create_engine, pool, text

from models.nodes import Nodes, engine_url
from models.tables import Base

LOCK = 0xFA12B0A2D


def run() -> None:
    """Migrate over a connection of our own, which ends with it."""
    url = context.config.get_main_option("sqlalchemy.url")
    assert url
    engine = create_engine(engine_url(url), creator=Nodes(url, {}).connect, poolclass=pool.NullPool)
    with engine.begin() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK})
        # Less than a request waits for PostgreSQL: whoever comes after us for the same table waits as long as we do.
        connection.execute(text("SET LOCAL lock_timeout = '1s'"))
        context.configure(connection=connection, target_metadata=Base.metadata, transactional_ddl=True)
        context.run_migrations()


run()
