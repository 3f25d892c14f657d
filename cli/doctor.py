"""`fairboard doctor`: is everything there, does it fit together, and what to do about what does not."""

from __future__ import annotations

import difflib
import json
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import asdict

import click
from celery import Celery
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError
from rich.console import Console
from rich.table import Table

from cli.parts import QUEUES
from config.catalogue import get_catalogue
from config.settings import PREFIX, Settings, SettingsError, get_settings, runtime_file
from services.checkup import ANSWER_SECONDS, Finding, Level, look
from services.resources import Resources

MARKS = {"ok": ("✓", "green"), "warn": ("!", "yellow"), "fail": ("✗", "bold red")}
EXITS: dict[Level, int] = {"ok": 0, "warn": 1, "fail": 2}
WEAK = re.compile(r"secret|password|change.?me|example|default|fairboard|12345|qwert", re.IGNORECASE)
LEAST_LETTERS = 10
"""Different characters in a secret: fewer were typed, not drawn."""


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of a table.")
def doctor(*, as_json: bool) -> None:
    """Check settings, servers, versions, clocks, migrations, queues and the board, and say what to do.

    Exit code 0 if all is well, 1 if something deserves a look, 2 if something is broken.
    """
    findings = list(examine())
    worst = max((finding.level for finding in findings), key=EXITS.__getitem__)
    if as_json:
        click.echo(json.dumps({"level": worst, "checks": [asdict(finding) for finding in findings]}, indent=2))
    else:
        show(findings)
    sys.exit(EXITS[worst])


def examine() -> Iterator[Finding]:
    """All checks. Without usable settings there is nothing else to ask."""
    try:
        settings = get_settings()
    except SettingsError as error:
        yield Finding("settings", "fail", str(error).replace("\n", "; "), "See the table in docs/operations.md.")
        return
    yield check_names()
    yield check_secrets(settings)
    resources = Resources(settings, get_catalogue(), ANSWER_SECONDS, ANSWER_SECONDS, background=True)
    for finding in look(resources):
        yield finding
        if finding.check == "broker":
            yield check_queues(known=finding.level != "fail")


def check_names() -> Finding:
    """Variables that nothing reads: misspelt, or of another version."""
    known = [PREFIX + name.upper() for name in Settings.model_fields]
    given = (name for name in os.environ if name.startswith(PREFIX))
    strangers = sorted(name for name in given if name.removesuffix("_FILE") not in known)
    if not strangers:
        source = f"environment and {runtime_file()}" if runtime_file().exists() else "environment"
        return Finding("settings", "ok", f"all valid, from the {source}")
    guesses = [difflib.get_close_matches(name, known, 1) for name in strangers]
    said = ", ".join(
        name + (f" (meant: {near[0]}?)" if near else "") for name, near in zip(strangers, guesses, strict=True)
    )
    return Finding("settings", "warn", f"nothing reads {said}", "Correct or remove it; an upgrade may have renamed it.")


def check_secrets(settings: Settings) -> Finding:
    """Whether secrets look drawn rather than typed. Says which, never what."""
    secrets = {
        "FAIRBOARD_JWT_SECRET": settings.jwt_secret,
        "FAIRBOARD_TOKEN_KEYS": settings.token_keys,
        "FAIRBOARD_METRICS_TOKEN": (settings.metrics_token,),
    }
    weak = [name for name, values in secrets.items() if any(value and _is_weak(value) for value in values)]
    if weak:
        return Finding(
            "secrets", "fail", f"{', '.join(weak)} can be guessed", "Make new ones: docs/production.md, Key rotation."
        )
    if any("@" not in url for url in (settings.redis_url, settings.celery_url)):
        return Finding("secrets", "warn", "Redis asks for no password", "Set requirepass and put it into the URL.")
    keys = f"{len(settings.jwt_secret)} JWT, {len(settings.token_keys)} for action tokens"
    return Finding("secrets", "ok", f"strong: {keys}")


def _is_weak(secret: str) -> bool:
    return len(set(secret)) < LEAST_LETTERS or bool(WEAK.search(secret))


def check_queues(*, known: bool) -> Finding:
    """Whether somebody takes from each queue."""
    if not known:
        return Finding("queues", "warn", "not known, because the broker does not answer", "Mend the broker first.")
    try:
        found = (
            Celery("fairboard-doctor", config_source="celeryconfig").control.inspect(timeout=2).active_queues() or {}
        )
    except (OperationalError, RedisError, OSError) as error:
        return Finding("queues", "fail", f"the workers could not be asked: {error}", "Look at the broker.")
    workers = {name: sum(any(q["name"] == name for q in taken) for taken in found.values()) for name in QUEUES}
    empty = [name for name, count in workers.items() if not count]
    if empty:
        start = "; ".join(f"celery -A workers worker -Q {name} -n {name}@%h --concurrency 1" for name in empty)
        return Finding("queues", "fail", f"nobody takes from {', '.join(empty)}", f"Start: {start}")
    return Finding("queues", "ok", ", ".join(f"{name} {count}" for name, count in workers.items()) + " worker(s)")


def show(findings: list[Finding]) -> None:
    """A line for each, and below it what to do."""
    console = Console(highlight=False)
    table = Table(box=None, show_header=False, padding=(0, 1))
    table.add_column(width=1)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for finding in findings:
        mark, colour = MARKS[finding.level]
        table.add_row(f"[{colour}]{mark}[/]", finding.check, console.render_str(finding.said, markup=False))
        if finding.mend:
            table.add_row("", "", f"[{colour}]→[/] {finding.mend.replace('[', chr(92) + '[')}")
    console.print(table)
    counts = {level: sum(finding.level == level for finding in findings) for level in MARKS}
    console.print(f"\n {counts['ok']} well, {counts['warn']} to look at, {counts['fail']} broken", style="dim")
