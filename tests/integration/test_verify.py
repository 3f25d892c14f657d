"""`fairboard verify` finds whatever was changed behind our back: each test breaks one thing and reads the report."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import text

from config.catalogue import BOARD
from models.database import autocommit
from services import scoring, verify as verifying
from services.leaderboard.keys import BoardKeys, member
from services.resources import Resources
from services.sessions import Player
from tests.support.ground import Servers
from tests.support.people import People

KEYS = BoardKeys(BOARD)
Report = Callable[[], list[str]]


@pytest.fixture
def report(resources: Resources, monkeypatch: pytest.MonkeyPatch) -> Report:
    """The differences, without waiting for completions that are on their way."""
    monkeypatch.setattr(verifying, "SETTLE_SECONDS", 0.0)
    return lambda: list(verifying.verify(resources, BOARD))


@pytest.fixture
def played(resources: Resources, people: People, player: Player, report: Report) -> list[int]:
    """A player's three entries among those of others."""
    for who in (people.join(), player, people.join()):
        people.complete(who)
        people.complete(who, "puzzle")
        scoring.complete_once(resources, who, action_type="referral", data={"code": "ABCD-1234"})
    assert report() == []
    return people.entries(player)


def test_all_is_well_on_an_empty_board(report: Report) -> None:
    assert report() == []


@pytest.mark.parametrize(
    "change",
    [
        "points = points + 1",
        "claimed_ms = 1",
        "elapsed_ms = 999999",
        "action_type = 'reaction2'",
        "kind = 'once'",
        "board = 'other'",
        "token_hash = 'x'",
        "created_at = created_at + interval '1 microsecond'",
        "data = '{}'",
        "hash = sha256('x')",
        "previous_hash = sha256('x')",
    ],
)
def test_a_changed_entry_is_found(
    servers: Servers, player: Player, played: list[int], report: Report, change: str
) -> None:
    servers.superuser(f"UPDATE ledger_entries SET {change} WHERE id = %s", played[1])  # noqa: S608 -- from the list above
    assert f"ledger: user {player.user_id}: entry 2 (id {played[1]}) was changed" in report()


def test_changed_data_of_a_once_action_are_found(
    servers: Servers, player: Player, played: list[int], report: Report
) -> None:
    servers.superuser("""UPDATE ledger_entries SET data = '{"code": "ABCD-1235"}' WHERE id = %s""", played[2])
    assert report() == [f"ledger: user {player.user_id}: entry 3 (id {played[2]}) was changed"]


@pytest.mark.parametrize("which", [0, 1])
def test_an_entry_removed_from_the_middle_is_found(
    servers: Servers, player: Player, played: list[int], report: Report, which: int
) -> None:
    servers.superuser("DELETE FROM ledger_entries WHERE id = %s", played[which])
    assert f"ledger: user {player.user_id}: entry {which + 1} is missing" in report()


def test_a_removed_last_entry_is_found(servers: Servers, player: Player, played: list[int], report: Report) -> None:
    servers.superuser("DELETE FROM ledger_entries WHERE id = %s", played[-1])
    assert f"ledger: user {player.user_id}: the chain does not end where its head says" in report()


def test_a_removed_history_is_found(servers: Servers, player: Player, played: list[int], report: Report) -> None:
    servers.superuser("DELETE FROM ledger_entries WHERE user_id = %s", player.user_id)
    assert f"ledger: user {player.user_id}: the chain does not end where its head says" in report()


def test_an_inserted_entry_is_found_even_with_a_hash_that_fits(
    servers: Servers, player: Player, played: list[int], report: Report
) -> None:
    servers.superuser(
        "INSERT INTO ledger_entries (user_id, seq, board, action_type, kind, points, created_at, previous_hash, hash) "
        "SELECT user_id, 4, board, 'gift', 'timed', 1000, created_at, hash, ledger_hash(hash, user_id, 4, board, "
        "'gift', 'timed', 1000, NULL, NULL, NULL, NULL, NULL, created_at) FROM ledger_entries WHERE id = %s",
        played[-1],
    )
    assert f"ledger: user {player.user_id}: the chain does not end where its head says" in report()


def test_an_entry_moved_to_another_player_is_found(
    servers: Servers, people: People, played: list[int], report: Report
) -> None:
    friend = people.join()
    servers.superuser("UPDATE ledger_entries SET user_id = %s, seq = 1 WHERE id = %s", friend.user_id, played[-1])
    assert f"ledger: user {friend.user_id}: entry 1 (id {played[-1]}) was changed" in report()


@pytest.mark.parametrize("change", ["score = score + 1", "reached_at = reached_at - interval '1 microsecond'"])
def test_a_changed_standing_is_found(
    servers: Servers, player: Player, played: list[int], report: Report, change: str
) -> None:
    servers.superuser(f"UPDATE standings SET {change} WHERE user_id = %s", player.user_id)  # noqa: S608 -- as above
    assert any(line.startswith(f"standings: {BOARD}: user {player.user_id}: the ledger says 750") for line in report())


