"""Can the check fail? Drills on a product that has been broken on purpose: the judge has to find it.

The harm is done to a copy: of the source tree that a site's processes run from, or of a function in its database.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from drills import report
from drills.faults import ON_ONE_MACHINE
from drills.product import FILES, PACKAGES
from drills.scene import DrillError, Result, carry_out
from drills.stack_site import StackSite, stack_site
from tests.processes import ROOT, open_folder


@dataclass(frozen=True)
class Patch:
    """Text in a file that becomes another. It must be there, or nothing was broken."""

    file: str
    old: str
    new: str


@dataclass(frozen=True)
class Sabotage:
    """What is broken, and the row whose drill has to see it."""

    name: str
    what: str
    row: str
    finding: str
    """How the problem that it leads to begins."""
    patches: tuple[Patch, ...] = ()
    functions: tuple[Patch, ...] = ()
    """As patches, `file` being the name of a function in PostgreSQL."""
    statements: tuple[str, ...] = ()
    quick: bool = False


ALL = (
    Sabotage(
        "outbox",
        "the outbox is left out",
        "8b",
        "I3",
        functions=(Patch("append_entry", "INSERT INTO outbox (board, user_id) VALUES (p_board, p_user_id);", ""),),
    ),
    Sabotage(
        "unique",
        "the constraint and the condition that spend a token once are left out",
        "16",
        "I4",
        functions=(Patch("complete_timed", "AND used_at IS NULL", ""),),
        statements=("ALTER TABLE ledger_entries DROP CONSTRAINT uq_ledger_entries_token_hash",),
        quick=True,
    ),
    Sabotage(
        "version",
        "a placement that is older than what Redis has is taken",
        "12a",
        "I3",
        patches=(
            Patch(
                "services/lua/place.lua",
                "if tonumber(known_version) >= tonumber(version) then return false, old end",
                "",
            ),
        ),
        quick=True,
    ),
    Sabotage(
        "limit",
        "the limit lets everybody in while Redis is away, and the ledger does not look",
        "9a",
        "I5",
        functions=(Patch("lock_player", "WHEN is_over_limit(p_user_id, last) THEN 'RATE_LIMIT_EXCEEDED'", ""),),
        patches=(
            Patch(
                "services/rate_limits.py",
                "error:\n        raise ServiceUnavailable from error\n    if not",
                "error:\n        del error\n        return sessions.load(resources, user_id, session_id)\n    if not",
            ),
        ),
    ),
    Sabotage(
        "commit",
        "a COMMIT that was cancelled while it waited for a standby is acknowledged",
        "5",
        "I1: acknowledged while",
        patches=(Patch("models/database.py", "if not connection.notices:", "if True:"),),
    ),
)


_DEFINITION = "SELECT pg_get_functiondef(oid) FROM pg_proc WHERE proname = %s ORDER BY pronargs DESC LIMIT 1"
"""Of one that a former version calls with fewer arguments, that of today."""


def run_all(chosen: Sequence[Sabotage], seed: int, arguments: argparse.Namespace) -> bool:
    """Run them, each on a site of its own. Whether all were found."""
    found = [tell(one, _run(one, seed), arguments) for one in chosen]
    return all(found)


def _run(one: Sabotage, seed: int) -> Sequence[str]:
    """What the judge finds."""
    with sabotaged_tree(one.patches) as tree, stack_site(tree) as site:
        _break_database(site, one)
        try:
            return _carry_out(site, one, seed).problems
        except (DrillError, TimeoutError, AssertionError) as error:
            return (repr(error),)


def tell(one: Sabotage, problems: Sequence[str], arguments: argparse.Namespace) -> bool:
    """Say whether the judge has found what was broken, and keep it if anything is to be kept."""
    found = [problem for problem in problems if problem.startswith(one.finding)]
    seen = f"row {one.row} says: {found[0]}" if found else f"row {one.row} says: {list(problems)}"
    text = f"sabotage: {'found' if found else 'NOT FOUND'}: {one.what}; {seen}"
    print(text, flush=True)
    if report.is_kept(arguments):
        report.keep_section("sabotages", one.name, {"text": text, "found": bool(found)})
    return bool(found)


def _carry_out(site: StackSite, one: Sabotage, seed: int) -> Result:
    return carry_out(site, next(drill for drill in ON_ONE_MACHINE if drill.row == one.row), seed, quick=True)


@contextmanager
def sabotaged_tree(patches: Sequence[Patch]) -> Iterator[Path]:
    """A copy of the product in which some text is another."""
    with open_folder() as folder:
        for package in PACKAGES:
            shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
        for name in FILES:
            shutil.copy(ROOT / name, folder / name)
        for patch in patches:
            path = folder / patch.file
            path.write_text(_patched(path.read_text(encoding="utf-8"), patch), encoding="utf-8")
        yield folder


def _patched(text: str, patch: Patch) -> str:
    assert patch.old in text, f"{patch.file} has changed: {patch.old!r} is not in it"
    return text.replace(patch.old, patch.new)


def _break_database(site: StackSite, one: Sabotage) -> None:
    with closing(site.stack.postgres.connect()) as connection, connection.cursor() as cursor:
        for patch in one.functions:
            cursor.execute(_DEFINITION, (patch.file,))
            row = cursor.fetchone()
            assert row is not None
            cursor.execute(_patched(row[0], patch))
        for statement in one.statements:
            cursor.execute(statement)
