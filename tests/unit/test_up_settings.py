"""What `fairboard up` makes of its settings before it starts anything."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cli.embedded import free_port
from tests.processes import ROOT

PREPARE = """
from cli.up import flower_host, prepare
stack = prepare(0)
print(flower_host(stack.settings), stack.supervisor._environment.get("FLOWER_BASIC_AUTH"))
"""


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("", "127.0.0.1 None"),
        ("FAIRBOARD_FLOWER_BASIC_AUTH", "127.0.0.2 ops:a word"),
        ("FAIRBOARD_FLOWER_BASIC_AUTH_FILE", "127.0.0.2 ops:a word"),
    ],
)
def test_flower_listens_elsewhere_only_with_its_password(tmp_path: Path, setting: str, told: str) -> None:
    """Wherever the password comes from, Flower itself is given it."""
    file = tmp_path / "password"
    file.write_text("ops:a word\n", encoding="utf-8")
    own = {
        "FAIRBOARD_DATA_DIR": str(tmp_path / "data"),
        "FAIRBOARD_DATABASE_URL": "postgresql://a:b@127.0.0.1:1/c",
        "FAIRBOARD_REDIS_URL": "redis://127.0.0.1:1/0",
        "FAIRBOARD_HOST": "127.0.0.2",
        "FAIRBOARD_PORT": str(free_port()),
        "FAIRBOARD_FLOWER_PORT": str(free_port()),
    } | ({setting: str(file) if setting.endswith("_FILE") else "ops:a word"} if setting else {})
    command = [sys.executable, "-c", PREPARE]
    environment = {**os.environ, **own, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.returncode) == (told, 0), done.stderr
