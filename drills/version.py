"""Which product a figure was measured on."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]


@cache
def product_version(root: Path = ROOT) -> str:
    """The short hash of the checked-out commit, with `+` if files that git tracks differ from it.

    `unknown` without git. Found once: a process runs the code that it has loaded, whatever is edited meanwhile.
    """
    try:
        commit = _git(root, "rev-parse", "--short", "HEAD").strip()
        changed = _git(root, "status", "--porcelain", "--untracked-files=no").strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return f"{commit}+" if changed else commit


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=root, check=True, capture_output=True, text=True)  # noqa: S607 -- the developer's own
    return done.stdout
