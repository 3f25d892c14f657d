"""A Python for Patroni that the user of PostgreSQL can run, who may not see ours (a virtual environment in /root)."""

from __future__ import annotations

import hashlib
import secrets
import shutil
import sys
import sysconfig
from collections.abc import Iterator
from importlib.metadata import Distribution, distribution
from importlib.util import find_spec
from pathlib import Path

from packaging.requirements import Requirement

from cli.embedded.identity import Identity, let_all_read, open_elsewhere

WANTED = Requirement("patroni[etcd3]"), Requirement("psycopg2-binary")
LEFT_OUT = shutil.ignore_patterns(
    "site-packages", "test", "tests", "idlelib", "tkinter", "config-*", "ensurepip", "*.a"
)


def python_for(identity: Identity | None) -> tuple[Path, dict[str, str]]:
    """An interpreter that `identity` can run and that has Patroni, and the environment that it needs."""
    ours = Path(sys.executable)
    spec = find_spec("patroni")
    if identity is None or (spec and spec.origin and _all_readable(identity, ours, Path(spec.origin))):
        return ours, {}
    copy = _copy()
    return copy / "bin" / "python", {
        "PYTHONHOME": str(copy),
        "PYTHONPATH": str(copy / "site"),
        "LD_LIBRARY_PATH": str(copy / "lib"),
    }


def _all_readable(identity: Identity, *paths: Path) -> bool:
    return all(identity.can_read(one) for path in paths for one in (path, path.resolve()))


def _copy() -> Path:
    """A copy of the interpreter and of Patroni with what it needs, made once for each set of versions."""
    parts = sorted(_closure(), key=lambda one: one.name)
    mark = hashlib.sha256("|".join([sys.version, *(f"{one.name} {one.version}" for one in parts)]).encode())
    copy = open_elsewhere() / f"python-{mark.hexdigest()[:12]}"
    if not copy.exists():
        unfinished = copy.with_name(f".{copy.name}-{secrets.token_hex(4)}")
        _copy_interpreter(unfinished)
        for part in parts:
            _copy_distribution(part, unfinished / "site")
        let_all_read(unfinished)
        unfinished.rename(copy)
    return copy


def _copy_interpreter(target: Path) -> None:
    library = Path(sysconfig.get_path("stdlib"))
    shutil.copytree(library, target / "lib" / library.name, ignore=LEFT_OUT)
    for shared in library.parent.glob("libpython*.so*"):
        shutil.copy2(shared, target / "lib" / shared.name)
    (target / "bin").mkdir()
    shutil.copy2(Path(sys.executable).resolve(), target / "bin" / "python")


def _copy_distribution(part: Distribution, target: Path) -> None:
    for file in part.files or ():
        if ".." not in file.parts:
            destination = target / file
            destination.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(Path(str(file.locate())), destination)


def _closure() -> Iterator[Distribution]:
    """What is wanted, and all that it requires."""
    seen: set[tuple[str, str]] = set()
    names: set[str] = set()
    waiting = list(WANTED)
    while waiting:
        requirement = waiting.pop()
        found = distribution(requirement.name)
        if found.name not in names:
            names.add(found.name)
            yield found
        for extra in {"", *requirement.extras}:
            if (found.name, extra) in seen:
                continue
            seen.add((found.name, extra))
            needs = map(Requirement, found.requires or ())
            waiting += [one for one in needs if not one.marker or one.marker.evaluate({"extra": extra})]
