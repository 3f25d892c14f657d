"""What drills print, what is kept of them, and docs/drills.md, which is written from that and never by hand."""

from __future__ import annotations

import argparse
import json
import os
import platform
import textwrap
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from drills.product import commit
from drills.scene import Result

FOLDER = Path(__file__).parent
KEPT = FOLDER / "results.json"
PAGE = FOLDER.parent / "docs" / "drills.md"
TEMPLATE = FOLDER / "drills.template.md"
COLUMNS = {
    "row": "row",
    "fault": "fault",
    "on": "ground",
    "acknowledged": "acknowledged",
    "lost": "lost",
    "duplicated": "duplicated",
    "outage of completions": "completions",
    "of requests": "requests",
    "Redis equal after": "redis",
    "sockets equal after": "sockets",
    "slowest answer": "slowest",
    "load average": "load",
    "held": "held",
    "commit": "commit",
    "seed": "seed",
    "date": "date",
}
"""The headings of the table, and by which name each figure is kept."""
HEAD = "row  held  acknowledged  lost  duplicated  outage   of requests  Redis equal  sockets equal  fault"
WIDTHS = 7, 11, 11, 13
LONGEST = 300
"""Letters of a problem that the page shows: what a command printed may go on and on."""


def seconds(value: float | None) -> str:
    """A time, or that it did not come."""
    return "never" if value is None else f"{value:.1f} s"


def line(result: Result) -> str:
    """One drill as it is printed."""
    verdict, recovery = result.verdict, result.recovery
    times = (result.outage, result.outage_of_requests, recovery.redis, recovery.sockets)
    told = "  ".join(f"{seconds(one):<{width}}" for one, width in zip(times, WIDTHS, strict=True))
    return (
        f"{result.drill.row:<4} {'yes' if result.held else 'NO':<5} {verdict.acknowledged:>12} {len(verdict.lost):>5} "
        f"{len(verdict.duplicated):>11}  {told}  {result.drill.fault}"
    )


def is_kept(arguments: argparse.Namespace) -> bool:
    """Whether what was found is written down: not in a dry run, nor in a quick one."""
    return not arguments.quick and not arguments.dry


def keep(result: Result) -> None:
    """Remember the latest run of a drill, and write the page anew."""
    verdict, recovery = result.verdict, result.recovery
    kept = load()
    kept["drills"][result.drill.key] = {
        "row": result.drill.row,
        "fault": result.drill.fault,
        "ground": result.drill.ground,
        "acknowledged": verdict.acknowledged,
        "lost": len(verdict.lost),
        "duplicated": len(verdict.duplicated),
        "completions": seconds(result.outage),
        "requests": seconds(result.outage_of_requests),
        "redis": seconds(recovery.redis),
        "sockets": seconds(recovery.sockets),
        "slowest": seconds(result.slowest),
        "failed": result.failed,
        "held": result.held,
        "load": f"{os.getloadavg()[1]:.1f}",
        "problems": list(result.problems),
        "notes": list(result.notes),
        "seed": result.seed,
        "date": today(),
        "commit": commit(),
    }
    save(kept)


def keep_section(section: str, name: str, values: dict[str, Any]) -> None:
    """Remember something besides the drills: a sabotage, a long run, a soak, a rebuild."""
    kept = load()
    kept.setdefault(section, {})[name] = values | {"date": today(), "commit": commit()}
    save(kept)


def load() -> dict[str, Any]:
    """What is kept."""
    kept: dict[str, Any] = json.loads(KEPT.read_text(encoding="utf-8")) if KEPT.exists() else {"drills": {}}
    return kept


def save(kept: dict[str, Any]) -> None:
    """Keep it and write the page."""
    kept["machine"] = machine()
    KEPT.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    PAGE.write_text(page(kept), encoding="utf-8")


def machine() -> str:
    """What this runs on."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    models = [one.partition(":")[2].strip() for one in lines if one.startswith("model name")]
    return f"{len(models)} cores ({models[0] if models else platform.machine()}), {platform.system()}, loopback"


def today() -> str:
    """The date."""
    return f"{datetime.now(UTC):%Y-%m-%d}"


def page(kept: dict[str, Any]) -> str:
    """docs/drills.md."""
    text = TEMPLATE.read_text(encoding="utf-8")
    parts = {"machine": kept["machine"], "drills": _drills(kept), "problems": _problems(kept)}
    parts |= {name: _section(kept.get(name, {})) for name in ("sabotages", "figures")}
    for name, value in parts.items():
        text = text.replace("{{" + name + "}}", value)
    return text


def _drills(kept: dict[str, Any]) -> str:
    ordered = sorted(kept["drills"].values(), key=lambda one: (_number(one["row"]), one["row"], one["ground"]))
    head = f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}\n"
    return head + "\n".join(_row(one) for one in ordered)


def _row(one: dict[str, Any]) -> str:
    told = one | {"held": "yes" if one["held"] else "**no**"}
    if "outage" in one:  # Kept by the time without any write, which is no longer than that without a completion.
        told["completions"] = f"at least {one['outage']}"
    return f"| {' | '.join(str(told.get(name, '-')) for name in COLUMNS.values())} |"


def _number(row: str) -> int:
    return int("".join(letter for letter in row if letter.isdigit()))


def _problems(kept: dict[str, Any]) -> str:
    """What did not hold, and what drills noted."""
    lines = []
    for key, one in sorted(kept["drills"].items(), key=lambda item: (_number(item[1]["row"]), item[0])):
        lines += [f"- {key}: **{textwrap.shorten(problem, LONGEST)}**" for problem in one["problems"]]
        lines += [f"- {key}: {note}" for note in one["notes"]]
    return "\n".join(lines) or "Nothing to add."


def _section(values: dict[str, Any]) -> str:
    if not values:
        return "Not run yet."
    return "\n".join(f"- {name}: {one['text']} ({_when(one)})" for name, one in sorted(values.items()))


def _when(one: dict[str, Any]) -> str:
    """The date, and the commit where that was kept."""
    return ", ".join(one[name] for name in ("date", "commit") if name in one)
