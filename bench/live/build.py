"""What the benchmark needs beyond Python: two programs in C, compiled when it runs, and room for many sockets."""

from __future__ import annotations

import resource
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
SPARE = 600
"""File descriptors that a server needs besides its sockets."""
COMPILERS = ("cc", "gcc", "clang")
NO_COMPILER = (
    "The client of this benchmark is a program in C, and there is no C compiler here. "
    "Install one (on Debian and Ubuntu: apt-get install gcc libc6-dev), or name it: CC=/path/to/cc."
)


class CannotRunError(Exception):
    """This machine lacks something; the message says what, and how to get it."""


@dataclass(frozen=True)
class Programs:
    """The compiled programs."""

    crowd: Path
    bare: Path


def compile_programs(folder: Path, compiler: str = "") -> Programs:
    """Compile into a folder. Raises CannotRunError without a compiler."""
    found = next(filter(None, map(_on_path, [compiler] if compiler else COMPILERS)), None)
    if found is None:
        raise CannotRunError(NO_COMPILER)
    return Programs(*(_compile(found, HERE / f"{name}.c", folder / name) for name in ("crowd", "bare")))


def _on_path(name: str) -> str | None:
    """A program of this machine, or what `deploy/setup.sh` has put into this environment where there was none."""
    return shutil.which(name) or shutil.which(name, path=Path(sys.executable).parent)


def _compile(compiler: str, source: Path, program: Path) -> Path:
    argv = [compiler, "-std=c11", "-O2", "-Wall", "-o", str(program), str(source)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CannotRunError(f"{source.name} could not be compiled:\n{done.stderr}")
    return program


def room_for(sizes: list[int]) -> tuple[list[int], str]:
    """The sizes that this machine has room for, and a sentence about those it has not. Raises the limit of files."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    most = hard - SPARE
    small = [size for size in sizes if size <= most]
    if small == sizes:
        return sizes, ""
    small = small or [most]
    return small, f"A process may open {hard:,} files here (ulimit -Hn), so there are {small[-1]:,} sockets at most."
