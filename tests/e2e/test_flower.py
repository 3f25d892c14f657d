"""Flower shows names and verdicts and can stop workers: it asks for a password, or listens to this machine alone."""

from __future__ import annotations

import sys
from pathlib import Path

import httpx
import pytest

from cli.embedded import free_port
from tests.processes import Program
from tests.support.stack import Stack, wait_for

CELERY = str(Path(sys.executable).with_name("celery"))


def flower(stack: Stack, port: int, *arguments: str, **settings: str) -> Program:
    own = {name: value for name, value in stack.environment.items() if name.startswith("FAIRBOARD_")}
    return Program([CELERY, "-A", "workers", "flower", f"--port={port}", *arguments], own | settings)


@pytest.mark.parametrize("address", ["--address=0.0.0.0", "--address=192.0.2.1", "--address="])
def test_without_a_password_it_listens_nowhere_else(stack: Stack, address: str) -> None:
    with flower(stack, free_port(), address) as refused:
        assert refused.finish() != 0
        assert "FAIRBOARD_FLOWER_BASIC_AUTH" in refused.text


def test_with_a_password_it_asks_for_it(stack: Stack) -> None:
    port = free_port()
    with flower(stack, port, "--address=127.0.0.1", FAIRBOARD_FLOWER_BASIC_AUTH="ops:a long word"):
        url = f"http://127.0.0.1:{port}"
        wait_for(lambda: answers(f"{url}/healthcheck"), 30, "Flower")
        for path in ("/", "/tasks", "/api/workers", "/api/tasks"):
            assert httpx.get(url + path).status_code == 401
        assert httpx.post(f"{url}/api/worker/shutdown/all").status_code == 401
        assert httpx.get(f"{url}/tasks", auth=("ops", "another word")).status_code == 401
        assert httpx.get(f"{url}/tasks", auth=("ops", "a long word")).status_code == 200


def answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5).status_code == 200
    except httpx.TransportError:
        return False
