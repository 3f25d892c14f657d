"""`make drill-upgrade`: from a former version to this one and back under load, in the order of docs/production.md.

All parts of a cluster run a former version; its schema is brought up to date, each part is renewed, and then each is
put back. No request may fail, and the judge of the drills has to find nothing. Both versions run on the libraries that
are installed: a changed lock is not tried.
"""

from __future__ import annotations

import argparse
import io
import random
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from deploy.local.cluster import ClusterError
from deploy.local.places import BEATS, FLOWER, LIVE, WEB
from deploy.local.topology import QUEUES
from drills import report
from drills.cluster_site import cluster_site
from drills.faults.common import cluster
from drills.faults.nodes import GROUND, PLAN
from drills.faults.rolling import restart, step
from drills.product import git
from drills.scene import Drill, Result, Scene, carry_out
from drills.truth import until
from tests.processes import ROOT, open_folder

MIGRATIONS = "models/migrations/versions"
ORDER = (*QUEUES, *BEATS, FLOWER, *WEB, *LIVE)
"""Who is renewed when: what takes work comes before what gives it."""
REBUILD_SECONDS = 60.0


def main() -> int:
    """Carry it out and keep what came of it. 1 where something did not hold."""
    arguments = _arguments()
    former = git(ROOT, "rev-parse", "--short=8", arguments.former or before_the_last_migration())
    print(f"from {former}, seed {arguments.seed}", flush=True)
    with former_tree(former) as tree, cluster_site(tree) as site:
        drill = Drill(
            "up", f"{former} to this version and back", lambda scene: there_and_back(scene, tree), GROUND, plan=PLAN
        )
        result = carry_out(site, drill, arguments.seed)
    print(report.HEAD, report.line(result), *result.problems, *result.notes, sep="\n")
    report.keep_section("figures", "upgrade", {"text": _text(former, result)})
    return 0 if result.held else 1


def before_the_last_migration() -> str:
    """The version that the newest migration was made for."""
    newest = git(ROOT, "log", "-1", "--diff-filter=A", "--format=%H", "--", MIGRATIONS)
    assert newest, "without the history of Git, name a version: --former v1.0.0"
    return f"{newest}^"


@contextmanager
def former_tree(version: str) -> Iterator[Path]:
    """The source tree of a version, in a folder that is removed afterwards."""
    program = shutil.which("git") or "git"
    archive = subprocess.run([program, "archive", version], cwd=ROOT, check=True, capture_output=True).stdout
    with open_folder() as folder, tarfile.open(fileobj=io.BytesIO(archive)) as packed:
        packed.extractall(folder, filter="data")
        yield folder


def there_and_back(scene: Scene, tree: Path) -> None:
    """Up to this version and down again, while people play. Says which schema there was before and after."""
    before, schema = len(scene.load.history.failures), _schema(scene)
    cluster(scene).cluster.root = ROOT
    scene.site.command("migrate")
    scene.notes.append(f"the schema went from {schema} to {_schema(scene)}, and stayed there on the way back")
    _move(scene, ROOT)
    _move(scene, tree)
    failed = scene.load.history.failures[before:]
    scene.require(f"no failed request: {len(failed)}, such as {failed[:3]}", holds=not failed)


def _move(scene: Scene, root: Path) -> None:
    """Each part starts anew from another tree, and in the end the board is rebuilt by that version."""
    for name in ORDER:
        cluster(scene).parts[name].root = root
        print(f"{name} from {root}", flush=True)
        step(scene, name, lambda name=name: restart(scene, name))  # type: ignore[misc]
        ran = {psutil.Process(pid).environ().get("PYTHONPATH") for pid in cluster(scene).parts[name].pids}
        scene.require(f"{name} from {root}, not {ran}", holds=ran == {str(root)})
    cluster(scene).cluster.root = root
    until(lambda: _rebuilt(scene), REBUILD_SECONDS)
    scene.wait_for_more(50)


def _rebuilt(scene: Scene) -> bool:
    """The sweep may take a rebuild over."""
    try:
        return "Loaded" in scene.site.command("rebuild")
    except ClusterError as error:
        if "took over" in str(error):
            return False
        raise


def _schema(scene: Scene) -> str:
    return str(scene.site.ask("SELECT version_num FROM alembic_version")[0][0])


def _text(former: str, result: Result) -> str:
    """What was done and seen."""
    verdict = result.verdict
    return (
        f"{len(ORDER)} parts renewed from {former} and put back under load: {verdict.acknowledged:,} acknowledged, "
        f"{len(verdict.lost)} lost, {len(verdict.duplicated)} duplicated, {result.failed} requests failed, "
        f"slowest answer {result.slowest:.1f} s; {'; '.join(result.notes)}; "
        + (f"did not hold: {'; '.join(result.problems)}" if result.problems else "everything held")
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m drills.upgrade", description=__doc__)
    parser.add_argument("--former", help="a tag or commit (the one before the newest migration)")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**31), help="a new one")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
