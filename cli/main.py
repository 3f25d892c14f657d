"""`fairboard`: the command line. Each command explains itself with --help."""

from __future__ import annotations

import sys

import click

from cli.accounts import create_user
from cli.analyse import analyse
from cli.board import rebuild, verify
from cli.migrate import migrate
from cli.simulate import simulate
from cli.up import up
from config.catalogue import CatalogueError
from config.settings import SettingsError
from models.database import DatabaseUnavailableError
from services.errors import FairboardError
from services.redis_client import RedisUnavailableError


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="fairboard")
def cli() -> None:
    """A live leaderboard that cheats cannot climb.

    Settings come from the environment (FAIRBOARD_...); without them every command finds the servers of a running
    `fairboard up` through its data folder.
    """


for command in (up, migrate, create_user, verify, rebuild, analyse, simulate):
    cli.add_command(command)


def main() -> None:
    """Run a command; what the user can mend is said in a sentence, without a stack trace. Exit code 2 for those."""
    try:
        cli()
    except SettingsError as error:
        sys.exit(_fail(f"The settings are not usable.\n{error}"))
    except CatalogueError as error:
        sys.exit(_fail(str(error)))
    except DatabaseUnavailableError as error:
        sys.exit(_fail(f"PostgreSQL does not answer (FAIRBOARD_DATABASE_URL): {error.__cause__ or error}"))
    except RedisUnavailableError as error:
        sys.exit(_fail(f"Redis does not answer (FAIRBOARD_REDIS_URL): {error}"))
    except FairboardError as error:
        details = "".join(f"\n{field}: {reason}" for field, reason in (error.errors or {}).items())
        sys.exit(_fail(f"{error.detail}{details}"))


def _fail(message: str) -> int:
    click.echo(click.style("error: ", fg="red") + message.strip(), err=True)
    return 2


if __name__ == "__main__":
    main()
