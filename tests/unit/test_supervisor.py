"""The supervisor with real processes: restarts, order, prefixes, and nobody left behind."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from cli.output import Output
from cli.parts import PARTS, PATIENCE_WITH_POSTGRES, PATIENCE_WITH_REDIS, PLAYERS, STOP_STAGES
from tests.processes import Program, python, wait_gone

# Runs the parts of its first argument until SIGTERM, then ends the stages of its second; SIGINT hurries.
DRIVER = """
import asyncio, json, os, signal, sys
from cli.output import Output
from cli.supervisor import Part, PartFailedError, Supervisor

async def main(specs, stages):
    parts = [Part(**{**spec, "input": spec.get("input", "").encode()}) for spec in specs]
    supervisor = Supervisor(Output(sys.stdout, [part.name for part in parts]), dict(os.environ))
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, asked.set)
    loop.add_signal_handler(signal.SIGINT, supervisor.hurry)
    supervisor.open()
    try:
        for part in parts:
            if part.restart:
                supervisor.start(part)
            else:
                await supervisor.run_to_end(part)
        await asked.wait()
    except PartFailedError as error:
        print("FAILED", error)
    await supervisor.stop(stages)
    print("DRIVER ENDED")

asyncio.run(main(json.loads(sys.argv[1]), json.loads(sys.argv[2])))
"""
SLEEPER = "import os, signal; print('pid', os.getpid()); signal.pause()"
# A part as celery and gunicorn are: a main process with a child that takes no hint from SIGTERM.
FAMILY = """
import os, signal
if os.fork() == 0:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.write(1, b"child %d\\n" % os.getpid())
else:
    os.write(1, b"main %d\\n" % os.getpid())
while True:
    signal.pause()
"""
STUBBORN = """
import signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("started")
while True:
    signal.pause()
"""
POLITE = """
import signal, sys
def end(*_):
    print("ends")
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
print("started")
while True:
    signal.pause()
