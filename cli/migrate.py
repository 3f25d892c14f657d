"""`fairboard migrate`: bring the schema up to date."""

from __future__ import annotations

import click
import psycopg2
from sqlalchemy.exc import OperationalError

from config.settings import get_settings
from models.database import DatabaseUnavailableError
from models.migrate import upgrade
from models.provision import provision


@click.command()
@click.option("--create", is_flag=True, help="First make the database and the login, if they are missing.")
def migrate(*, create: bool) -> None:
    """Bring the database's schema up to date. Harmless when it is already, or when two nodes do it at once."""
    settings = get_settings()
    try:
        if create:
            provision(settings.owner_url, settings.database_url)
        upgrade(settings.owner_url)
    except (OperationalError, psycopg2.OperationalError) as error:
        raise DatabaseUnavailableError(str(error)) from error
    click.echo("The schema is up to date.")
