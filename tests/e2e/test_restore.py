"""The commands that docs/production.md gives for a backup and for its return, run as they stand there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes import ROOT
from tests.support.players import sign_up
from tests.support.stack import Stack, running_stack

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240), pytest.mark.xdist_group("restore")]
BLOCK = re.compile(r"```bash\n(.*?)```", re.DOTALL)


def documented(what: str) -> str:
    """The one block of commands for a single server that has this in it."""
    blocks = BLOCK.findall((ROOT / "docs" / "production.md").read_text(encoding="utf-8"))
    (found,) = [block for block in blocks if what in block and "docker" not in block]
    return str(found)


def run(stack: Stack, folder: Path, commands: str) -> str:
    """What a shell says that has the owner's URL and the programs of PostgreSQL and Fairboard."""
    path = os.pathsep.join([str(stack.postgres.bin), str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        ["/bin/bash", "-euc", commands],
        cwd=folder,
        env=stack.environment | {"PATH": path, "OWNER_URL": stack.postgres.owner_url},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_documented_commands_bring_everything_back(tmp_path: Path) -> None:
    with running_stack() as stack:
        player, late = sign_up(stack), sign_up(stack)
        kept = player.climb()["newScore"]
        run(stack, tmp_path, documented("pg_dump --format"))
        assert player.climb()["newScore"] > kept
        assert late.play().status_code == 200

        for part in stack.parts.values():
            part.stop()
        stack.resources().engine.dispose()
        for _ in range(2):  # As at the second restore of a server's life.
            assert "All is well" in run(stack, tmp_path, documented("CREATE DATABASE restored"))
            run(stack, tmp_path, documented("DROP DATABASE broken"))
            run(stack, tmp_path, 'psql "$OWNER_URL" -c "CREATE DATABASE restored"')  # As one that failed leaves it.
        for part in stack.parts.values():
            part.start()
        stack.wait_until_ready()

        (row,) = player.get("/api/leaderboard").json()["leaderboard"]
        assert (row["userId"], row["score"]) == (player.user_id, kept), "what came after the dump is gone"
        assert player.play().json()["newScore"] > kept, "and play goes on"
        assert late.play().status_code == 200
        stack.wait_until_quiet()
        assert stack.differences() == []
        for someone in (player, late):
            someone.close()
