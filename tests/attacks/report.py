"""docs/attacks.md: one row for each attack, of its last run at full size."""

from __future__ import annotations

import os
import platform
import re
from datetime import UTC, datetime

from drills.product import commit
from tests.attacks.outcome import Outcome
from tests.processes import ROOT

REPORT = ROOT / "docs" / "attacks.md"
HEAD = """# Attacks

Written by `make attack` and `make fuzz`, on real servers; a run of one replaces its row. Small ones run with the tests.
What each is against is in [security.md](security.md).

| attack | tries | wanted | found | held | seconds | when and where |
|---|---|---|---|---|---|---|
"""


def row(outcome: Outcome) -> str:
    """A line of the table."""
    held = "yes" if outcome.held else "**no**"
    what = f"{datetime.now(UTC):%Y-%m-%d}, commit {commit()}"
    where = f"{what}, {os.cpu_count()} cores, Python {platform.python_version()}"
    cells = (
        outcome.attack,
        f"{outcome.tries:,}",
        outcome.wanted,
        outcome.found,
        held,
        f"{outcome.seconds:,.0f}",
        where,
    )
    return f"| {' | '.join(cells)} |"


def keep(outcome: Outcome) -> None:
    """Put a row into the report, in the place of the last one of the same attack."""
    before = REPORT.read_text("utf-8").splitlines() if REPORT.exists() else []
    rows = {line.split(" | ")[0]: line for line in before if re.match(r"\| .* \| [\d,]+ \|", line)}
    line = row(outcome)
    rows[line.split(" | ")[0]] = line
    REPORT.write_text(HEAD + "\n".join(rows.values()) + "\n", encoding="utf-8")
