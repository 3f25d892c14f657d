"""The comparison of locked versions with advisories: what is affected is found, and what is mended is not."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from packaging.version import Version

from tests.attacks.advisories import known, locked

EVENTS = [{"introduced": "1.0"}, {"fixed": "1.5"}, {"introduced": "2.0"}]
ADVISORY = {
    "id": "PYSEC-2000-1",
    "aliases": ["CVE-2000-1"],
    "affected": [
        {
            "ranges": [{"type": "ECOSYSTEM", "events": EVENTS}],
            "versions": ["0.9"],
        }
    ],
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "some-library"
    folder.mkdir()
    (folder / "PYSEC-2000-1.yaml").write_text(yaml.safe_dump(ADVISORY))
    return folder


@pytest.mark.parametrize(
    ("version", "affected"),
    [("0.8", 0), ("0.9", 1), ("1.0", 1), ("1.4.9", 1), ("1.5", 0), ("1.9", 0), ("2.0", 1), ("3.0", 1)],
)
def test_a_version_is_found_where_it_is_affected(folder: Path, version: str, affected: int) -> None:
    found = list(known(folder, Version(version)))
    assert found == ["some-library " + version + ": PYSEC-2000-1 CVE-2000-1"] * affected


def test_what_was_withdrawn_counts_no_more(folder: Path) -> None:
    (folder / "PYSEC-2000-1.yaml").write_text(yaml.safe_dump(ADVISORY | {"withdrawn": "2001-01-01"}))
    assert list(known(folder, Version("1.0"))) == []


def test_all_that_is_locked_is_looked_at() -> None:
    assert {"flask", "gunicorn", "cryptography", "pyjwt", "ruff"} <= set(locked())
