"""What drills print, what is kept of them, and docs/drills.md, which is written from that and never by hand."""

from __future__ import annotations

import json
import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from drills.scene import Result

FOLDER = Path(__file__).parent
KEPT = FOLDER / "results.json"
PAGE = FOLDER.parent / "docs" / "drills.md"
TEMPLATE = FOLDER / "drills.template.md"
SHOWN = (
    "row",
    "fault",
    "ground",
    "acknowledged",
    "lost",
    "duplicated",
    "outage",
    "redis",
    "sockets",
    "slowest",
    "load",
)
HEADINGS = (
    *("row", "fault", "on", "acknowledged", "lost", "duplicated", "outage", "Redis equal after", "sockets equal after"),
    *("slowest answer", "load average", "held", "seed, date"),
)
HEAD = "row  held  acknowledged  lost  duplicated  outage   Redis equal  sockets equal  fault"


def seconds(value: float | None) -> str:
    """A time, or that it did not come."""
    return "never" if value is None else f"{value:.1f} s"


def line(result: Result) -> str:
    """One drill as it is printed."""
    verdict, recovery = result.verdict, result.recovery
    return (
        f"{result.drill.row:<4} {'yes' if result.held else 'NO':<5} {verdict.acknowledged:>12} {len(verdict.lost):>5} "
        f"{len(verdict.duplicated):>11}  {seconds(result.outage):<8} {seconds(recovery.redis):<12} "
        f"{seconds(recovery.sockets):<14} {result.drill.fault}"
    )


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
        "outage": seconds(result.outage),
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
    }
    save(kept)


def keep_section(section: str, name: str, values: dict[str, Any]) -> None:
    """Remember something besides the drills: a sabotage, a long run, a soak, a rebuild."""
    kept = load()
    kept.setdefault(section, {})[name] = values | {"date": today()}
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
    head = f"| {' | '.join(HEADINGS)} |\n|{'---|' * len(HEADINGS)}\n"
    return head + "\n".join(_row(one) for one in ordered)


def _row(one: dict[str, Any]) -> str:
    held = "yes" if one["held"] else "**no**"
    cells = [*(str(one.get(name, "")) for name in SHOWN), held, f"{one['seed']}, {one['date']}"]
    return f"| {' | '.join(cells)} |"


def _number(row: str) -> int:
    return int("".join(letter for letter in row if letter.isdigit()))


def _problems(kept: dict[str, Any]) -> str:
    """What did not hold, and what drills noted."""
    lines = []
    for key, one in sorted(kept["drills"].items(), key=lambda item: (_number(item[1]["row"]), item[0])):
        lines += [f"- {key}: **{problem}**" for problem in one["problems"]]
        lines += [f"- {key}: {note}" for note in one["notes"]]
    return "\n".join(lines) or "Nothing to add."


def _section(values: dict[str, Any]) -> str:
    if not values:
        return "Not run yet."
    return "\n".join(f"- {name}: {one['text']} ({one['date']})" for name, one in sorted(values.items()))
