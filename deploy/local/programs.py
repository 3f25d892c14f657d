"""Programs that no wheel brings: from the PATH, or from a Debian package that is unpacked and not installed."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

PACKAGES = {"etcd": "etcd-server", "prometheus": "prometheus", "promtool": "prometheus"}
"""Programs, and the Debian packages that have them. Each is one file that needs nothing else."""
UNPACKED = Path(sys.prefix) / "debian"
"""Inside the virtual environment, so that `make clean` removes it as well."""


class ProgramMissingError(Exception):
    """A program is not on this machine and could not be fetched; the message says what to install."""


def find_program(name: str) -> Path:
    """Where a program is. Fetches its Debian package at the first call. Raises ProgramMissingError."""
    unpacked = UNPACKED / name
    if found := shutil.which(name):
        return Path(found)
    if not unpacked.exists():
        UNPACKED.mkdir(parents=True, exist_ok=True)
        with (UNPACKED / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not unpacked.exists():
                _fetch(name, unpacked)
    return unpacked


def _fetch(name: str, target: Path) -> None:
    package = PACKAGES[name]
    with tempfile.TemporaryDirectory(dir=UNPACKED) as folder:
        if not (_run("apt-get", "download", package, cwd=folder) or _run_again(package, folder)):
            raise ProgramMissingError(f"{name} was not found on the PATH. Install it (Debian: {package}).")
        (archive,) = Path(folder).glob("*.deb")
        subprocess.run(["dpkg-deb", "-x", archive, folder], check=True)  # noqa: S607 -- Debian's own, on the PATH
        program = Path(folder, "usr", "bin", name)
        program.chmod(0o755)
        program.rename(target)


def _run_again(package: str, folder: str) -> bool:
    """A new machine has no list of packages yet."""
    return _run("apt-get", "update", cwd=folder) and _run("apt-get", "download", package, cwd=folder)


def _run(*argv: str, cwd: str) -> bool:
    try:
        return subprocess.run(argv, cwd=cwd, check=False, capture_output=True).returncode == 0
    except FileNotFoundError:
        return False


if __name__ == "__main__":
    try:
        sys.stdout.write(f"{find_program(sys.argv[1])}\n")
    except ProgramMissingError as error:
        sys.exit(str(error))
