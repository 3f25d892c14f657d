"""`fairboard analyse`: the detectors over events from a file."""

from __future__ import annotations

import csv
import gzip
import json
import sys
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import IO, Any

import click

from services.anticheat.patterns import PATTERNS, Event, Finding

REQUIRED = ("user_id", "action", "issued_at", "completed_at", "claimed_ms", "points", "outcome")


class BadRowError(Exception):
    """A row that cannot be used; the message says why."""


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--json", "out", type=click.Path(dir_okay=False, path_type=Path), help="Write there instead of to stdout."
)
def analyse(file: Path, out: Path | None) -> None:
    """Run the detectors over the events in FILE, a CSV, gzipped or not, rows in any order.

    One JSON line per player comes out. A bad row is reported and the rest goes on; the exit code is then 2.
    """
    events, bad = read_events(file)
    with out.open("w", encoding="utf-8") if out else sys.stdout as target:
        for user_id in sorted(events):
            target.write(json.dumps(verdict(user_id, sorted(events[user_id], key=_time)), ensure_ascii=False) + "\n")
    sys.exit(2 if bad else 0)


def read_events(file: Path) -> tuple[dict[str, list[Event]], int]:
    """The counted events by player, and the number of bad rows, each of which was reported on stderr."""
    events: dict[str, list[Event]] = defaultdict(list)
    bad = 0
    with _open(file) as stream:
        rows = csv.DictReader(stream)
        if missing := [name for name in REQUIRED if name not in (rows.fieldnames or ())]:
            raise click.ClickException(f"{file}: line 1: missing columns: {', '.join(missing)}")
        for number, row in enumerate(rows, start=1):
            try:
                events[_user(row)] += _events(row, number)
            except BadRowError as error:
                bad += 1
                click.echo(f"{file}: line {rows.line_num}: {error}", err=True)
    return events, bad


def verdict(user_id: str, events: list[Event]) -> dict[str, Any]:
    """What the detectors say of one player, and after how many of their events they first said it."""
    findings = [found for pattern in PATTERNS if (found := pattern(events))]
    first = next((n for n in range(1, len(events) + 1) if _any_finding(events[:n])), None) if findings else None
    return {
        "user_id": user_id,
        "flagged": bool(findings),
        "severity": "low" if findings else None,
        "first_flag_at": events[first - 1].submitted_at if first else None,
        "events_to_flag": first,
        "reasons": [_reason(finding) for finding in findings],
    }


def _any_finding(events: list[Event]) -> bool:
    return any(pattern(events) for pattern in PATTERNS)


def _reason(finding: Finding) -> dict[str, Any]:
    return {
        "rule": finding.rule,
        "value": finding.value,
        "threshold": finding.threshold,
        "events": len(finding.entries),
        "reason": finding.reason,
    }


def _open(file: Path) -> IO[str]:
    with file.open("rb") as stream:
        zipped = stream.read(2) == b"\x1f\x8b"
    if zipped:
        return gzip.open(file, "rt", encoding="utf-8", errors="replace", newline="")
    return file.open(encoding="utf-8", errors="replace", newline="")


def _user(row: dict[str, str]) -> str:
    if not row.get("user_id"):
        raise BadRowError("user_id is empty")
    return row["user_id"]


def _events(row: dict[str, str], number: int) -> Iterator[Event]:
    """The row's event, or nothing for one that was refused."""
    if row.get("outcome") is None:
        raise BadRowError("the row has too few fields")
    completed, claimed = _seconds(row["completed_at"], "completed_at"), _whole(row["claimed_ms"])
    if row["outcome"] == "ok":
        yield Event(number, completed, claimed)


def _seconds(value: str, column: str) -> float:
    """Unix seconds with fractions, or RFC 3339."""
    try:
        seconds = float(value)
    except ValueError:
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            raise BadRowError(f"{column} is neither Unix seconds nor RFC 3339: {value[:40]!r}") from None
        if moment.tzinfo is None:
            raise BadRowError(f"{column} has no time zone: {value[:40]!r}") from None
        return moment.timestamp()
    if not 0 <= seconds < 1e11:
        raise BadRowError(f"{column} is out of range: {value[:40]!r}")
    return seconds


def _whole(value: str) -> int:
    try:
        return int(value)
    except ValueError:
        raise BadRowError(f"claimed_ms is not a whole number: {value[:40]!r}") from None


def _time(event: Event) -> tuple[float, int]:
    return event.submitted_at, event.entry_id
