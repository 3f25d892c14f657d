"""Schemathesis against a running stack: how it is called, and what it may not be told by limits."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

from tests.support.stack import PROGRAMS, Stack

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


def run(
    stack: Stack, folder: Path, *arguments: str, phases: str = "examples,coverage,fuzzing", seconds: int = 200
) -> subprocess.CompletedProcess[str]:
    """Its whole run, in a folder for its settings."""
    (folder / "schemathesis.toml").write_text(CONFIGURATION)
    return subprocess.run(
        [
            str(PROGRAMS / "schemathesis"),
            "run",
            f"{stack.url}/api/openapi.json",
            f"--checks={','.join(CHECKS)}",
            f"--phases={phases}",
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
        timeout=seconds,
        check=False,
    )


def report(output: str) -> str:
    """What went wrong, without the endless lines of generated text."""
    return "\n".join(line[:300] for line in output.splitlines())[-12_000:]
