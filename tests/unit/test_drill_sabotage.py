"""Each sabotage still fits the product that it breaks: a patch that changes nothing would prove nothing."""

from __future__ import annotations

import pytest

from drills.faults import ON_ONE_MACHINE
from drills.sabotage import ALL, Sabotage, sabotaged_tree
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
    keys = [drill.key for drill in ON_ONE_MACHINE]
    assert len(set(keys)) == len(keys)
