"""`fairboard`: the command line. Each command explains itself with --help."""

from __future__ import annotations

import sys
import traceback
from importlib import import_module

import click

from config.catalogue import CatalogueError
from config.settings import SettingsError

COMMANDS = {
    "up": "cli.up:up",
    "migrate": "cli.migrate:migrate",
    "create-user": "cli.accounts:create_user",
    "set-password": "cli.accounts:set_password",
    "set-role": "cli.accounts:set_role",
    "doctor": "cli.doctor:doctor",
    "verify": "cli.board:verify",
    "rebuild": "cli.board:rebuild",
    "void": "cli.void:void",
    "analyse": "cli.analyse:analyse",
    "simulate": "cli.simulate:simulate",
}


class LazyGroup(click.Group):
    """Imports a command when it is asked for: together they take more than a second."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 -- click's signature
        """In the order of a first reading."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 -- click's
        """The command, or None if there is none of that name."""
        module, _, name = COMMANDS.get(cmd_name, "").partition(":")
        return getattr(import_module(module), name) if module else None


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="fairboard")
def cli() -> None:
    """A self-hosted live leaderboard that is hard to climb by cheating.

    Settings come from the environment (FAIRBOARD_...); without them every command finds the servers of a running
    `fairboard up` through its data folder.
    """


def main() -> None:
    """Run a command; what the user can mend is said in a sentence, without a stack trace. Exit code 2 for those."""
    try:
        cli()
    except (SettingsError, CatalogueError) as error:
        sys.exit(_fail(f"The settings are not usable.\n{error}"))
    except Exception as error:  # noqa: BLE001 -- told as what it is, and no answer of the command's: those are 0 and 1
        told = _explain(error)
        if told is None:
            traceback.print_exc()
        sys.exit(2 if told is None else _fail(told))


def _explain(error: Exception) -> str | None:
    """What to tell about an error that the user can mend."""
    from sqlalchemy.exc import ProgrammingError  # noqa: PLC0415

    from models.database import DatabaseUnavailableError  # noqa: PLC0415 -- see LazyGroup
    from services.errors import FairboardError  # noqa: PLC0415
    from services.redis_client import RedisUnavailableError  # noqa: PLC0415

    if isinstance(error, DatabaseUnavailableError):
        return f"PostgreSQL does not answer (FAIRBOARD_DATABASE_URL): {error.__cause__ or error}"
    if isinstance(error, RedisUnavailableError):
        return f"Redis does not answer (FAIRBOARD_REDIS_URL): {error}"
    if isinstance(error, FairboardError):
        return error.detail + "".join(f"\n{field}: {reason}" for field, reason in (error.errors or {}).items())
    if isinstance(error, ProgrammingError):
        return f"PostgreSQL refuses: {error.orig}\nIs the schema there? `fairboard migrate` makes it, as its owner."
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}"
    return None


def _fail(message: str) -> int:
    click.echo(click.style("error: ", fg="red") + message.strip(), err=True)
    return 2


if __name__ == "__main__":
    main()
