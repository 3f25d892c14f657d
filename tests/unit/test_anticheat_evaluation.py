"""The evaluation runs, and its figures are what they are called."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from bench.evaluate import cheats, honest, measure
from bench.evaluate.__main__ import main
from services.anticheat.report import course


@pytest.mark.slow
def test_the_quick_evaluation_writes_its_page_and_pictures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    humans = tmp_path / "humans.csv"
    humans.write_text(
        "session,completed_at,duration_ms\n" + "".join(f"s,{n * 61},{9_000 + n % 7}\n" for n in range(50))
    )
    assert main(["--quick", "--out", str(tmp_path / "out"), "--humans", str(humans)]) == 0
    page = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert "| 1 | fixed interval | 99.9% in 60 events | 100.0% |" in page
    assert "one real person" in page
    assert all(kind.name in page for kind in cheats.KINDS)
    for picture in ("detection.svg", "families.svg"):
        assert ET.parse(tmp_path / "out" / picture).getroot().tag.endswith("svg")  # noqa: S314 -- our own
    assert "fixed interval" in capsys.readouterr().out


@pytest.mark.parametrize("kind", honest.KINDS)
def test_simulated_people_keep_the_limits_and_the_seed(kind: str) -> None:
    log, again = (honest.simulate(np.random.default_rng(5), kind, 6) for _ in range(2))
    assert log == again
    at = sorted({event.submitted_at for event in log.events})
    assert all(later - earlier >= 60 for earlier, later in zip(at, at[10:], strict=False))
    assert all(later - earlier >= 3_600 for earlier, later in zip(at, at[100:], strict=False))


@pytest.mark.parametrize("noise", [0.0, 0.05])
def test_what_is_replayed_was_played_by_a_person(noise: float) -> None:
    """Else a replay may be flagged for how its recording was made, before it begins, and is counted as missed."""
    log = cheats.replay(np.random.default_rng(5), noise)
    played, replayed = log.events[: log.turns], log.events[log.turns :]
    assert not course(played).verdict.flagged
    assert len(replayed) > log.turns
    same = [one.claimed_ms == other.claimed_ms for one, other in zip(played, replayed, strict=False)]
    assert all(same) if noise == 0 else not all(same)
    assert all(later.submitted_at > earlier.submitted_at for earlier, later in pairwise(log.events))


def test_bounds() -> None:
    assert measure.upper(0, 30_000) == pytest.approx(1e-4, rel=0.01)
    assert measure.upper(1, 47_500) == pytest.approx(1e-4, rel=0.01)
    assert measure.upper(5, 5) == 1.0
