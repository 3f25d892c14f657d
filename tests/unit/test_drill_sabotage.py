"""Each sabotage still fits the product that it breaks: a patch that changes nothing would prove nothing."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import pytest

from drills import product, report
from drills.faults import ON_ONE_MACHINE, ON_THE_CLUSTER
from drills.sabotage import ALL, Sabotage, sabotaged_tree, tell
from tests.processes import ROOT


@pytest.mark.parametrize("sabotage", ALL, ids=lambda one: one.name)
def test_it_changes_the_copy_and_not_the_product(sabotage: Sabotage) -> None:
    before = {patch.file: (ROOT / patch.file).read_text() for patch in sabotage.patches}
    with sabotaged_tree(sabotage.patches) as tree:
        for patch in sabotage.patches:
            assert patch.old not in (tree / patch.file).read_text()
    assert {name: (ROOT / name).read_text() for name in before} == before
    assert sabotage.patches or sabotage.functions


@pytest.mark.parametrize("sabotage", ALL, ids=lambda one: one.name)
def test_its_drill_exists(sabotage: Sabotage) -> None:
    assert sabotage.row in {drill.row for drill in ON_ONE_MACHINE}


def test_no_two_drills_have_the_same_name() -> None:
    keys = [drill.key for drill in (*ON_ONE_MACHINE, *ON_THE_CLUSTER)]
    assert len(set(keys)) == len(keys)


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where results are kept meanwhile."""
    monkeypatch.setattr(report, "PAGE", tmp_path / "drills.md")
    monkeypatch.setattr(report, "KEPT", tmp_path / "results.json")
    return tmp_path / "results.json"


@pytest.mark.parametrize(("quick", "dry"), [(True, False), (False, True)])
def test_a_quick_or_dry_run_writes_nothing(results: Path, quick: bool, dry: bool) -> None:
    assert tell(ALL[0], ["I3: player 7: Redis says 1"], Namespace(quick=quick, dry=dry))
    assert not results.exists()


def test_what_was_found_is_kept_with_the_commit(results: Path) -> None:
    assert not tell(ALL[0], ["I1: another"], Namespace(quick=False, dry=False))
    kept = report.load()["sabotages"][ALL[0].name]
    assert (kept["found"], kept["commit"]) == (False, product.commit())
    assert f"({kept['date']}, {kept['commit']})" in report.PAGE.read_text()
    assert results.exists()
