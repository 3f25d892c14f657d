"""Flower shows names and verdicts and can stop workers: it asks for a password, or listens to this machine alone."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from cli.embedded import free_port
from tests.processes import Program
from tests.support.players import Player
from tests.support.stack import Stack, wait_for

OPS = ("ops", "a long word")
CELERY = str(Path(sys.executable).with_name("celery"))


def flower(stack: Stack, port: int, *arguments: str, **settings: str) -> Program:
    own = {name: value for name, value in stack.environment.items() if name.startswith("FAIRBOARD_")}
    return Program([CELERY, "-A", "workers", "flower", f"--port={port}", *arguments], own | settings)


@pytest.mark.parametrize("address", ["--address=0.0.0.0", "--address=192.0.2.1", "--address="])
def test_without_a_password_it_listens_nowhere_else(stack: Stack, address: str) -> None:
    with flower(stack, free_port(), address) as refused:
        assert refused.finish() != 0
        assert "FAIRBOARD_FLOWER_BASIC_AUTH" in refused.text


def test_with_a_password_it_asks_for_it_and_tells_the_story_of_an_analysis(stack: Stack, player: Player) -> None:
    port = free_port()
    with flower(stack, port, "--address=127.0.0.1", FAIRBOARD_FLOWER_BASIC_AUTH=":".join(OPS)):
        url = f"http://127.0.0.1:{port}"
        wait_for(lambda: answers(f"{url}/healthcheck"), 30, "Flower")
        for path in ("/", "/tasks", "/api/workers", "/api/tasks"):
            assert httpx.get(url + path).status_code == 401
        assert httpx.post(f"{url}/api/worker/shutdown/all").status_code == 401
        assert httpx.get(f"{url}/tasks", auth=("ops", "another word")).status_code == 401
        page = httpx.get(f"{url}/tasks", auth=OPS)
        assert page.status_code == 200
        assert all(f'data-column="{column}"' in page.text for column in ("name", "kwargs", "result"))
        assert player.play().status_code == 200
        task = wait_for(lambda: analysis_of(url, player), 40, "the analysis in Flower") or {}
        assert task["kwargs"] == f"{{'user': {player.user_id}}}"
        assert task["args"] == "()"
        assert f"'user': '{player.username}'" in task["result"]
        assert "'verdict': 'clean'" in task["result"]


def analysis_of(url: str, player: Player) -> dict[str, Any] | None:
    """The player's analysis, once it is done."""
    name = "anticheat.analyse_player"
    found = httpx.get(f"{url}/api/tasks", params={"taskname": name}, auth=OPS, timeout=20).json()
    done = (task for task in found.values() if task["state"] == "SUCCESS")
    return next((task for task in done if f"'user': {player.user_id}}}" in task["kwargs"]), None)


def answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5).status_code == 200
    except httpx.TransportError:
        return False
