"""A figure names the commit that it was measured on."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from drills.version import product_version


def git(folder: Path, *arguments: str) -> str:
    own = ["-c", "user.name=one", "-c", "user.email=one@localhost", "-c", "commit.gpgsign=false"]
    command = ["git", *own, *arguments]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


def test_the_version_is_the_commit_and_whether_tracked_files_differ(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    file = tmp_path / "file"
    file.write_text("one")
    git(tmp_path, "add", "file")
    git(tmp_path, "commit", "--quiet", "-m", "One")
    commit = git(tmp_path, "rev-parse", "--short", "HEAD")
    (tmp_path / "untracked").write_text("")
    assert product_version.__wrapped__(tmp_path) == commit
    file.write_text("two")
    assert product_version.__wrapped__(tmp_path) == f"{commit}+"


def test_without_git_the_version_is_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert product_version.__wrapped__(tmp_path / "nowhere") == "unknown"
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert product_version.__wrapped__(tmp_path) == "unknown", "no checkout"
    monkeypatch.setenv("PATH", "")
    assert product_version.__wrapped__(tmp_path) == "unknown", "no git"
