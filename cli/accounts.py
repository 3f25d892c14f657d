"""`fairboard create-user`: accounts of any role."""

from __future__ import annotations

import sys

import click

from config.settings import get_settings
from services.accounts import ROLES, create_user as create
from services.errors import InvalidRequest, UsernameTaken
from services.passwords import refusal
from services.resources import for_background


@click.command("create-user")
@click.argument("name")
@click.option("--role", type=click.Choice(ROLES), default="player", show_default=True)
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input instead of asking for it.")
@click.option("--if-missing", is_flag=True, help="Do nothing if the name is taken.")
def create_user(name: str, role: str, *, password_stdin: bool, if_missing: bool) -> None:
    """Create an account called NAME."""
    settings = get_settings()
    password = sys.stdin.readline().rstrip("\n") if password_stdin else click.prompt("Password", hide_input=True)
    if wrong := refusal(password, name, settings.password_min_length):
        raise InvalidRequest(f"The password {wrong}.")
    try:
        account = create(for_background(settings), username=name, password=password, role=role)
    except UsernameTaken:
        if not if_missing:
            raise
        click.echo(f"{name} exists already.")
    else:
        click.echo(f"Created {role} {account.username} (id {account.user_id}).")