def test_a_missing_and_a_made_up_standing_are_found(
    servers: Servers, people: People, player: Player, played: list[int], report: Report
) -> None:
    servers.superuser("UPDATE standings SET user_id = %s WHERE user_id = %s", people.join().user_id, player.user_id)
    found = [line for line in report() if line.startswith("standings")]
    assert any(line.endswith("the ledger says 750, the standing says None") for line in found)
    assert any(line.endswith("the ledger says None, the standing says 750") for line in found)


@pytest.mark.parametrize("fields", ["'timed', 9, NULL, NULL, 5, 6, NULL", "'timed', 9, sha256('x'), NULL, 6, 5, NULL"])
def test_an_entry_that_the_server_would_not_write_is_found_even_in_a_whole_chain(
    servers: Servers, player: Player, people: People, played: list[int], report: Report, fields: str
) -> None:
    servers.superuser(f"SELECT append_entry(%s, 'global', 'gift', {fields})", player.user_id)
    people.place(player)
    entry = people.entries(player)[-1]
    assert report() == [f"ledger: user {player.user_id}: entry 4 (id {entry}) is none that the server would write"]


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ("users SET status = 'suspended' WHERE id", "is suspended, but shown"),
        ("standings SET hidden = true WHERE user_id", "is active, but hidden"),
    ],
)
def test_who_is_wrongly_shown_or_hidden_is_found(
    servers: Servers, player: Player, played: list[int], report: Report, change: str, found: str
) -> None:
    servers.superuser(f"UPDATE {change} = %s", player.user_id)
    assert f"standings: {BOARD}: user {player.user_id} {found}" in report()


def test_a_changed_score_in_redis_is_found(
    resources: Resources, people: People, player: Player, played: list[int], report: Report
) -> None:
    standing = people.standing(player)
    resources.redis.zincrby(KEYS.standings, 1, member(player.user_id, standing.reached_at))
    assert report() == [f"redis: {BOARD}: user {player.user_id}: PostgreSQL says score 750, version {standing.version}"]


@pytest.mark.parametrize("value", [b"9|x|y", None])
def test_a_changed_or_lost_player_in_redis_is_found(
    resources: Resources, player: Player, played: list[int], report: Report, value: bytes | None
) -> None:
    resources.redis.hdel(KEYS.players, str(player.user_id))
    if value:
        resources.redis.hset(KEYS.players, str(player.user_id), value)
    assert any(f"redis: {BOARD}: user {player.user_id}:" in line for line in report())


def test_an_extra_member_in_redis_is_found(resources: Resources, played: list[int], report: Report) -> None:
    resources.redis.zadd(KEYS.standings, {"0000000000000000:000000000000": 5})
    assert report() == [f"redis: {BOARD}: +1 players on the board compared with PostgreSQL"]


def test_a_placement_that_redis_missed_is_found(
    people: People, player: Player, played: list[int], report: Report
) -> None:
    people.earn(player, 5)
    assert any(f"user {player.user_id}: PostgreSQL says score 755" in line for line in report())


def test_a_placement_that_arrives_meanwhile_is_no_difference(
    resources: Resources, people: People, player: Player, played: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    people.earn(player, 5)
    monkeypatch.setattr(verifying, "SETTLE_SECONDS", 5.0)
    looked: list[object] = []
    confirm = verifying._confirm

    def arrive_after_the_first_look(*arguments: Any) -> list[str]:
        found = confirm(*arguments)
        if not looked:
            people.place(player)
        looked.append(found)
        return found

    monkeypatch.setattr(verifying, "_confirm", arrive_after_the_first_look)
    assert list(verifying.verify(resources, BOARD)) == []
    assert len(looked) == 2


def test_hashes_are_computed_as_documented(resources: Resources, player: Player, played: list[int]) -> None:
    with autocommit(resources.engine) as connection:
        rows = connection.execute(
            text("SELECT * FROM ledger_entries WHERE user_id = :id ORDER BY seq"), {"id": player.user_id}
        ).all()
    first, third = rows[0], rows[2]
    assert bytes(first.previous_hash) == bytes(32)
    micros = int(first.created_at.timestamp()) * 1_000_000 + first.created_at.microsecond
    token = bytes(first.token_hash).hex()
    message = f"{player.user_id}|1|global|reaction|timed|100|{token}||5000|{first.elapsed_ms}||{micros}"
    assert bytes(first.hash) == hashlib.sha256(bytes(32) + message.encode()).digest()
    assert bytes(third.previous_hash) == bytes(rows[1].hash)


def test_progress_covers_every_entry_and_player(resources: Resources, played: list[int]) -> None:
    seen: dict[str, tuple[int, int]] = {}
    assert list(verifying.verify(resources, BOARD, lambda step, done, total: seen.update({step: (done, total)}))) == []
    assert seen == {"ledger": (9, 9), "redis": (3, 3)}
