"""Placing players in Redis: the version guard, the order, the rank, and when the doorbell rings."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from hypothesis import given, strategies as st

from config.catalogue import BOARD
from models.database import autocommit
from services.leaderboard import standings as in_postgresql
from services.leaderboard.board import DOORBELL_MS, Standing, place, publish
from services.leaderboard.keys import BoardKeys
from services.leaderboard.rebuild import rebuild
from services.redis_client import RedisUnavailableError
from services.resources import Resources
from services.sessions import Player
from tests.support.ground import Servers
from tests.support.people import EPOCH, People, a_standing, ranking

KEYS = BoardKeys(BOARD)
_INSERT = (
    "INSERT INTO standings (board, user_id, score, reached_at, version, hidden) "
    "VALUES (:board, :user_id, :score, :reached_at, :version, :hidden)"
)


def test_a_newer_version_replaces_and_an_older_or_equal_one_changes_nothing(resources: Resources) -> None:
    place(resources, BOARD, [a_standing(1, 300, version=3)])
    for stale in (a_standing(1, 100, version=1), a_standing(1, 999, version=3), a_standing(1, 200, version=2)):
        placement = place(resources, BOARD, [stale])
        assert (placement.rank, placement.moved, placement.ring) == (1, False, False)
        assert ranking(resources) == [(1, 300)]
    place(resources, BOARD, [a_standing(1, 50, version=4)])
    assert ranking(resources) == [(1, 50)]


def test_versions_are_compared_as_numbers(resources: Resources) -> None:
    place(resources, BOARD, [a_standing(1, 100, version=9)])
    place(resources, BOARD, [a_standing(1, 200, version=10)])
    place(resources, BOARD, [a_standing(1, 300, version=9)])
    assert ranking(resources) == [(1, 200)]


@given(st.permutations(range(1, 9)), st.lists(st.integers(1, 8)))
def test_placements_may_come_in_any_order_and_any_number_of_times(
    resources: Resources, order: list[int], doubled: list[int]
) -> None:
    resources.redis.flushdb()
    for version in [*order, *doubled]:
        micros = version * 7 % 5
        place(resources, BOARD, [a_standing(1, version * 10 % 40 + 1, micros=micros, version=version)])
    assert ranking(resources) == [(1, 8 * 10 % 40 + 1)]
    assert resources.redis.zcard(KEYS.standings) == 1


def test_equal_scores_rank_by_who_was_first_then_by_the_lower_id(resources: Resources) -> None:
    rows = [
        a_standing(7, 100, micros=2),
        a_standing(8, 100, micros=1),
        a_standing(10, 100, micros=1),
        a_standing(9, 100, micros=1),
        a_standing(1, 99, micros=0),
    ]
    placements = [place(resources, BOARD, [row]).rank for row in rows]
    assert [user for user, _ in ranking(resources)] == [8, 9, 10, 7, 1]
    assert placements == [1, 1, 2, 2, 5]


def test_the_rank_is_that_of_the_last_player_placed(resources: Resources) -> None:
    assert place(resources, BOARD, [a_standing(1, 5), a_standing(2, 9), a_standing(3, 7)]).rank == 2
    assert place(resources, BOARD, [a_standing(1, 5), a_standing(3, 1, version=2)]).rank == 3


@pytest.mark.parametrize(
    ("off", "rank"), [(a_standing(1, 0, version=2), None), (a_standing(1, 4, version=2, hidden=True), 2)]
)
def test_who_has_no_points_or_is_hidden_is_off_the_board_and_the_latter_told_a_rank(
    resources: Resources, off: Standing, rank: int | None
) -> None:
    place(resources, BOARD, [a_standing(1, 10), a_standing(2, 5)])
    placement = place(resources, BOARD, [off])
    assert (placement.rank, placement.moved) == (rank, True)
    assert ranking(resources) == [(2, 5)]
    place(resources, BOARD, [a_standing(1, 10, version=1)])
    assert ranking(resources) == [(2, 5)], "an old placement brought a player back"
    assert place(resources, BOARD, [a_standing(1, 10, version=3)]).rank == 1


def test_moved_says_whether_the_top_10_changed(resources: Resources) -> None:
    place(resources, BOARD, [a_standing(user, 1_000 - user) for user in range(1, 11)])
    assert not place(resources, BOARD, [a_standing(11, 5)]).moved
    assert not place(resources, BOARD, [a_standing(11, 989, version=2)]).moved
    assert place(resources, BOARD, [a_standing(11, 991, version=3)]).moved
    assert not place(resources, BOARD, [a_standing(10, 2, version=2)]).moved
    assert place(resources, BOARD, [a_standing(9, 3, version=2)]).moved, "who leaves the top 10 changes it"
    assert place(resources, BOARD, [a_standing(1, 5_000, version=2)]).moved, "a score inside it changes it"


def test_moved_says_so_when_any_of_several_players_moved_it(resources: Resources) -> None:
    place(resources, BOARD, [a_standing(user, 1_000 - user) for user in range(1, 11)])
    assert place(resources, BOARD, [a_standing(20, 2_000), a_standing(21, 1)]).moved


def test_a_burst_rings_the_doorbell_once(resources: Resources) -> None:
    rings = [place(resources, BOARD, [a_standing(1, n, version=n)]).ring for n in range(1, 50)]
    assert rings == [True] + [False] * 48
    publish(resources, BOARD)
    rings = [place(resources, BOARD, [a_standing(2, n, version=n)]).ring for n in range(1, 50)]
    assert rings == [True] + [False] * 48


def test_a_doorbell_that_nobody_heard_rings_again_after_a_second(resources: Resources) -> None:
    place(resources, BOARD, [a_standing(1, 1)])
    assert 0 < resources.redis.pttl(KEYS.doorbell) <= DOORBELL_MS
    resources.redis.pexpire(KEYS.doorbell, 0)
    assert place(resources, BOARD, [a_standing(1, 2, version=2)]).ring


def test_what_does_not_move_the_top_10_rings_nothing_and_keeps_the_cache(resources: Resources) -> None:
    place(resources, BOARD, [a_standing(user, 1_000) for user in range(1, 11)])
    publish(resources, BOARD)
    assert not place(resources, BOARD, [a_standing(11, 5)]).ring
    assert resources.redis.exists(KEYS.top10)


def test_the_rank_is_not_told_while_the_board_is_not_complete(resources: Resources) -> None:
    resources.redis.flushdb()
    placement = place(resources, BOARD, [a_standing(1, 10)])
    assert placement.rank is None
    assert ranking(resources) == [(1, 10)]


def test_a_completion_has_its_rank_from_postgresql_while_the_board_is_not_complete(
    resources: Resources, people: People, player: Player
) -> None:
    people.complete(people.join(), "puzzle")
    resources.redis.flushdb()
    assert people.complete(player).rank == 2


def test_no_players_are_placed_without_harm(resources: Resources) -> None:
    placement = place(resources, BOARD, [])
    assert (placement.rank, placement.moved, placement.ring) == (None, False, False)


def test_without_redis_placing_says_so(without: Callable[[str], Resources]) -> None:
    with pytest.raises(RedisUnavailableError):
        place(without("redis"), BOARD, [a_standing(1, 10)])


rows = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.booleans()), min_size=1, max_size=14)


@given(rows=rows, scale=st.sampled_from([1, 10**15, 2**53 // 3]), far=st.sampled_from([0, 10**6, 4 * 10**15]))
def test_redis_and_postgresql_agree_on_every_rank(
    servers: Servers, resources: Resources, people: People, rows: list[tuple[int, int, bool]], scale: int, far: int
) -> None:
    users = [row[0] for row in people.execute("SELECT id FROM users ORDER BY id")] or [
        player.user_id for player in people.several(14)
    ]
    servers.superuser("DELETE FROM standings")
    chosen = [
        a_standing(user, score * scale, micros=micros + far, version=n + 1, hidden=hidden)
        for n, (user, (score, micros, hidden)) in enumerate(zip(users, rows, strict=False))
    ]
    for row in chosen:
        people.execute(_INSERT, board=BOARD, **row._asdict())
    rebuild(resources, BOARD)
    ranked = sorted((row for row in chosen if row.ranked), key=lambda row: (-row.score, row.reached_at, row.user_id))
    assert ranking(resources) == [(row.user_id, row.score) for row in ranked]
    assert people.top(100) == ranking(resources)
    with autocommit(resources.engine) as connection:
        for rank, row in enumerate(ranked, start=1):
            found = in_postgresql.rank(
                connection, BOARD, user_id=row.user_id, score=row.score, reached_at=row.reached_at
            )
            assert found == rank


def test_times_are_kept_to_the_microsecond(resources: Resources) -> None:
    late = datetime(2099, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
    first, second = late.replace(microsecond=999_998), late
    for user, at in ((1, second), (2, first), (3, EPOCH)):
        place(resources, BOARD, [Standing(user, "x", 100, at, 1)])
    assert [user for user, _ in ranking(resources)] == [3, 2, 1]
