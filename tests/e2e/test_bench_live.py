"""The benchmark of the live board runs, in small, so that it does not rot; without its peer, which comes from npm."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from bench.live.build import NO_COMPILER, CannotRunError, Programs, compile_programs
from tests.processes import Program

SECONDS = 240.0
"""A quarter of a minute on an idle machine, and this on one that runs other tests."""


def bench_live(*options: object, **environment: str) -> tuple[int, str]:
    argv = [sys.executable, "-m", "bench.live", "--quick", "--without-peer", *map(str, options)]
    with Program(argv, environment) as program:
        return program.finish(SECONDS), program.text


@pytest.mark.slow
@pytest.mark.timeout(SECONDS + 20)
def test_it_measures_every_client_and_writes_a_table_and_a_plot(tmp_path: Path) -> None:
    code, output = bench_live("--output", tmp_path)
    assert code == 0, output
    table, plot = (tmp_path / name for name in ("live.md", "live.svg"))
    assert re.search(r"^\| 200 \| Fairboard \| [\d.]+ / [\d.]+ \|", table.read_text(), re.MULTILINE), output
    assert re.search(r"^\| 200 \| bare loop \|", table.read_text(), re.MULTILINE), output
    for none in (
        "not on the last version at rest",
        "that no frame showed",
        "twice or out of order",
        "that were closed",
    ):
        assert re.search(rf"^\| [^|]*{none} \| 0 \| 0 \|", table.read_text(), re.MULTILINE), output
    assert plot.read_text().startswith("<svg ")


def test_a_compiler_of_the_environment_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(CannotRunError):
        compile_programs(tmp_path)
    compiler = tmp_path / "cc"
    compiler.write_text("#!/bin/sh\n")
    compiler.chmod(0o755)
    assert compile_programs(tmp_path) == Programs(tmp_path / "crowd", tmp_path / "bare")


def test_without_a_compiler_it_says_so() -> None:
    code, output = bench_live(CC="no-such-compiler")
    assert code == 1
    assert output.strip() == NO_COMPILER
