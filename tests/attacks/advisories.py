"""`make advisories ADVISORIES=FOLDER`: the locked versions against a checkout of PyPA's advisory database, offline.

With a network, `pip-audit -r requirements/runtime.txt` asks the same of its service.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from tests.processes import ROOT

LOCKS = ("runtime", "cluster", "dev")


def main() -> None:
    """Print what is known of any locked version; exit 1 if there is something."""
    if len(sys.argv) != 2 or not Path(sys.argv[1], "vulns").is_dir():
        raise SystemExit("Give a checkout of PyPA's advisory-database: make advisories ADVISORIES=FOLDER")
    versions = locked()
    found = [line for name, version in versions.items() for line in known(Path(sys.argv[1], "vulns", name), version)]
    print("\n".join(found))
    print(f"{len(versions)} packages, {len(found)} advisories")
    raise SystemExit(1 if found else 0)


def locked() -> dict[str, Version]:
    """Every package of the locks, with its version."""
    text = "".join((ROOT / "requirements" / f"{name}.txt").read_text("utf-8") for name in LOCKS)
    pins = re.findall(r"^(\S+?)==([^\s;]+)", text, re.MULTILINE)
    return {canonicalize_name(name): Version(version) for name, version in pins}


def known(folder: Path, version: Version) -> Iterator[str]:
    """A line for each advisory that a version is affected by."""
    for file in sorted(folder.glob("*.yaml")):
        advisory = yaml.safe_load(file.read_text("utf-8"))
        if "withdrawn" not in advisory and any(_affects(part, version) for part in advisory.get("affected", ())):
            yield f"{folder.name} {version}: {advisory['id']} {' '.join(advisory.get('aliases', ()))}"


def _affects(part: dict[str, Any], version: Version) -> bool:
    if str(version) in part.get("versions", ()):
        return True
    ranges = [found["events"] for found in part.get("ranges", ()) if found["type"] == "ECOSYSTEM"]
    return any(_within(events, version) for events in ranges)


def _within(events: list[dict[str, str]], version: Version) -> bool:
    """Events are in order: each begins or ends a stretch of affected versions."""
    inside = False
    for event in events:
        for kind, text in event.items():
            at = _version(text)
            if kind == "introduced" and version >= at:
                inside = True
            elif (kind == "fixed" and version >= at) or (kind == "last_affected" and version > at):
                inside = False
    return inside


def _version(text: str) -> Version:
    try:
        return Version(text)
    except InvalidVersion:
        return Version("0")


if __name__ == "__main__":
    main()
