"""Schemathesis reads the OpenAPI document and tries to prove it wrong on the running server."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

import pytest

from tests.support.players import Player
from tests.support.stack import PROGRAMS, Stack

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "unsupported_method",
    "allow_header_conformance",
    "ignored_auth",
)
ENDS_THE_SESSION = "/api/auth/(logout|refresh)"
"""Called with the wrong kind of token, or once too often, these would leave all the other calls with 401."""


@contextmanager
def without_limits(stack: Stack) -> Iterator[None]:
    """Let one player do more than people can, so that not every answer is 429."""
    over = Event()

    def forget() -> None:
        redis = stack.resources().redis
        while not over.wait(0.1):
            for key in redis.scan_iter("ratelimit:*", count=1_000):
                redis.delete(key)

    thread = Thread(target=forget)
    thread.start()
    yield
    over.set()
    thread.join()


CONFIGURATION = """
[checks.negative_data_rejection]
# A body can be too large as well as wrong, and is refused for its size first.
expected-statuses = [400, 401, 403, 404, 405, 413, 415, 429]
"""


def run(stack: Stack, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    (folder / "schemathesis.toml").write_text(CONFIGURATION)
    return subprocess.run(
        [
            str(PROGRAMS / "schemathesis"),
            "run",
            f"{stack.url}/api/openapi.json",
            f"--checks={','.join(CHECKS)}",
            "--phases=examples,coverage,fuzzing",
            "--seed=1",
            "--workers=2",
            "--no-color",
            "--generation-database=none",
            "--warnings=off",
            *arguments,
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )


def report(output: str) -> str:
    """What went wrong, without the endless lines of generated text."""
    return "\n".join(line[:300] for line in output.splitlines())[-12_000:]


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
