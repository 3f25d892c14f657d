"""Migrations, run from Python so that `fairboard migrate` needs no configuration file."""

from __future__ import annotations

import logging
import time
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script.revision import ResolutionError
from alembic.util.exc import CommandError
from psycopg2.errors import LockNotAvailable
from sqlalchemy.exc import OperationalError

log = logging.getLogger(__name__)

ATTEMPTS = 20
"""How often an upgrade is tried while somebody reads a table for long."""
PAUSE_SECONDS = 2.0
"""Between two attempts, for those who had to wait behind the first."""
MIGRATIONS = Path(__file__).with_name("migrations")


def alembic_config(url: str) -> Config:
    """Alembic's configuration for a database. The URL may carry a percent sign, which ConfigParser would read."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    return config


def upgrade(url: str, revision: str = "head") -> bool:
    """Bring the schema to a revision. Harmless when it is there already or when two run at once.

    An attempt changes all or nothing, and gives up after a second at a table that is in use. False if the schema is of
    a newer version, as after a rollback: it is left as it is, since migrations only add.
    """
    for left in reversed(range(ATTEMPTS)):
        try:
            command.upgrade(alembic_config(url), revision)
        except (OperationalError, LockNotAvailable) as error:
            if not left or not isinstance(getattr(error, "orig", error), LockNotAvailable):
                raise
            log.warning("A table is in use; the schema is left as it was and tried again in %.0f s.", PAUSE_SECONDS)
            time.sleep(PAUSE_SECONDS)
        except CommandError as error:
            if not isinstance(error.__cause__, ResolutionError):
                raise
            return False
        else:
            break
    return True


def check(url: str) -> None:
    """Raise alembic's CommandError if the tables in the code and in the database differ."""
    command.check(alembic_config(url))
