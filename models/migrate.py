"""Migrations, run from Python so that `fairboard migrate` needs no configuration file."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config

MIGRATIONS = Path(__file__).with_name("migrations")


def alembic_config(url: str) -> Config:
    """Alembic's configuration for a database. The URL may carry a percent sign, which ConfigParser would read."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    return config


def upgrade(url: str, revision: str = "head") -> None:
    """Bring the schema to a revision. Harmless when it is there already or when two run at once."""
    command.upgrade(alembic_config(url), revision)


def check(url: str) -> None:
    """Raise alembic's CommandError if the tables in the code and in the database differ."""
    command.check(alembic_config(url))
