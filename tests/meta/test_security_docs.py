"""Security documents name tests and files as evidence: each exists, and the sums of the ASVS table are right."""

from __future__ import annotations

import ast
import re
from collections import Counter
from functools import lru_cache
from pathlib import Path

import pytest

from tests.processes import ROOT

STATUSES = {"met", "not met", "not applicable"}
LEVELS = {1: 70, 2: 183}
"""How many requirements ASVS 5.0.0 has of each level."""
PATH = re.compile(r"`((?:tests|web|services|models|cli|config|deploy|docs|requirements)/[\w./-]+)(?:::(\w+))?`")


@lru_cache
def functions(path: Path) -> frozenset[str]:
    tree = ast.parse(path.read_text("utf-8"))
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


def evidence(name: str) -> list[tuple[str, str]]:
    return PATH.findall(Path(ROOT, "docs", name).read_text("utf-8"))


@pytest.mark.parametrize("name", ["security.md", "asvs.md"])
def test_every_file_and_test_that_is_named_exists(name: str) -> None:
    named = evidence(name)
    assert len(named) > 50
    assert [path for path, _ in named if not Path(ROOT, path).exists()] == []
    assert [f"{path}::{test}" for path, test in named if test and test not in functions(Path(ROOT, path))] == []


def threats() -> list[list[str]]:
    text = Path(ROOT, "docs", "security.md").read_text("utf-8")
    section = text[text.index("## Threats\n") : text.index("## Cryptography\n")]
    rows = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("| ")]
    return [row for row in rows if row[0] != "threat"]


def test_every_threat_has_a_control_and_a_test() -> None:
    rows = threats()
    assert len(rows) > 30
    assert [row for row in rows if len(row) != 3 or not row[1] or "`tests/" not in row[2]] == []


def requirements() -> list[list[str]]:
    text = Path(ROOT, "docs", "asvs.md").read_text("utf-8")
    return [line.strip("| ").split(" | ") for line in text.splitlines() if re.match(r"\| \d+\.\d+\.\d+ \|", line)]


def test_every_requirement_of_both_levels_has_a_status_and_a_reason() -> None:
    rows = requirements()
    assert Counter(int(row[1]) for row in rows) == LEVELS
    assert len({row[0] for row in rows}) == len(rows)
    assert {row[3] for row in rows} == STATUSES
    assert [row for row in rows if len(row) != 5 or not row[4].strip()] == []


def test_the_sums_are_right() -> None:
    text = Path(ROOT, "docs", "asvs.md").read_text("utf-8")
    for name, levels in (("1", {1}), ("2", {2}), ("both", {1, 2})):
        counts = Counter(row[3] for row in requirements() if int(row[1]) in levels)
        line = [name, *(str(counts[status]) for status in ("met", "not met", "not applicable")), str(counts.total())]
        assert f"| {' | '.join(line)} |" in text
