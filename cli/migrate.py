"""`fairboard migrate`: bring the schema up to date."""

from __future__ import annotations

import click
from sqlalchemy.exc import OperationalError

from config.settings import get_settings
from models.database import DatabaseUnavailableError
from models.migrate import upgrade


@click.command()
def migrate() -> None:
    """Bring the database's schema up to date. Harmless when it is already, or when two nodes do it at once."""
    try:
        upgrade(get_settings().owner_url)
    except OperationalError as error:
        raise DatabaseUnavailableError(str(error)) from error
    click.echo("The schema is up to date.")
