"""Who runs an embedded server, and where that user can reach its programs and its data.

PostgreSQL refuses to run as root, so root starts the servers as `nobody`, or as the owner of data that exists already.
What that user cannot reach, because a folder above is closed (a checkout in /root), is put under /var/lib/fairboard.
"""

from __future__ import annotations

import os
import secrets
import shutil
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

NOBODY = 65534
ELSEWHERE = Path("/var/lib/fairboard")


@dataclass(frozen=True)
class Identity:
    """The user and the group of a server."""

    user: int
    group: int

    def popen_arguments(self) -> dict[str, Any]:
        """What makes `subprocess.Popen` start a program as this user."""
        return {"user": self.user, "group": self.group, "extra_groups": []}

    def can_read(self, path: Path) -> bool:
        """Whether this user can open a path: every folder above it is open, and so is it itself."""
        return self._has(path, stat.S_IROTH) and all(self._has(parent, stat.S_IXOTH) for parent in path.parents)

    def _has(self, path: Path, bit: int) -> bool:
        status = path.stat()
        if status.st_uid == self.user:
            return bool(status.st_mode & bit << 6)
        return bool(status.st_mode & (bit << 3 if status.st_gid == self.group else bit))


def home_for(link: Path) -> tuple[Path, Identity | None]:
    """The folder of a server's data, made if need be, and who runs the server (None: who runs us).

    Where that user cannot reach `link`, `link` becomes a symbolic link to a folder that can be reached.
    """
    link.parent.mkdir(parents=True, exist_ok=True)
    if os.geteuid() != 0:
        link.mkdir(mode=0o700, exist_ok=True)
        return link, None
    if not link.exists():
        _make_home(link)
    home = link.resolve()
    owner = home.stat()
    if owner.st_uid == 0:
        os.chown(home, NOBODY, NOBODY)
        return home, Identity(NOBODY, NOBODY)
    return home, Identity(owner.st_uid, owner.st_gid)


def _make_home(link: Path) -> None:
    link.unlink(missing_ok=True)
    nobody = Identity(NOBODY, NOBODY)
    if nobody.can_read(link.parent.resolve()):
        link.mkdir(mode=0o700)
        return
    home = open_elsewhere() / f"{link.name}-{secrets.token_hex(4)}"
    home.mkdir(mode=0o700)
    link.symlink_to(home)


def reachable_program(program: Path, needs: Sequence[Path], identity: Identity | None) -> Path:
    """The program itself, or a copy that `identity` can run; `needs` are the folders to copy, `program` being in one.

    The folders keep their places next to each other, since programs find their libraries by them.
    """
    if identity is None or identity.can_read(program):
        return program
    root = Path(os.path.commonpath(needs)) if len(needs) > 1 else needs[0].parent
    status = program.stat()
    copy = open_elsewhere() / f"programs-{program.name}-{status.st_size}-{status.st_mtime_ns}"
    if not copy.exists():
        unfinished = copy.with_name(f".{copy.name}-{secrets.token_hex(4)}")
        for folder in needs:
            shutil.copytree(folder, unfinished / folder.relative_to(root), symlinks=True)
        let_all_read(unfinished)
        unfinished.rename(copy)
    return copy / program.relative_to(root)


def write_private(path: Path, text: str, identity: Identity | None) -> None:
    """Write a new file that only `identity` can read. Links that lie in its place are not followed."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
        file.write(text)
        if identity:
            os.fchown(file.fileno(), identity.user, identity.group)


def open_elsewhere() -> Path:
    """The folder for what the users of servers cannot reach where it is. Everybody can look into it."""
    ELSEWHERE.mkdir(parents=True, exist_ok=True)
    ELSEWHERE.chmod(0o755)
    return ELSEWHERE


def let_all_read(top: Path) -> None:
    """Open a folder with all that is in it to everybody's eyes."""
    for folder, _, files in os.walk(top):
        Path(folder).chmod(0o755)
        for path in (Path(folder, name) for name in files):
            if not path.is_symlink():
                path.chmod(0o755 if path.stat().st_mode & stat.S_IXUSR else 0o644)
