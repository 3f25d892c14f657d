"""What mends the board: the outbox, the sweep, the rebuild."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import event, text

from config.catalogue import BOARD
from models.database import DatabaseUnavailableError, transaction
from services import reconcile
from services.leaderboard import rebuild as rebuilding
from services.leaderboard.board import place, publish
from services.leaderboard.keys import BoardKeys
from services.leaderboard.rebuild import is_current, rebuild
from services.reconcile import drain_outbox, outbox_backlog, sweep
from services.redis_client import RedisUnavailableError
from services.resources import Resources
from services.sessions import Player
from services.verify import redis_differences, verify
from tests.support.ground import Servers
from tests.support.people import People, a_standing
from tests.support.stack import wait_for

KEYS = BoardKeys(BOARD)


@pytest.fixture
def crowd(people: People) -> list[Player]:
    """Seven players with points that Redis knows."""
    players = people.several(7)
    for player in players:
        people.complete(player)
    drain_outbox(people.resources)
    return players


def outbox(people: People) -> int:
    return int(people.execute("SELECT count(*) FROM outbox")[0][0])


def test_the_outbox_drains_what_a_crash_left_between_commit_and_redis(
    resources: Resources, people: People, crowd: list[Player]
) -> None:
    for player in (*crowd[:3], crowd[0]):
        people.earn(player, 1_000)
    assert drain_outbox(resources) == 4
    assert list(verify(resources, BOARD)) == []
    assert drain_outbox(resources) == 0


def test_draining_what_redis_has_already_changes_nothing(resources: Resources, people: People) -> None:
    people.complete(people.join())
    publish(resources, BOARD)
    assert drain_outbox(resources) == 1
    assert publish(resources, BOARD).outcome == "unchanged"


def test_the_outbox_is_drained_in_batches_to_the_end(
    resources: Resources, people: People, player: Player, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconcile, "DRAIN_BATCH", 3)
    for _ in range(10):
        people.earn(player, 1)
    assert drain_outbox(resources) == 10
    assert outbox(people) == 0


def test_without_redis_the_outbox_keeps_everything(
    without: Callable[[str], Resources], resources: Resources, people: People, player: Player
) -> None:
    people.earn(player, 5)
    with pytest.raises(RedisUnavailableError):
        drain_outbox(without("redis"))
    assert outbox(people) == 1
    assert drain_outbox(resources) == 1


def test_a_drain_skips_rows_that_another_one_holds(
    servers: Servers, resources: Resources, people: People, crowd: list[Player]
) -> None:
    people.earn(crowd[0], 1)
    people.earn(crowd[1], 1)
    with transaction(resources.engine) as connection:
        connection.execute(text("SELECT id FROM outbox ORDER BY id LIMIT 1 FOR UPDATE"))
        assert drain_outbox(resources) == 1
    assert drain_outbox(resources) == 1


def test_the_backlog_tells_rows_and_age(resources: Resources, people: People, player: Player) -> None:
    assert outbox_backlog(resources) == (0, 0.0)
    people.earn(player, 5)
    people.execute("UPDATE outbox SET created_at = now() - interval '5 seconds'")
    rows, age = outbox_backlog(resources)
    assert rows == 1
    assert age == pytest.approx(5, abs=1)


def test_a_sweep_has_nothing_to_do_on_a_board_that_is_there(resources: Resources, crowd: list[Player]) -> None:
    assert sweep(resources, BOARD) is None


def test_a_sweep_mends_the_board_after_a_flush(resources: Resources, people: People, crowd: list[Player]) -> None:
    resources.redis.flushall()
    people.complete(crowd[0])
    assert not is_current(resources, BOARD)
    assert sweep(resources, BOARD) == 7
    assert list(verify(resources, BOARD)) == []


def test_a_sweep_mends_the_board_after_a_restart_that_lost_writes(
    servers: Servers, resources: Resources, people: People, crowd: list[Player]
) -> None:
    """The restarted server has the mark of a complete board from its file, but a run id of its own."""
    resources.redis.bgrewriteaof()
    resources.redis.zrem(KEYS.standings, *resources.redis.zrange(KEYS.standings, 0, 2))
    servers.redis.stop()
    servers.redis.start()
    assert resources.redis.exists(KEYS.loaded)
    assert sweep(resources, BOARD) == 7
    assert list(verify(resources, BOARD)) == []
    assert sweep(resources, BOARD) is None


@pytest.mark.parametrize("lost", [1, 7])
def test_a_sweep_mends_a_board_that_lost_standings_only(resources: Resources, crowd: list[Player], lost: int) -> None:
    resources.redis.zpopmax(KEYS.standings, lost)
    assert sweep(resources, BOARD) == 7
    assert list(verify(resources, BOARD)) == []


def test_newcomers_on_their_way_to_redis_are_not_taken_for_lost(
    resources: Resources, people: People, crowd: list[Player], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a player off the board, those on it are counted; meanwhile a newcomer arrives and another sets out."""
    people.execute("SELECT set_hidden(:id, true)", id=crowd[0].user_id)
    drain_outbox(resources)
    newcomers = iter(people.several(4))
    people.earn(next(newcomers), 5)

    def settle(seconds: float) -> None:
        drain_outbox(resources)
        people.earn(next(newcomers), 5)

    monkeypatch.setattr("services.leaderboard.rebuild.time.sleep", settle)
    assert is_current(resources, BOARD)
    drain_outbox(resources)
    resources.redis.zpopmax(KEYS.standings, 1)
    monkeypatch.setattr("services.leaderboard.rebuild.time.sleep", lambda seconds: None)
    assert not is_current(resources, BOARD)


