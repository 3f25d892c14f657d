"""Rows 1, 3, 5, 6, 7 and 16: what happens to PostgreSQL and on the way to it."""

from __future__ import annotations

import shutil
import subprocess
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

import psycopg2
import psycopg2.errors

from drills.faults.common import COMPLETING, POSTS, contest, machine, owner, post_together, settled
from drills.history import Attempt
from drills.link import Deed, Link, Trap
from drills.load import SPARE_MS, round_of
from drills.scene import Drill, Scene
from drills.truth import until
from tests.support.tokens import digest

FULL_BYTES = 65_536
"""PostgreSQL takes a limit on the size of files for a full disk, by its own comment in postmaster.c."""
CUTS = 12


def kill_postmaster(scene: Scene) -> None:
    """`kill -9`, and a supervisor that starts it again at once."""
    scene.site.primary.kill()
    scene.site.primary.start()


def freeze_primary(scene: Scene) -> None:
    """Frozen, then thawed: what it thaws with may not be acknowledged late."""
    begun = scene.load.now()
    scene.site.primary.freeze()
    scene.lasts(scene.seconds(45, 8))
    scene.silent(begun + 0.2)  # Answers that were on their way when it froze may still arrive.
    scene.site.primary.thaw()


def cancel_commits(scene: Scene) -> None:
    """No standby confirms anything, and whoever waits for it is cancelled: committed here, and lost with this node."""
    with _set(scene, "synchronous_standby_names", "nobody"):
        waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
        scene.wait(lambda: scene.site.ask(waiting)[0][0] != 0, "a commit that waits")
        cancel_what_waits(scene)


def cancel_what_waits(scene: Scene) -> None:
    """Cancel every commit that waits for a standby, for some seconds in which none can confirm."""
    begun, cancelled = scene.load.now(), 0
    while scene.load.now() < begun + scene.seconds(10, 4):
        rows = scene.site.ask("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'")
        cancelled += len(rows)
        time.sleep(0.02)
    scene.silent(begun)
    scene.notes.append(f"{cancelled} commits cancelled")
    scene.require("commits that could be cancelled", holds=cancelled > 0)


@contextmanager
def _set(scene: Scene, name: str, value: str) -> Iterator[None]:
    """A setting of PostgreSQL has another value in this block."""
    scene.site.ask(f"ALTER SYSTEM SET {name} = '{value}'")
    scene.site.ask("SELECT pg_reload_conf()")
    try:
        yield
    finally:
        scene.site.ask(f"ALTER SYSTEM RESET {name}")
        scene.site.ask("SELECT pg_reload_conf()")


def cut_answers(scene: Scene) -> None:
    """The commit is done and its answer is lost: a retry with the same token has to tell."""
    cut_answers_on(scene, machine(scene).links["web-database"])


def cut_answers_on(scene: Scene, link: Link) -> None:
    """Cut some on one way to PostgreSQL, and see that retries tell."""
    trap = link.set_trap(Trap((COMPLETING,), Deed.CUT_ANSWER, times=CUTS))
    scene.wait(lambda: trap.times == 0 and trap.sprung.is_set(), "answers that were cut")
    link.mend()
    scene.site.heal()
    scene.wait_for_more(5)
    told = sum(attempt.code == "TOKEN_ALREADY_USED" for attempt in list(scene.load.history.attempts))
    scene.notes.append(f"{CUTS} answers cut, {told} retries told that the first attempt had counted")
    scene.require("retries that tell", holds=told > 0)


def full_disk(scene: Scene) -> None:
    """Nothing can be written to a file of PostgreSQL any more, its log of changes included."""
    before = len(scene.load.history.failures)
    limit_files(scene, scene.site.primary.pids, FULL_BYTES)
    try:
        scene.wait(lambda: len(scene.load.history.failures) > before + 20, "refused writes")
        scene.lasts(scene.seconds(5, 2))
    finally:
        limit_files(scene, scene.site.primary.pids, "unlimited")
    refused = len(scene.load.history.failures) - before
    scene.notes.append(f"{refused} requests were refused while nothing could be written")


