"""`fairboard up` as a newcomer meets it: one command, a ready line, parts that come back, and a clean end."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from cli.embedded import free_port
from cli.env_file import read_env_file
from tests.processes import Program, open_folder, wait_gone

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240), pytest.mark.xdist_group("up")]
FAIRBOARD = str(Path(sys.executable).with_name("fairboard"))
START_SECONDS = 120


class Up(Program):
    """A `fairboard up` on a folder and ports of its own."""

    def __init__(self, folder: Path, *arguments: str, **settings: str) -> None:
        self.folder = folder
        self.port, self.flower_port = free_port(), free_port()
        environment = {
            "FAIRBOARD_DATA_DIR": str(folder / "data"),
            "FAIRBOARD_PORT": str(self.port),
            "FAIRBOARD_FLOWER_PORT": str(self.flower_port),
            "FAIRBOARD_WEB_WORKERS": "1",
            "FAIRBOARD_AUTH_ADDRESS_LIMIT": "0",
        }
        super().__init__([FAIRBOARD, "up", *arguments], environment | settings)

    def wait_until_ready(self) -> None:
        self.wait_for("^Fairboard is ready$", START_SECONDS)

    def get(self, path: str) -> int:
        return httpx.get(f"{self.url}{path}", timeout=10).status_code

    def log_in(self, username: str, password: str) -> dict[str, object]:
        account = {"username": username, "password": password}
        answer = httpx.post(f"{self.url}/api/auth/login", json=account, timeout=10)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def secrets(self) -> dict[str, str]:
        return read_env_file(self.folder / "data" / "secrets.env")


@pytest.fixture
def folder() -> Iterator[Path]:
    with open_folder() as path:
        yield path


def test_the_whole_life_of_an_up(folder: Path) -> None:
    with Up(folder, "--players", "2") as first:
        first.wait_until_ready()
        assert first.get("/") == first.get("/review") == first.get("/readyz") == first.get("/api/docs") == 200
        account = first.log_in("demo", first.secrets["DEMO_PLAYER_PASSWORD"])
        assert first.log_in("analyst", first.secrets["DEMO_ANALYST_PASSWORD"])["role"] == "analyst"
        data = folder / "data"
        assert {stat.S_IMODE((data / name).stat().st_mode) for name in ("secrets.env", "runtime.env")} == {0o600}
        _assert_refused(first)
        _assert_every_part_comes_back(first)
        everybody = first.pids()
        begun = time.monotonic()
        first.send(signal.SIGINT)
        assert first.finish() == 0
        assert time.monotonic() - begun < 10
        assert wait_gone(everybody, 0) == []
        assert not (data / "runtime.env").exists()

    with Up(folder, "--players", "0") as second:
        second.wait_until_ready()
        assert "simulate    |" not in second.text
        again = second.log_in("demo", second.secrets["DEMO_PLAYER_PASSWORD"])
        assert again["userId"] == account["userId"]
        everybody = second.pids()
        second.send(signal.SIGKILL)
        assert wait_gone(everybody, 10) == []

    with Up(folder, "--players", "0") as third:
        third.wait_until_ready()
        third.send(signal.SIGTERM)
        assert third.finish() == 0


def _assert_refused(running: Up) -> None:
    with Up(running.folder) as twin:
        assert twin.finish() == 2
        assert "runs on" in twin.text
        assert "FAIRBOARD_DATA_DIR" in twin.text


def _assert_every_part_comes_back(running: Up) -> None:
    words = {
        "web": ("gunicorn",),
        "leaderboard": ("-Q leaderboard",),
        "anticheat": ("-Q anticheat",),
        "maintenance": ("-Q maintenance",),
        "beat": ("workers beat",),
        "flower": ("workers flower",),
        "simulate": ("fairboard simulate",),
        "redis": ("-server 127.0.0.1",),
        "postgres": ("bin/postgres", "-D"),
    }
    for name, command in words.items():
        main = _main_process(running, command)
        family = _with_children(running, main)
        os.kill(main, signal.SIGKILL)
        running.wait_for(rf"{name} died \(signal 9\), restarting in 0.5 s")
        assert wait_gone(family, 5) == []
        _wait_for_another(running, command, main)
    _wait_for_answer(running)


def _main_process(running: Up, command: tuple[str, ...]) -> int:
    """The oldest process of a part: its other processes are its children."""
    return running.find(*command)[0]


def _with_children(running: Up, main: int) -> list[int]:
    status = {pid: Path(f"/proc/{pid}/status").read_text() for pid in running.pids()}
    return [main, *(pid for pid, text in status.items() if f"PPid:\t{main}\n" in text)]


def _wait_for_another(running: Up, command: tuple[str, ...], former: int) -> None:
    deadline = time.monotonic() + 20
    while not [pid for pid in running.find(*command) if pid != former]:
        assert time.monotonic() < deadline, running.text
        time.sleep(0.05)


def _wait_for_answer(running: Up) -> None:
    deadline = time.monotonic() + 60
    while not _is_ready(running):
        assert time.monotonic() < deadline, running.text
        time.sleep(0.1)


def _is_ready(running: Up) -> bool:
    try:
        return running.get("/readyz") == 200
    except httpx.TransportError:
        return False


@pytest.mark.parametrize("setting", ["FAIRBOARD_PORT", "FAIRBOARD_FLOWER_PORT"])
def test_an_occupied_port_names_its_setting_and_starts_nothing(folder: Path, setting: str) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as occupant:
        port = occupant.getsockname()[1]
        with Up(folder, **{setting: str(port)}) as refused:
            assert refused.finish() == 2
            assert f"Port {port} on 127.0.0.1" in refused.text
            assert setting in refused.text
            assert not (folder / "data" / "postgres").exists()


def test_a_bad_setting_is_named_and_starts_nothing(folder: Path) -> None:
    with Up(folder, FAIRBOARD_WEB_WORKERS="many") as refused:
        assert refused.finish() == 2
        assert "FAIRBOARD_WEB_WORKERS" in refused.text
        assert "Traceback" not in refused.text


def test_a_signal_during_the_start_ends_everything(folder: Path) -> None:
    with Up(folder) as program:
        program.wait_for("Redis answers|migrations")
        everybody = program.pids()
        program.send(signal.SIGTERM)
        assert program.finish(10) == 0
        assert wait_gone(everybody, 0) == []


def test_it_ends_with_make_even_when_make_is_killed(folder: Path) -> None:
    """`make run` starts it `--with-parent`; a shell stands for make here."""
    environment = {"FAIRBOARD_DATA_DIR": str(folder / "data"), "FAIRBOARD_PORT": str(free_port())}
    environment["FAIRBOARD_FLOWER_PORT"] = str(free_port())
    with Program(["sh", "-c", f"{FAIRBOARD} up --with-parent --players 0; true"], environment) as shell:
        shell.wait_for("Redis answers")
        everybody = shell.pids()
        shell.send(signal.SIGKILL)
        assert wait_gone(everybody, 15) == []


def test_help_names_the_options() -> None:
    result = subprocess.run([FAIRBOARD, "up", "--help"], check=True, capture_output=True, text=True)
    assert "--players" in result.stdout
    assert "--with-parent" not in result.stdout
