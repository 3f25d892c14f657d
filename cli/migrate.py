"""`fairboard migrate`: bring the schema up to date."""

from __future__ import annotations

import click
import psycopg2
from psycopg2.errors import LockNotAvailable
from sqlalchemy.exc import OperationalError

from cli.failure import Failure
from config.settings import Settings, get_settings
from models.migrate import ATTEMPTS, upgrade
from models.provision import provision


@click.command()
@click.option("--create", is_flag=True, help="First make the database and the login, if they are missing.")
def migrate(*, create: bool) -> None:
    """Bring the database's schema up to date. Harmless when it is already, or when two nodes do it at once."""
    settings = get_settings()
    try:
        if create:
            provision(settings.owner_url, settings.database_url)
        current = upgrade(settings.owner_url)
    except (OperationalError, psycopg2.OperationalError) as error:
        raise Failure(_explain(getattr(error, "orig", error), settings)) from error
    click.echo(
        "The schema is up to date."
        if current
        else "The schema is of a newer version than this Fairboard, which goes on with it; it is left as it is."
    )


def _explain(error: BaseException, settings: Settings) -> str:
    if isinstance(error, LockNotAvailable):
        return (
            f"A table was in use at each of {ATTEMPTS} attempts, and the schema is as it was. Somebody reads or writes "
            "it for long: look at pg_stat_activity, or come back later."
        )
    variable = "MIGRATION_DATABASE_URL" if settings.migration_database_url else "DATABASE_URL"
    return f"PostgreSQL does not let the owner of the schema in (FAIRBOARD_{variable}): {error}"
