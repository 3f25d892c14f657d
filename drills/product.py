"""Which product a figure is of."""

from __future__ import annotations

import shutil
import subprocess
from functools import cache
from pathlib import Path

from tests.processes import ROOT

PACKAGES = ("web", "workers", "services", "models", "config", "cli", "fairboard_client")
FILES = ("wsgi.py", "celeryconfig.py")
PRODUCT = (*PACKAGES, *FILES, "deploy", "requirements")
"""What a drill is a drill of: results, documents and the drills themselves may have changed since."""
CHANGED, UNKNOWN = "changed", "unknown"


@cache
def commit(root: Path = ROOT) -> str:
    """The last commit that touched the product; "changed" if its files are others now, "unknown" without Git.

    Looked up once: servers run what they have loaded, whatever is edited meanwhile.
    """
    try:
        if git(root, "status", "--porcelain", "--", *PRODUCT):
            return CHANGED
        return git(root, "log", "-1", "--abbrev=8", "--format=%h", "--", *PRODUCT) or UNKNOWN
    except (OSError, subprocess.CalledProcessError):
        return UNKNOWN


def git(root: Path, *arguments: str) -> str:
    """What Git says. Raises OSError without it, CalledProcessError where it refuses."""
    program = shutil.which("git") or "git"
    done = subprocess.run([program, *arguments], cwd=root, capture_output=True, text=True, check=True)
    return done.stdout.strip()
