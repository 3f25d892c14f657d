"""Schemathesis reads the OpenAPI document and tries to prove it wrong on the running server."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.players import Player
from tests.support.schema import ENDS_THE_SESSION, report, run, without_limits
from tests.support.stack import Stack

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


def test_the_document_holds(stack: Stack, analyst: Player, tmp_path: Path) -> None:
    """As an analyst, who may call everything."""
    with without_limits(stack):
        done = run(
            stack,
            tmp_path,
            f"--header=Authorization: Bearer {analyst.access}",
            f"--exclude-path-regex={ENDS_THE_SESSION}",
            "--max-examples=15",
        )
    assert done.returncode == 0, report(done.stdout) + done.stderr[-2_000:]
    assert analyst.get("/api/me").status_code == 200


def test_the_document_holds_for_renewing_and_logging_out(stack: Stack, player: Player, tmp_path: Path) -> None:
    done = run(
        stack,
        tmp_path,
        f"--header=Authorization: Bearer {player.refresh}",
        f"--include-path-regex={ENDS_THE_SESSION}",
        "--max-examples=5",
    )
    assert done.returncode == 0, report(done.stdout) + done.stderr[-2_000:]