def limit_files(scene: Scene, pids: Iterable[int], size: int | str) -> None:
    """Have no file of these processes, and of those that they start, grow beyond a size.

    Only who runs a process may limit it, so that root has to become PostgreSQL's user.
    """
    program, identity = shutil.which("prlimit"), scene.site.identity
    assert program, "prlimit of util-linux is needed"
    for pid in pids:
        subprocess.run(
            [program, "--pid", str(pid), f"--fsize={size}:"],
            check=False,  # It may have ended meanwhile.
            capture_output=True,
            **(identity.popen_arguments() if identity else {}),
        )


def deadlocks(scene: Scene) -> None:
    """Someone else locks in the opposite order; PostgreSQL ends one of the two."""
    before = _deadlocks_seen(scene)
    # By default it looks for one after a second, which is when it gives the statement up anyway.
    with _set(scene, "deadlock_timeout", "600ms"):
        outcomes = [_deadlock(scene, number) for number in range(3)]
    scene.notes.append(f"answers in a deadlock: {', '.join(f'{one.status} {one.code}'.strip() for one in outcomes)}")
    found = until(lambda: _deadlocks_seen(scene) > before, 10)
    scene.require("a deadlock that PostgreSQL has found", holds=found is not None)


def _deadlocks_seen(scene: Scene) -> int:
    counted = scene.site.ask("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
    return int(str(counted[0][0]))


def _deadlock(scene: Scene, number: int) -> Attempt:
    person = scene.spare[number]
    token = scene.load.token(person)
    with owner(scene) as other, other.cursor() as cursor, ThreadPoolExecutor(1) as pool:
        cursor.execute("SELECT FROM action_tokens WHERE hash = decode(%s, 'hex') FOR UPDATE", (digest(token),))
        attempt = pool.submit(scene.load.play, person, token)
        blocked = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query ~ 'complete_timed'"
        # It may be refused before it gets there, as any other is: then there is no deadlock this time.
        scene.wait(lambda: attempt.done() or scene.site.ask(blocked)[0][0] != 0, "a completion that waits")
        if not attempt.done():
            with suppress(psycopg2.errors.DeadlockDetected):  # On a busy machine it may be this one that is ended.
                cursor.execute("SELECT FROM ledger_heads WHERE user_id = %s FOR UPDATE", (person.user_id,))
        other.rollback()
        result = attempt.result(30)
    settled(scene, {token: number})
    return result


def exhausted_pool(scene: Scene) -> None:
    """Every connection waits for a lock, so that nobody else gets one."""
    with owner(scene) as other, other.cursor() as cursor:
        cursor.execute("LOCK TABLE ledger_heads IN ACCESS EXCLUSIVE MODE")
        begun = scene.load.now()
        scene.lasts(scene.seconds(8, 4))
        scene.silent(begun)


def many_posts(scene: Scene) -> None:
    """200 posts of one token over both processes: in peace, and then while PostgreSQL is killed and once it is back."""
    told = [_posts(scene, number, killed=number > 0) for number in range(2 if scene.quick else 5)]
    scene.notes.append(f"answers about {POSTS} posts of one token, by round: {'; '.join(told)}")


def _posts(scene: Scene, number: int, *, killed: bool) -> str:
    """How many posts of one token were paid, and how many were told that another one had been."""
    person = scene.spare[number]
    token = scene.load.token(person)
    scene.lasts((round_of(token) + SPARE_MS) / 1000)  # The player plays.
    killer = threading.Timer(scene.random.uniform(0.0, 0.3), scene.site.primary.kill if killed else lambda: None)
    killer.start()
    attempts = post_together(scene, person, token)
    killer.join()
    scene.site.primary.start()
    scene.wait(scene.site.ready, "readiness")
    if killed:
        attempts += post_together(scene, person, token)
    settled(scene, {token: number})
    return contest(scene, attempts)


DRILLS = (
    Drill("1", "`kill -9` of the postmaster", kill_postmaster, quick=True, outage=5.0),
    Drill("3", "PostgreSQL frozen for 45 s, then thawed", freeze_primary),
    Drill("5", "a backend cancelled in COMMIT", cancel_commits, quick=True),
    Drill("6", "the connection cut after COMMIT, before the reply", cut_answers),
    Drill("7a", "the disk of PostgreSQL full", full_disk),
    Drill("7b", "deadlocks", deadlocks),
    Drill("7c", "a lock that every completion waits for, with its connection in hand", exhausted_pool),
    Drill("16", "200 posts of one token over two processes while PostgreSQL is killed", many_posts, quick=True),
)
