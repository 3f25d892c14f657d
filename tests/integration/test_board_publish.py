"""Publishing: a frame when the top 10 changed, and then once; its version only grows."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, strategies as st

from config.catalogue import BOARD
from services.leaderboard.board import SCORE_FRAME_MS, place, publish, publish_above
from services.leaderboard.keys import BoardKeys
from services.leaderboard.reading import read_board
from services.leaderboard.rebuild import rebuild
from services.reconcile import sweep
from services.redis_client import RedisUnavailableError
from services.resources import Resources
from services.sessions import Player
from tests.support.people import People, a_standing

KEYS = BoardKeys(BOARD)
Frames = Callable[[], list[bytes]]
NAMES = [
    'quo"te',
    "pi|pe|",
    "back\\slash\\",
    "line\nbreak\ttab",
    "\U0001f680 rocket",
    "עברית مرحبا",
    "<script>alert(1)</script>",
    "{}[],:",
    "%s %d %%",
    "nul\x01\x1f\x7f",
    "\u2028\u2029",
    "Ünïcödé",
]


def board_of(frame: bytes) -> list[tuple[int, str, int]]:
    return [(row["userId"], row["username"], row["score"]) for row in json.loads(frame)["leaderboard"]]


def pass_a_second(resources: Resources) -> None:
    """As the script is given the time, the last frame is made to be longer ago."""
    resources.redis.hincrby(KEYS.published, "at", -SCORE_FRAME_MS)


def test_an_empty_board_is_published_once(resources: Resources, frames: Frames) -> None:
    assert publish(resources, BOARD).outcome == "published"
    assert publish(resources, BOARD).outcome == "unchanged"
    assert [json.loads(frame)["leaderboard"] for frame in frames()] == [[]]


def test_a_change_is_published_once(resources: Resources, frames: Frames) -> None:
    place(resources, BOARD, [a_standing(1, 10)])
    published = publish(resources, BOARD)
    again = publish(resources, BOARD)
    assert (published.outcome, again.outcome, again.version) == ("published", "unchanged", published.version)
    (frame,) = frames()
    assert json.loads(frame)["version"] == published.version
    assert json.loads(frame)["leaderboard"] == [{"rank": 1, "userId": 1, "username": "user 1", "score": 10}]


def test_a_frame_holds_ten_players_in_order(resources: Resources, frames: Frames) -> None:
    place(resources, BOARD, [a_standing(user, 100 + user % 4, micros=user) for user in range(1, 16)])
    publish(resources, BOARD)
    body = json.loads(frames()[0])
    assert [row["rank"] for row in body["leaderboard"]] == list(range(1, 11))
    assert [row["userId"] for row in body["leaderboard"]] == [3, 7, 11, 15, 2, 6, 10, 14, 1, 5]


def test_what_does_not_change_the_top_10_is_not_published(resources: Resources, frames: Frames) -> None:
    place(resources, BOARD, [a_standing(user, 100) for user in range(1, 11)])
    publish(resources, BOARD)
    place(resources, BOARD, [a_standing(11, 99)])
    assert publish(resources, BOARD).outcome == "unchanged"
    assert len(frames()) == 1


def test_members_and_their_order_are_published_at_once(resources: Resources, frames: Frames) -> None:
    place(resources, BOARD, [a_standing(1, 10), a_standing(2, 5)])
    for row in (a_standing(3, 1), a_standing(2, 20, version=2), a_standing(3, 0, version=2)):
        publish(resources, BOARD)
        place(resources, BOARD, [row])
        assert publish(resources, BOARD).outcome == "published"
    assert [[user for user, _, _ in board_of(frame)] for frame in frames()] == [[1, 2], [1, 2, 3], [2, 1, 3], [2, 1]]


def test_scores_alone_are_published_at_most_once_a_second_and_the_last_one_is_not_lost(
    resources: Resources, frames: Frames
) -> None:
    place(resources, BOARD, [a_standing(1, 1)])
    publish(resources, BOARD)
    answers = []
    for n in range(2, 12):
        place(resources, BOARD, [a_standing(1, n, version=n)])
        answers.append(publish(resources, BOARD))
    assert {answer.outcome for answer in answers} == {"later"}
    first, *others = (answer.retry_ms for answer in answers)
    assert first is not None
    assert 0 < first <= SCORE_FRAME_MS
    assert others == [None] * 9, "one later recomputation is enough"
    assert len(frames()) == 1
    pass_a_second(resources)
    assert publish(resources, BOARD).outcome == "published"
    assert [board_of(frame)[0][2] for frame in frames()] == [11]


def test_a_later_recomputation_that_is_early_is_scheduled_again(resources: Resources) -> None:
    place(resources, BOARD, [a_standing(1, 1)])
    publish(resources, BOARD)
    place(resources, BOARD, [a_standing(1, 2, version=2)])
    assert publish(resources, BOARD).retry_ms
    resources.redis.delete(KEYS.deferred)
    assert publish(resources, BOARD).retry_ms


def test_a_move_does_not_wait_behind_a_score(resources: Resources, frames: Frames) -> None:
    place(resources, BOARD, [a_standing(1, 1)])
    publish(resources, BOARD)
    place(resources, BOARD, [a_standing(1, 2, version=2)])
    assert publish(resources, BOARD).outcome == "later"
    place(resources, BOARD, [a_standing(2, 3)])
    assert publish(resources, BOARD).outcome == "published"
    assert [len(board_of(frame)) for frame in frames()] == [1, 2]


def test_a_score_that_went_back_to_what_was_published_is_no_change(resources: Resources, frames: Frames) -> None:
    place(resources, BOARD, [a_standing(1, 1)])
    publish(resources, BOARD)
    place(resources, BOARD, [a_standing(1, 2, version=2)])
    place(resources, BOARD, [a_standing(1, 1, version=3)])
    assert publish(resources, BOARD).outcome == "unchanged"
    assert len(frames()) == 1


def test_a_clock_that_was_set_back_holds_no_frame_up(resources: Resources) -> None:
    place(resources, BOARD, [a_standing(1, 1)])
    publish(resources, BOARD)
    resources.redis.hincrby(KEYS.published, "at", 3_600_000)
    place(resources, BOARD, [a_standing(1, 2, version=2)])
    assert publish(resources, BOARD).outcome == "published"


def test_versions_grow_by_one(resources: Resources, frames: Frames) -> None:
    for n in range(1, 6):
        place(resources, BOARD, [a_standing(n, n)])
        publish(resources, BOARD)
    versions = [json.loads(frame)["version"] for frame in frames()]
    assert versions == list(range(versions[0], versions[0] + 5))


def test_a_master_that_forgot_the_last_frames_names_none_of_them_again(resources: Resources, frames: Frames) -> None:
    publish(resources, BOARD)
    resources.redis.hincrby(KEYS.published, "version", -10_000)  # Ten seconds ago.
    frames()
    older: Any = resources.redis.hgetall(KEYS.published)
    for n in range(1, 4):
        place(resources, BOARD, [a_standing(n, n)])
        publish(resources, BOARD)
    resources.redis.hset(KEYS.published, mapping={**older, "run": "another master"})
    place(resources, BOARD, [a_standing(1, 9, version=2)])
    assert [publish(resources, BOARD).outcome for _ in range(2)] == ["published", "unchanged"]
    versions = [json.loads(frame)["version"] for frame in frames()]
    assert len(versions) == 4
    assert versions == sorted(set(versions))


def test_another_master_shows_what_it_has_though_it_published_the_same(resources: Resources, frames: Frames) -> None:
    place(resources, BOARD, [a_standing(1, 1)])
    publish(resources, BOARD)
    resources.redis.hset(KEYS.published, "run", "another master")
    assert publish(resources, BOARD).outcome == "published", "others may have been shown since"
    first, second = (json.loads(frame) for frame in frames())
    assert first["leaderboard"] == second["leaderboard"]
    assert first["version"] < second["version"]


def test_versions_still_grow_after_redis_forgot_everything(
    resources: Resources, people: People, player: Player
) -> None:
    people.complete(player)
    before = [publish(resources, BOARD).version]
    for _ in range(3):
        resources.redis.flushall()
        rebuild(resources, BOARD)
        before.append(publish(resources, BOARD).version)
    assert before == sorted(set(before))


def test_nothing_is_published_while_the_board_is_not_complete(resources: Resources, frames: Frames) -> None:
    resources.redis.delete(KEYS.loaded)
    place(resources, BOARD, [a_standing(1, 10)])
    assert publish(resources, BOARD).outcome == "not loaded"
    assert frames() == []


@pytest.mark.parametrize("extra", ["nobody", "0000000000000000:000000000000", "9999999999999999:999999999998"])
def test_a_member_that_belongs_to_nobody_is_not_published_and_makes_the_sweep_mend_the_board(
    resources: Resources, people: People, player: Player, frames: Frames, extra: str
) -> None:
    people.complete(player)
    resources.redis.zadd(KEYS.standings, {extra: 10**6})
    assert publish(resources, BOARD).outcome == "not loaded"
    assert sweep(resources, BOARD) == 1
    assert publish(resources, BOARD).outcome == "published"
    assert [board_of(frame) for frame in frames()] == [[(player.user_id, player.username, 100)]]


def test_names_that_redis_evicted_make_the_sweep_mend_the_board(
    resources: Resources, people: People, player: Player, frames: Frames
) -> None:
    people.complete(player)
    resources.redis.delete(KEYS.players)
    people.complete(player)
    assert publish(resources, BOARD).outcome == "not loaded"
    assert sweep(resources, BOARD) == 1
    assert publish(resources, BOARD).outcome == "published"
    assert [board_of(frame) for frame in frames()] == [[(player.user_id, player.username, 200)]]


def test_hidden_players_are_in_no_frame(resources: Resources, frames: Frames) -> None:
    place(resources, BOARD, [a_standing(1, 10), a_standing(2, 20, hidden=True)])
    publish(resources, BOARD)
    assert [user for user, _, _ in board_of(frames()[0])] == [1]


@pytest.mark.parametrize("name", NAMES)
def test_any_name_is_exact_in_a_frame_and_in_the_answer(
    resources: Resources, people: People, frames: Frames, name: str
) -> None:
    player = people.join(name)
    people.earn(player, 5)
    people.place(player)
    publish(resources, BOARD)
    (frame,) = frames()
    assert board_of(frame) == [(player.user_id, name, 5)]
    assert resources.redis.get(KEYS.top10) == frame
    resources.redis.delete(KEYS.top10)
    assert read_board(resources, BOARD).body == frame, "PostgreSQL and Redis write the same JSON"


@given(score=st.one_of(st.integers(1, 2**53 - 1), st.builds(lambda n: 10**n, st.integers(0, 15))))
def test_any_score_up_to_the_largest_safe_integer_is_exact(resources: Resources, score: int) -> None:
    resources.redis.delete(KEYS.standings, KEYS.players, KEYS.published)
    place(resources, BOARD, [a_standing(1, score), a_standing(2, max(1, score - 1))])
    publish(resources, BOARD)
    cached: Any = resources.redis.get(KEYS.top10)
    assert [entry for _, _, entry in board_of(cached)] == [score, max(1, score - 1)]


def test_large_user_ids_are_exact(resources: Resources, frames: Frames) -> None:
    place(resources, BOARD, [a_standing(999_999_999_998, 5), a_standing(1, 4)])
    publish(resources, BOARD)
    assert [user for user, _, _ in board_of(frames()[0])] == [999_999_999_998, 1]


def test_without_redis_publishing_says_so(without: Callable[[str], Resources]) -> None:
    with pytest.raises(RedisUnavailableError):
        publish(without("redis"), BOARD)


def test_versions_go_on_above_one_that_was_seen_and_are_never_lowered(resources: Resources, frames: Frames) -> None:
    begun = publish(resources, BOARD).version
    assert publish_above(resources, BOARD, begun + 1_000)
    assert not publish_above(resources, BOARD, begun + 500)
    assert not publish_above(resources, BOARD, begun + 1_001)
    assert [json.loads(frame)["version"] for frame in frames()] == [begun, begun + 1_001]
    assert publish(resources, BOARD).outcome == "unchanged"


def test_what_is_not_loaded_begins_above_a_version_that_was_seen(resources: Resources) -> None:
    seen = publish(resources, BOARD).version + 10**9
    resources.redis.flushdb()
    assert publish_above(resources, BOARD, seen)
    sweep(resources, BOARD)
    assert publish(resources, BOARD).version > seen
