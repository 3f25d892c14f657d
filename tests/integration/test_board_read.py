"""Reading the board by cache-aside: what is a hit, what drops the cache, who fills it; and what an outage leaves."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from config.catalogue import BOARD
from services.errors import ServiceUnavailable
from services.leaderboard import reading
from services.leaderboard.board import CACHE_SECONDS, place, publish
from services.leaderboard.keys import BoardKeys
from services.leaderboard.reading import BoardAnswer, read_board
from services.resources import Resources
from services.sessions import Player
from tests.support.ground import Servers, borrowed
from tests.support.people import People, a_standing

KEYS = BoardKeys(BOARD)


def scores(answer: BoardAnswer) -> list[tuple[int, int]]:
    return [(row["userId"], row["score"]) for row in json.loads(answer.body)["leaderboard"]]


def version(answer: BoardAnswer) -> int:
    return int(json.loads(answer.body)["version"])


def test_the_first_read_is_a_miss_and_the_second_a_hit_of_the_same_bytes(
    resources: Resources, people: People, player: Player
) -> None:
    people.complete(player)
    first, second = read_board(resources, BOARD), read_board(resources, BOARD)
    assert (first.cached, second.cached) == (False, True)
    assert first.body == second.body
    assert scores(first) == [(player.user_id, 100)]
    assert 0 < resources.redis.pttl(KEYS.top10) <= CACHE_SECONDS * 1000


def test_an_empty_board_is_an_answer(resources: Resources) -> None:
    answer = read_board(resources, BOARD)
    assert json.loads(answer.body)["leaderboard"] == []
    assert read_board(resources, BOARD).cached


def test_a_move_drops_the_cache_at_once(resources: Resources, people: People, player: Player) -> None:
    for points in (100, 200, 300):
        people.complete(player)
        answer = read_board(resources, BOARD)
        assert (answer.cached, scores(answer)) == (False, [(player.user_id, points)])


def test_a_published_board_is_a_hit(resources: Resources, people: People, player: Player) -> None:
    people.complete(player)
    published = publish(resources, BOARD)
    answer = read_board(resources, BOARD)
    assert (answer.cached, version(answer)) == (True, published.version)


def test_a_miss_after_publishing_says_the_same_time_and_version(
    resources: Resources, people: People, player: Player
) -> None:
    people.complete(player)
    publish(resources, BOARD)
    hit = read_board(resources, BOARD)
    resources.redis.delete(KEYS.top10)
    miss = read_board(resources, BOARD)
    assert (hit.cached, miss.cached) == (True, False)
    assert hit.body == miss.body


@contextmanager
def slow_postgresql(servers: Servers) -> Iterator[None]:
    """While the block lasts, reading the standings does not come to an end."""
    with borrowed(servers.postgres.connect()) as connection:
        connection.autocommit = False
        connection.cursor().execute("LOCK TABLE standings IN ACCESS EXCLUSIVE MODE")
        yield


def slow_read(servers: Servers, resources: Resources, meanwhile: Callable[[], object]) -> BoardAnswer:
    """A read whose query takes as long as `meanwhile`."""
    with ThreadPoolExecutor() as threads:
        with slow_postgresql(servers):
            answer = threads.submit(read_board, resources, BOARD)
            servers.wait_until_blocked("FROM standings")
            meanwhile()
        return answer.result(timeout=20)


def test_many_misses_at_once_are_filled_by_one(
    servers: Servers, resources: Resources, people: People, player: Player, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "FILL_MS", 20_000)
    people.complete(player)
    with ThreadPoolExecutor(8) as threads:
        with slow_postgresql(servers):
            answers = [threads.submit(read_board, resources, BOARD) for _ in range(8)]
            servers.wait_until_blocked("FROM standings")
        found = [answer.result(timeout=20) for answer in answers]
    assert [answer.cached for answer in found].count(False) == 1
    assert len({answer.body for answer in found}) == 1


def test_a_board_that_moved_while_it_was_read_is_not_cached(
    servers: Servers, resources: Resources, people: People, player: Player
) -> None:
    people.complete(player)
    old = slow_read(servers, resources, lambda: place(resources, BOARD, [a_standing(1, 10_000)]))
    assert not old.cached
    assert resources.redis.get(KEYS.top10) is None
    assert resources.redis.get(KEYS.cache_lock) is None


def test_a_board_that_did_not_move_while_it_was_read_is_cached(
    servers: Servers, resources: Resources, people: People, player: Player
) -> None:
    people.complete(player)
    answer = slow_read(servers, resources, lambda: None)
    assert resources.redis.get(KEYS.top10) == answer.body


def test_readers_do_not_wait_for_ever_for_one_that_fills(
    resources: Resources, people: People, player: Player, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "FILL_MS", 50)
    people.complete(player)
    resources.redis.set(KEYS.cache_lock, "somebody who died")
    assert scores(read_board(resources, BOARD)) == [(player.user_id, 100)]


@pytest.mark.parametrize("limit", [1, 3, 9, 11, 100])
def test_other_limits_come_from_postgresql(resources: Resources, people: People, limit: int) -> None:
    for n, player in enumerate(people.several(12)):
        people.earn(player, 100 - n)
    answer = read_board(resources, BOARD, limit)
    assert not answer.cached
    assert scores(answer) == people.top(limit)
    assert [row["rank"] for row in json.loads(answer.body)["leaderboard"]] == list(range(1, min(limit, 12) + 1))


def test_without_postgresql_everybody_sees_what_was_published_last(
    without: Callable[[str], Resources], resources: Resources, people: People, player: Player
) -> None:
    people.complete(player)
    published = publish(resources, BOARD)
    resources.redis.delete(KEYS.top10)
    answer = read_board(without("postgres"), BOARD)
    assert (scores(answer), version(answer)) == ([(player.user_id, 100)], published.version)


def test_without_postgresql_a_shorter_board_is_the_beginning_of_what_was_published(
    without: Callable[[str], Resources], resources: Resources, people: People
) -> None:
    for name in ("Zoë ☃", 'a "b"', "c"):
        people.complete(people.join(name))
    publish(resources, BOARD)
    whole = json.loads(read_board(resources, BOARD).body)
    away = without("postgres")
    for limit in (1, 2, 3, 5, 10):
        answer = read_board(away, BOARD, limit)
        assert answer.cached
        assert json.loads(answer.body) == {**whole, "leaderboard": whole["leaderboard"][:limit]}


def test_without_postgresql_there_is_no_longer_board_and_none_that_was_never_published(
    without: Callable[[str], Resources], resources: Resources, people: People, player: Player
) -> None:
    away = without("postgres")
    with pytest.raises(ServiceUnavailable):
        read_board(away, BOARD)
    people.complete(player)
    publish(resources, BOARD)
    with pytest.raises(ServiceUnavailable):
        read_board(away, BOARD, 50)


def test_without_postgresql_a_failed_fill_does_not_hold_the_next_reader_up(
    without: Callable[[str], Resources],
    resources: Resources,
    people: People,
    player: Player,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    people.complete(player)
    publish(resources, BOARD)
    resources.redis.delete(KEYS.top10)
    monkeypatch.setattr(reading, "FILL_MS", 20_000)
    read_board(without("postgres"), BOARD)
    assert resources.redis.get(KEYS.cache_lock) is None
    assert not read_board(resources, BOARD).cached


def test_without_redis_the_board_comes_from_postgresql(
    without: Callable[[str], Resources], people: People, player: Player
) -> None:
    people.complete(player)
    away = without("redis")
    assert scores(read_board(away, BOARD)) == [(player.user_id, 100)]
    assert scores(read_board(away, BOARD, 5)) == [(player.user_id, 100)]
    assert not read_board(away, BOARD).cached


def test_after_a_flush_the_board_still_comes_from_postgresql(
    resources: Resources, people: People, player: Player
) -> None:
    people.complete(player)
    resources.redis.flushall()
    people.complete(people.join(), "puzzle")
    assert [score for _, score in scores(read_board(resources, BOARD))] == [500, 100]


def test_hidden_players_are_not_read(resources: Resources, people: People, player: Player) -> None:
    people.complete(player)
    people.hide(player, hidden=True)
    assert scores(read_board(resources, BOARD, 100)) == []
