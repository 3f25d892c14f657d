"""An empty server made ready for migrations: the database, the application's role, and a login that is its member."""

from __future__ import annotations

from contextlib import closing
from typing import Any

from psycopg2 import sql
from sqlalchemy import URL, make_url

from models.nodes import Nodes, split_hosts

APPLICATION_ROLE = "fairboard_app"


def provision(owner_url: str, application_url: str) -> None:
    """Make what is missing, as a superuser on whichever node is the primary. Raises OperationalError."""
    owner, application = (make_url(split_hosts(url)[0]) for url in (owner_url, application_url))
    with closing(Nodes(owner_url, {"connect_timeout": 5}, database="postgres").connect()) as connection:
        connection.autocommit = True
        make_database(connection, str(owner.database), application)


def make_database(connection: Any, database: str, application: URL) -> None:
    """The same on an open connection in autocommit."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT datname FROM pg_database")
        if (database,) not in cursor.fetchall():
            cursor.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database)))
        cursor.execute("SELECT rolname FROM pg_roles")
        roles = {name for (name,) in cursor.fetchall()}
        if APPLICATION_ROLE not in roles:
            cursor.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(sql.Identifier(APPLICATION_ROLE)))
        if application.username not in roles:
            command = sql.SQL("CREATE ROLE {} LOGIN PASSWORD {} IN ROLE {}")
            login, password = sql.Identifier(str(application.username)), sql.Literal(str(application.password))
            cursor.execute(command.format(login, password, sql.Identifier(APPLICATION_ROLE)))
