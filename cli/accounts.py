"""`fairboard create-user`, `set-password` and `set-role`: accounts, by whoever runs the server."""

from __future__ import annotations

import sys

import click

from config.settings import get_settings
from services import account_care
from services.accounts import ROLES, create_user as create
from services.errors import InvalidRequest, UsernameTaken
from services.passwords import refusal
from services.resources import for_background

ROLE_HELP = "A player plays; an analyst also reviews; an admin also decides about analysts and admins."
_password_stdin = click.option(
    "--password-stdin",
    is_flag=True,
    help="Take the first line of standard input for the password, and do not ask. So it is without a terminal.",
)


@click.command("create-user")
@click.argument("name")
@click.option("--role", type=click.Choice(ROLES), default="player", show_default=True, help=ROLE_HELP)
@_password_stdin
@click.option("--if-missing", is_flag=True, help="Do nothing if the name is taken.")
def create_user(name: str, role: str, *, password_stdin: bool, if_missing: bool) -> None:
    """Create an account called NAME."""
    settings = get_settings()
    password = read_password(password_stdin)
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


@click.command("set-password")
@click.argument("name")
@_password_stdin
def set_password(name: str, *, password_stdin: bool) -> None:
    """Give the account called NAME another password, for somebody who forgot theirs. All its sessions end."""
    password = read_password(password_stdin)
    account_care.set_password(for_background(get_settings()), username=name, password=password)
    click.echo(f"{name} has a new password and is logged out everywhere.")


@click.command("set-role")
@click.argument("name")
@click.argument("role", type=click.Choice(ROLES))
def set_role(name: str, role: str) -> None:
    """Give the account called NAME another ROLE. All its sessions end, so that it counts at once."""
    account_care.set_role(for_background(get_settings()), username=name, role=role)
    click.echo(f"{name} is {role} now and is logged out everywhere.")


def read_password(from_stdin: bool) -> str:
    """The first line of standard input, which goes without saying where that is no terminal; or what is typed twice."""
    if from_stdin or not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    return str(click.prompt("Password", hide_input=True, confirmation_prompt=True))