"""


def part(name: str, code: str, **options: Any) -> dict[str, Any]:
    return {"name": name, "argv": python(code), **options}


def supervise(*parts: dict[str, Any], stages: list[list[str]] | None = None) -> Program:
    return Program(python(DRIVER, json.dumps(parts), json.dumps(stages or [])))


def test_lines_carry_the_aligned_name_of_their_part() -> None:
    say = "import signal; print({!r}); signal.pause()"
    with supervise(part("web", say.format("hello\nthere")), part("leaderboard", say.format("hi"))) as program:
        program.wait_for("there")
        program.wait_for("hi") if "| hi" not in program.text else None
        lines = set(program.text.splitlines())
        assert {"web         | hello", "web         | there", "leaderboard | hi"} <= lines


def test_a_part_that_dies_is_restarted_and_it_says_so_with_a_growing_delay() -> None:
    with supervise(part("web", SLEEPER)) as program:
        first = int(program.wait_for(r"pid (\d+)")[1])
        os.kill(first, signal.SIGKILL)
        program.wait_for(r"^fairboard \| web died \(signal 9\), restarting in 0.5 s$")
        second = int(program.wait_for(r"pid (\d+)")[1])
        os.kill(second, signal.SIGKILL)
        program.wait_for(r"^fairboard \| web died \(signal 9\), restarting in 1 s$")
        assert int(program.wait_for(r"pid (\d+)")[1]) not in {first, second}


def test_an_exit_code_is_named_and_last_words_without_an_end_of_line_are_printed() -> None:
    with supervise(part("web", "import sys; sys.stdout.write('no more'); sys.exit(3)")) as program:
        program.wait_for(r"died \(exit code 3\)")
        program.wait_for(r"web       \| no more$") if "no more" not in program.text else None
        assert "web       | no more\n" in program.text


def test_a_program_that_does_not_exist_is_named_and_tried_again() -> None:
    with supervise({"name": "web", "argv": ["/no/such/program"]}) as program:
        program.wait_for("web cannot be started: .*No such file")
        program.wait_for(r"web died \(did not start\), restarting in 0.5 s")


def test_parts_end_stage_by_stage() -> None:
    names = ["web", "beat", "players"]
    with supervise(*(part(name, POLITE) for name in names), stages=[["players"], ["beat"], ["web"]]) as program:
        for _ in names:
            program.wait_for("started")
        program.send(signal.SIGTERM)
        assert program.finish() == 0
        assert re.findall(r"(\w+) +\| ends", program.text) == ["players", "beat", "web"]
        assert program.pids() == []


def test_a_part_that_will_not_end_is_killed_when_its_patience_ends() -> None:
    with supervise(part("web", STUBBORN, patience=0.3)) as program:
        program.wait_for("started")
        program.send(signal.SIGTERM)
        program.wait_for("web did not end in time and is killed")
        assert program.finish() == 0
        assert program.pids() == []


def test_a_second_signal_hurries() -> None:
    with supervise(part("web", STUBBORN, patience=100), part("beat", POLITE), stages=[["web"], ["beat"]]) as program:
        program.wait_for("started")
        program.wait_for("started")
        program.send(signal.SIGTERM)
        program.send(signal.SIGINT)
        begun = time.monotonic()
        assert program.finish() == 0
        assert time.monotonic() - begun < 5
        assert "beat      | ends" in program.text


def test_kill_9_of_the_supervisor_leaves_nobody() -> None:
    with supervise(part("web", FAMILY), part("worker", FAMILY)) as program:
        for _ in range(4):
            program.wait_for(r"(main|child) \d+")
        family = program.pids()
        # The driver, its guard, two parts and a child of each.
        assert len(family) == 6
        program.send(signal.SIGKILL)
        assert wait_gone(family, 5) == []
        assert program.pids() == []


def test_a_guard_that_was_killed_is_replaced() -> None:
    with supervise(part("web", FAMILY)) as program:
        program.wait_for(r"(main|child) \d+")
        program.wait_for(r"(main|child) \d+")
        (guard,) = program.find("guard.py")
        os.kill(guard, signal.SIGKILL)
        assert wait_gone([guard], 5) == []
        deadline = time.monotonic() + 10
        while not (guards := program.find("guard.py")) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert len(guards) == 1
        family = program.pids()
        program.send(signal.SIGKILL)
        assert wait_gone(family, 5) == []


def test_kill_9_of_a_parts_main_process_takes_its_children_along() -> None:
    with supervise(part("web", FAMILY)) as program:
        lines = [program.wait_for(r"(main|child) (\d+)") for _ in range(2)]
        pids = {line[1]: int(line[2]) for line in lines}
        os.kill(pids["main"], signal.SIGKILL)
        program.wait_for("web died")
        assert wait_gone([pids["child"]], 5) == []


def test_a_command_gets_its_input_and_its_failure_is_known() -> None:
    code = "import sys; print('read', sys.stdin.read()); sys.exit(2)"
    with supervise(part("migrate", code, restart=False, input="a secret")) as program:
        program.wait_for(r"migrate   \| read a secret")
        program.wait_for("FAILED migrate failed")
        assert program.finish() == 0


def test_the_longest_orderly_end_takes_less_than_ten_seconds() -> None:
    patience = {one.name: one.patience for one in (*PARTS, PLAYERS)} | {
        "redis": PATIENCE_WITH_REDIS,
        "postgres": PATIENCE_WITH_POSTGRES,
    }
    assert sum(max(patience[name] for name in stage) for stage in STOP_STAGES) < 9.5
    assert {name for stage in STOP_STAGES for name in stage} == patience.keys()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_colours_are_for_terminals_and_respect_no_color(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    terminal, plain, refused = Terminal(), io.StringIO(), Terminal()
    Output(terminal, ["web"]).line("web", "hi")
    Output(plain, ["web"]).line("web", "hi")
    monkeypatch.setenv("NO_COLOR", "1")
    Output(refused, ["web"]).line("web", "hi")
    assert terminal.getvalue() == "\x1b[35mweb       |\x1b[0m hi\n"
    assert plain.getvalue() == refused.getvalue() == "web       | hi\n"


def test_chatter_is_kept_in_the_log_file_alone(tmp_path: Path) -> None:
    stream = io.StringIO()
    output = Output(stream, ["web"], tmp_path)
    output.line("web", "chatter", hides=re.compile("chat"))
    output.line("web", "news", hides=re.compile("chat"))
    assert stream.getvalue() == "web       | news\n"
    assert (tmp_path / "web.log").read_text() == "chatter\nnews\n"


def test_a_long_log_file_is_begun_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cli.output.LONGEST_FILE", 10)
    output = Output(io.StringIO(), ["web"], tmp_path)
    for text in ("first line", "second line", "3"):
        output.line("web", text)
    assert (tmp_path / "web.log.1").read_text() == "second line\n"
    assert (tmp_path / "web.log").read_text() == "3\n"


def test_a_reader_who_takes_nothing_holds_nobody_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cli.output.PATIENCE_MS", 0)
    reading, writing = os.pipe()
    with os.fdopen(reading) as reader, os.fdopen(writing, "w") as stream:
        output = Output(stream, ["web"], tmp_path)
        for _ in range(2_000):
            output.line("web", "x" * 99)
        held = os.read(reading, 200_000).decode()
        output.line("web", "news")
        stream.close()
        rest = reader.read()
    left_out = 2_000 - held.count("x\n")
    assert left_out > 0
    assert rest == f"... {left_out} lines left out; see {tmp_path}\nweb       | news\n"
    assert len((tmp_path / "web.log").read_text().splitlines()) == 2_001


def test_a_closed_terminal_does_not_end_the_supervisor() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    stream = os.fdopen(writing, "w")
    output = Output(stream, [])
    output.say("nobody reads this")
    with contextlib.suppress(BrokenPipeError):
        stream.close()
    output.say("nor this")
