"""What a command says when it cannot do its work, and the person at the terminal can mend it."""

from __future__ import annotations

import click


class Failure(click.ClickException):
    """A sentence instead of a stack trace. Exit code 2, because 1 is an answer of `verify`, `analyse` and `doctor`."""

    exit_code = 2
