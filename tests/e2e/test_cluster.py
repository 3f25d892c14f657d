"""`make cluster`: the production topology starts from nothing, serves through its balancer, and leaves nobody."""

from __future__ import annotations

import signal
import ssl
import sys
from pathlib import Path

import httpx
import psutil
import pytest

from tests.processes import Program, open_folder
from tests.support.stack import wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


def inside(folder: Path) -> set[int]:
    """Processes that work in a folder, whoever started them."""
    found = set()
    for process in psutil.process_iter(["pid", "cmdline", "environ"]):
        said = [*(process.info["cmdline"] or []), *(process.info["environ"] or {}).values()]
        if any(str(folder) in word for word in said):
            found.add(process.info["pid"])
    return found


def test_it_starts_serves_and_is_gone_after_kill_9() -> None:
    with open_folder() as folder:
        argv = [sys.executable, "-m", "deploy.local", "--players", "0"]
        with Program(argv, {"FAIRBOARD_DATA_DIR": str(folder)}) as program:
            program.wait_for("is the primary, after", 120)
            program.wait_for("^Fairboard is ready", 120)
            site = _said(program.text, "Scoreboard")
            trust = ssl.create_default_context(cafile=_said(program.text, "Its authority"))
            with httpx.Client(base_url=site, verify=trust, timeout=20, trust_env=False) as http:
                assert http.get("readyz").json() == {"status": "ready", "postgresql": True, "redis": True}
                assert "Fairboard" in http.get("").text
                assert http.get("metrics").status_code == 404, "that is for Prometheus, inside"
                answer = http.get("ws")
                assert (answer.status_code, answer.json()["code"]) == (400, "VALIDATION_ERROR"), "a live server answers"
            assert len(inside(folder)) > 25
            program.send(signal.SIGKILL)
            wait_for(lambda: not inside(folder), 30, "the end of every part")


def _said(text: str, label: str) -> str:
    (line,) = [line for line in text.splitlines() if line.startswith(f"  {label} ")]
    return line.removeprefix(f"  {label}").strip()