@pytest.fixture
def counts(resources: Resources) -> Iterator[list[str]]:
    """The statements that counted who belongs on the board."""
    seen: list[str] = []

    def watch(connection: object, cursor: Any, statement: str, *_: object) -> None:
        if statement.startswith("SELECT count(*) FROM standings") and "hidden" in statement:
            seen.append(statement)

    event.listen(resources.engine, "after_cursor_execute", watch)
    yield seen
    event.remove(resources.engine, "after_cursor_execute", watch)


def test_who_is_hidden_is_counted_once_and_who_is_lost_is_found_all_the_same(
    resources: Resources, people: People, crowd: list[Player], counts: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    people.execute("SELECT set_hidden(:id, true)", id=crowd[0].user_id)
    drain_outbox(resources)
    assert [sweep(resources, BOARD) for _ in range(3)] == [None] * 3
    assert len(counts) == 1
    resources.redis.zpopmax(KEYS.standings, 1)
    assert sweep(resources, BOARD) == 7
    assert resources.redis.zcard(KEYS.standings) == 6
    assert [sweep(resources, BOARD) for _ in range(2)] == [None] * 2
    assert len(counts) == 3
    monkeypatch.setattr(rebuilding, "AGREED_SECONDS", 0.0)
    assert sweep(resources, BOARD) is None
    assert len(counts) == 4, "it is asked again now and then"


def test_versions_still_grow_after_redis_came_back_with_older_data(
    resources: Resources, people: People, crowd: list[Player]
) -> None:
    last = publish(resources, BOARD).version
    resources.redis.hincrby(KEYS.published, "version", -5)
    people.execute("UPDATE boards SET redis_run_id = 'another process'")
    assert sweep(resources, BOARD) == 7
    publication = publish(resources, BOARD)
    assert publication.outcome == "published", "what was seen last is not known"
    assert publication.version > last


def test_a_master_that_was_none_meanwhile_may_have_lost_something(resources: Resources, crowd: list[Player]) -> None:
    sweep(resources, BOARD)
    last = publish(resources, BOARD).version
    assert sweep(resources, BOARD) is None
    with resources.redis.client() as connection:  # The same process throughout.
        connection.execute_command("REPLICAOF", "127.0.0.1", 1)
        connection.execute_command("REPLICAOF", "NO", "ONE")
    again = publish(resources, BOARD)
    assert (again.outcome, again.version > last) == ("published", True)
    assert sweep(resources, BOARD) == 7
    assert sweep(resources, BOARD) is None


def test_a_primary_that_took_over_may_lack_what_redis_was_told(
    resources: Resources, crowd: list[Player], monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep(resources, BOARD)
    assert sweep(resources, BOARD) is None
    monkeypatch.setattr(rebuilding, "_TIMELINE", text("SELECT '00000009'"))  # What a promotion makes of it.
    assert sweep(resources, BOARD) == 7
    assert sweep(resources, BOARD) is None


def test_what_a_former_version_wrote_of_redis_is_understood(
    resources: Resources, people: People, crowd: list[Player]
) -> None:
    sweep(resources, BOARD)
    people.execute("UPDATE boards SET redis_run_id = split_part(redis_run_id, ':', 1)")
    assert sweep(resources, BOARD) is None


def test_one_sweep_at_a_time_and_the_other_says_so(
    resources: Resources, people: People, crowd: list[Player], caplog: pytest.LogCaptureFixture
) -> None:
    resources.redis.flushall()
    with transaction(resources.engine) as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": reconcile.SWEEP_LOCK})
        assert sweep(resources, BOARD) is None
        assert "another worker is at rebuilding it" in caplog.text
        assert not is_current(resources, BOARD)
    assert sweep(resources, BOARD) == 7


def test_a_rebuild_removes_who_does_not_belong_and_drops_the_cache(
    resources: Resources, people: People, crowd: list[Player]
) -> None:
    resources.redis.zadd(KEYS.standings, {"0000000000000000:000000000001": 99})
    place(resources, BOARD, [a_standing(1, 10**6)])
    resources.redis.set(KEYS.top10, "old")
    assert rebuild(resources, BOARD) == 7
    assert not resources.redis.exists(KEYS.top10, KEYS.rebuilding, KEYS.new_standings, KEYS.new_players)
    assert resources.redis.ttl(KEYS.standings) == resources.redis.ttl(KEYS.players) == -1
    assert list(verify(resources, BOARD)) == []


def test_a_rebuild_of_nobody_leaves_an_empty_board(resources: Resources) -> None:
    place(resources, BOARD, [a_standing(1, 10)])
    assert rebuild(resources, BOARD) == 0
    assert resources.redis.zcard(KEYS.standings) == 0
    assert is_current(resources, BOARD)


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A rebuild in steps of two players."""
    monkeypatch.setattr(rebuilding, "CHUNK", 2)


@pytest.mark.usefixtures("small_chunks")
def test_completions_and_reversals_during_a_rebuild_are_in_the_new_board(
    resources: Resources, people: People, crowd: list[Player]
) -> None:
    """After each chunk, to players that are loaded already and to some that are not."""
    turns, suspects = iter(crowd[:4] * 2), iter([crowd[4], crowd[6], crowd[5], crowd[4]])

    def play(done: int, total: int) -> None:
        people.complete(next(turns))
        people.complete(next(turns))
        suspect = next(suspects)
        people.hide(suspect, hidden=done < 7)
        people.place(suspect)

    assert rebuild(resources, BOARD, play) == 7
    assert list(verify(resources, BOARD)) == []


@pytest.mark.usefixtures("small_chunks")
def test_a_placement_that_comes_late_during_a_rebuild_changes_nothing(
    resources: Resources, people: People, crowd: list[Player]
) -> None:
    def repeat(done: int, total: int) -> None:
        place(resources, BOARD, [a_standing(player.user_id, 10**6, version=0) for player in crowd])

    assert rebuild(resources, BOARD, repeat) == 7
    assert list(verify(resources, BOARD)) == []


@pytest.mark.usefixtures("small_chunks")
def test_newcomers_during_a_rebuild_are_in_the_new_board(
    resources: Resources, people: People, crowd: list[Player]
) -> None:
    def join(done: int, total: int) -> None:
        people.complete(people.join())

    assert rebuild(resources, BOARD, join) == 7
    assert resources.redis.zcard(KEYS.standings) == 11
    assert list(verify(resources, BOARD)) == []


@pytest.mark.usefixtures("small_chunks")
def test_a_rebuild_shows_its_progress(resources: Resources, crowd: list[Player]) -> None:
    seen: list[tuple[int, int]] = []
    rebuild(resources, BOARD, lambda done, total: seen.append((done, total)))
    assert seen == [(2, 7), (4, 7), (6, 7), (7, 7)]


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("when", [2, 7])
def test_a_rebuild_that_another_took_over_says_so_and_harms_nothing(
    resources: Resources, people: People, crowd: list[Player], when: int
) -> None:
    def take_over(done: int, total: int) -> None:
        if done == when:
            assert rebuild(resources, BOARD) == 7

    assert rebuild(resources, BOARD, take_over) is None
    assert list(verify(resources, BOARD)) == []


@pytest.mark.usefixtures("small_chunks")
def test_a_rebuild_that_began_to_take_over_and_died_does_not_empty_the_board(
    resources: Resources, people: People, crowd: list[Player], monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object) -> Any:
        raise RedisUnavailableError

    def begin_and_die(done: int, total: int) -> None:
        if done == 7:
            with monkeypatch.context() as patch:
                patch.setattr(rebuilding, "_load", die)
                with pytest.raises(RedisUnavailableError):
                    rebuild(resources, BOARD)

    assert rebuild(resources, BOARD, begin_and_die) is None
    assert resources.redis.zcard(KEYS.standings) == 7
    assert list(verify(resources, BOARD)) == []


def test_nobody_sees_an_empty_board_while_rebuilds_take_over_from_each_other(
    resources: Resources, crowd: list[Player]
) -> None:
    with ThreadPoolExecutor(2) as threads:
        rebuilds = [threads.submit(rebuild, resources, BOARD) for _ in range(60)]
        sizes = set()
        while not all(one.done() for one in rebuilds):
            sizes.add(resources.redis.zcard(KEYS.standings))
    assert sizes == {7}
    assert [one.result() for one in rebuilds if one.result()]
    assert list(verify(resources, BOARD)) == []


def test_a_rebuild_without_postgresql_leaves_the_old_board(
    without: Callable[[str], Resources], resources: Resources, crowd: list[Player]
) -> None:
    with pytest.raises(DatabaseUnavailableError):
        rebuild(without("postgres"), BOARD)
    assert resources.redis.zcard(KEYS.standings) == 7
    assert list(redis_differences(resources, BOARD, lambda *_: None)) == []


def test_a_dead_rebuild_is_forgotten_after_a_minute(resources: Resources, crowd: list[Player]) -> None:
    def die(done: int, total: int) -> None:
        assert 0 < resources.redis.ttl(KEYS.rebuilding) <= 60
        (name,) = resources.quick.call(("GET", KEYS.rebuilding))
        wait_for(lambda: all(0 < resources.redis.ttl(key) <= 60 for key in KEYS.copy(name.decode())))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        rebuild(resources, BOARD, die)
    assert resources.redis.keys("leaderboard:*:rebuild*") == []
    assert rebuild(resources, BOARD) == 7
