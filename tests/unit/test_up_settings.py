"""What `fairboard up` makes of its settings before it starts anything."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

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


FILES = """
import json
from cli.up import prepare, settings_of_parts
stack = prepare(0)
names = ("database_url", "redis_url", "jwt_secret", "token_keys")
print(json.dumps([sorted(stack.servers), stack.settings.model_dump(include=names), settings_of_parts()]))
"""
GIVEN = {
    "DATABASE_URL": "postgresql+psycopg2://a:b@127.0.0.1:1/c",
    "REDIS_URL": "redis://127.0.0.1:1/0",
    "JWT_SECRET": "a secret for the tests of thirty-two bytes and more",
    "TOKEN_KEYS": Fernet.generate_key().decode(),
}


@pytest.mark.parametrize("in_files", [(), ("DATABASE_URL",), ("JWT_SECRET", "TOKEN_KEYS"), tuple(GIVEN)])
def test_what_stands_in_files_is_given(tmp_path: Path, in_files: tuple[str, ...]) -> None:
    """No server is started and no key is made in its place, and other commands are told what stands there."""
    own = {"FAIRBOARD_DATA_DIR": str(tmp_path / "data"), "FAIRBOARD_PORT": str(free_port())}
    own["FAIRBOARD_FLOWER_PORT"] = str(free_port())
    for name, value in GIVEN.items():
        (tmp_path / name).write_text(value + "\n", encoding="utf-8")
        own |= {f"FAIRBOARD_{name}_FILE": name} if name in in_files else {f"FAIRBOARD_{name}": value}
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("FAIRBOARD_")}
    environment = {**inherited, **own, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", FILES]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    servers, settings, told = json.loads(done.stdout or done.stderr)
    assert servers == []
    assert {
        name.upper(): ",".join([value] if isinstance(value, str) else value) for name, value in settings.items()
    } == GIVEN
    assert GIVEN.items() <= {name.removeprefix("FAIRBOARD_"): value for name, value in told.items()}.items()
