"""`make fuzz SECONDS=60`: coverage-guided fuzzing with Atheris, one target after the other in a process of its own."""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.attacks.outcome import Outcome
from tests.attacks.report import keep

TITLES = {"frames": "the parser of frames", "tokens": "the readers of tokens", "canonical": "canonical JSON"}
NAMES = tuple(TITLES)
WORTH_KEEPING = 60
"""Seconds: shorter runs stay out of docs/attacks.md."""


def main() -> None:
    """Fuzz each target; exit 1 if one of them failed, with the input that did it."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"which of: {', '.join(NAMES)} (all)")
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("--here", nargs=2, help=argparse.SUPPRESS)
    arguments, rest = parser.parse_known_args()
    if arguments.here:
        name, folder = arguments.here
        _fuzz_here(name, folder, rest)
    failed = [name for name in arguments.targets or NAMES if not _fuzz(name, arguments.seconds)]
    print(f"failed: {', '.join(failed)}" if failed else "nothing failed")
    raise SystemExit(1 if failed else 0)


def _fuzz(name: str, seconds: int) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "tests.fuzz", "--here", name, folder]
        done = subprocess.run(
            [*command, f"-max_total_time={seconds}", "-max_len=2048", "-timeout=20", "-rss_limit_mb=2048"],
            capture_output=True,
            text=True,
            check=False,
        )
    told = done.stderr.splitlines()
    summary = [line for line in told if "DONE" in line or line.startswith("Done ")]
    print(f"== {name}: {' | '.join(summary)}")
    if done.returncode:
        print("\n".join(told[-40:]))
    if seconds >= WORTH_KEEPING:
        keep(_outcome(name, told, done.returncode, seconds))
    return done.returncode == 0


def _outcome(name: str, told: list[str], code: int, seconds: int) -> Outcome:
    """What Atheris said at its end."""
    text = "\n".join(told)
    runs, covered = re.findall(r"^Done (\d+) runs", text, re.MULTILINE), re.findall(r"DONE +cov: (\d+)", text)
    found = f"{'nothing' if code == 0 else 'a failure'}; {covered[0] if covered else 'unknown'} branches covered"
    return Outcome(
        f"Atheris on {TITLES[name]}", int(runs[0]) if runs else 0, "nothing fails", found, code == 0, seconds
    )


def _fuzz_here(name: str, folder: str, arguments: list[str]) -> None:
    """Does not return. What is imported under the hook tells Atheris which of its branches were taken."""
    import atheris  # noqa: PLC0415 -- only here, since it is only installed for this

    with atheris.instrument_imports(include=["web", "services", "wsproto", "jwt", "json"]):
        from tests.fuzz import targets  # noqa: PLC0415
    for number, seed in enumerate(targets.seeds(name)):
        Path(folder, f"seed-{number}").write_bytes(seed)
    atheris.Setup([sys.argv[0], folder, *arguments], targets.TARGETS[name]())
    atheris.Fuzz()


if __name__ == "__main__":
    main()
