"""The restore that docs/production.md describes, done: what was in the dump is back, verified, and on the board."""

from __future__ import annotations

import subprocess
from pathlib import Path

from config.catalogue import BOARD
from services.leaderboard.rebuild import rebuild
from services.resources import Resources
from services.verify import verify
from tests.support.ground import Servers, make_settings, opened
from tests.support.people import People, ranking


def run(servers: Servers, program: str, *arguments: str) -> None:
    """One of PostgreSQL's own programs."""
    subprocess.run([str(servers.postgres.bin / program), *arguments], check=True, capture_output=True, timeout=60)


def test_a_dump_brings_everything_back(servers: Servers, resources: Resources, people: People, tmp_path: Path) -> None:
    players = people.several(5)
    for player in players:
        people.complete(player)
    kept = people.top()
    dump = tmp_path / "fairboard.dump"
    run(servers, "pg_dump", "--format=custom", f"--file={dump}", servers.postgres.owner_url)
    people.complete(players[0])
    assert people.top() != kept

    owner = servers.new_database("restored")
    run(servers, "pg_restore", "--no-owner", "--exit-on-error", f"--dbname={owner}", str(dump))
    url = servers.postgres.app_url.rpartition("/")[0] + "/restored"
    with opened(make_settings(servers, database_url=url)) as restored:
        restored.redis.flushall()
        assert rebuild(restored, BOARD) == len(players)
        assert list(verify(restored, BOARD)) == []
        assert ranking(restored) == kept
        assert People(restored).complete(players[1]).new_score > dict(kept)[players[1].user_id], "and play goes on"
