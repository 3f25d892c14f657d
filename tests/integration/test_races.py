"""Races between real processes with commits of their own: what one constraint, lock or script decides."""

from __future__ import annotations

import json
from collections import Counter
from itertools import chain, pairwise
from typing import Any

from config.catalogue import BOARD
from services import rate_limits, reconcile, scoring, sessions
from services.anticheat import schedule
from services.errors import RateLimitExceeded
from services.leaderboard.board import publish
from services.leaderboard.keys import BoardKeys
from services.leaderboard.rebuild import rebuild
from services.resources import Resources
from services.sessions import Player
from services.verify import verify
from tests.support.histories import mark_due
from tests.support.people import People
from tests.support.race import PROCESSES, Race, outcome

KEYS = BoardKeys(BOARD)


def post(resources: Resources, player: Player, token: str, times: int) -> list[Any]:
    """The outcomes of posting one token again and again."""
    return [outcome(lambda: People(resources).spend(player, token).new_score) for _ in range(times)]


def post_each(resources: Resources, player: Player, tokens: list[str]) -> list[Any]:
    return [post(resources, player, token, 1)[0] for token in tokens]


def quiz(resources: Resources, player: Player) -> int:
    return scoring.complete_once(resources, player, action_type="quiz", data={"answer": "redis"}).new_score


def everything(resources: Resources, players: list[Player], rounds: int) -> list[Any]:
    people = People(resources)
    return [people.complete(player).new_score for _ in range(rounds) for player in players]


def count_calls(resources: Resources, key: str, times: int) -> int:
    """How many of the calls were let in."""
    admitted = 0
    for _ in range(times):
        try:
            rate_limits.count(resources, key, ((10, 60), (15, 3_600)))
        except RateLimitExceeded:
            continue
        admitted += 1
    return admitted


def admit_calls(resources: Resources, player: Player, times: int) -> list[Any]:
    def admit() -> str:
        return rate_limits.admit(resources, player.user_id, player.session_id, "complete").username

    return [outcome(admit) for _ in range(times)]


def publish_often(resources: Resources, players: list[Player], times: int) -> list[str]:
    """Move the board and publish it, over and over."""
    people, outcomes = People(resources), []
    for turn in range(times):
        people.earn(players[turn % len(players)], 1_000)
        people.place(players[turn % len(players)])
        outcomes += [publish(resources, BOARD).outcome for _ in range(3)]
    return outcomes


def drain(resources: Resources) -> int:
    return reconcile.drain_outbox(resources)


def rotate(resources: Resources, player: Player, refresh_id: Any) -> Any:
    return sessions.rotate(resources, player.user_id, player.session_id, refresh_id)


def play_or_rebuild(resources: Resources, players: list[Player], rounds: int) -> int:
    """Complete for these players or, given none, rebuild the board meanwhile."""
    if players:
        return len(everything(resources, players, rounds))
    return sum(rebuild(resources, BOARD) is not None for _ in range(rounds))


def test_200_posts_of_one_token_give_one_ok(race: Race, people: People, player: Player) -> None:
    token = people.token(player)
    counted = Counter(chain(*race.run(post, player, token, 200 // PROCESSES)))
    assert counted == {100: 1, "TOKEN_ALREADY_USED": 199}
    assert len(people.entries(player)) == 1


def test_the_ledger_lets_in_no_more_than_the_limit_when_redis_is_not_asked(
    race: Race, people: People, player: Player
) -> None:
    tokens = [[people.token(player) for _ in range(5)] for _ in range(PROCESSES)]
    outcomes = list(chain(*race.each(post_each, [(player, some) for some in tokens])))
    assert outcomes.count("RATE_LIMIT_EXCEEDED") == 10
    assert len(people.entries(player)) == 10


def test_a_once_action_pays_once_in_a_race(resources: Resources, race: Race, people: People) -> None:
    for player in people.several(15):
        assert Counter(race.run(quiz, player)) == {50: 1, "ACTION_ALREADY_COMPLETED": PROCESSES - 1}
    assert list(verify(resources, BOARD)) == []


def test_completions_of_one_player_at_once_are_all_applied(
    resources: Resources, race: Race, people: People, player: Player
) -> None:
    """As many as the limits allow."""
    tokens = [[people.token(player) for _ in range(2)] for _ in range(PROCESSES)]
    scores = list(chain(*race.each(post_each, [(player, some) for some in tokens])))
    assert sorted(scores) == [100 * n for n in range(1, 2 * PROCESSES + 1)]
    assert people.standing(player).version == 2 * PROCESSES
    assert list(verify(resources, BOARD)) == []


def test_many_players_at_once_leave_every_chain_whole(resources: Resources, race: Race, people: People) -> None:
    players = people.several(10)
    race.each(everything, [(players[turn:] + players[:turn], 2) for turn in range(PROCESSES)])
    assert {score for _, score in people.top()} == {800}
    assert list(verify(resources, BOARD)) == []


def test_no_process_lets_in_more_than_the_limit(race: Race) -> None:
    for turn in range(5):
        assert sum(race.run(count_calls, f"race {turn}", 10)) == 10


def test_no_player_gets_in_more_than_ten_times_a_minute(race: Race, player: Player) -> None:
    counted = Counter(chain(*race.run(admit_calls, player, 10)))
    assert counted == {"RATE_LIMIT_EXCEEDED": 30, player.username: 10}


def test_an_analysis_is_rung_once_a_window(resources: Resources, race: Race, people: People) -> None:
    players = [player.user_id for player in people.several(5)]
    race.run(mark_due, players)
    people.execute("UPDATE anticheat_states SET due_at = now()")
    assert sorted(chain(*race.run(schedule.take_due))) == players
    mark_due(resources, players)
    assert schedule.take_due(resources) == []


def test_workers_publish_every_change_once_and_miss_none(
    resources: Resources, race: Race, people: People, frames: Any
) -> None:
    players = people.several(12)
    first = publish(resources, BOARD).version
    parts = [(players[n * 3 : n * 3 + 3], 12) for n in range(PROCESSES)]
    outcomes = Counter(chain(*race.each(publish_often, parts)))
    resources.redis.hset(KEYS.published, "at", 0)
    last = publish(resources, BOARD)
    bodies = [json.loads(frame) for frame in frames()]
    assert [body["version"] for body in bodies] == list(range(first, last.version + 1))
    assert all(one["leaderboard"] != other["leaderboard"] for one, other in pairwise(bodies))
    assert outcomes["published"] == len(bodies) - 1 - (last.outcome == "published")
    assert [(row["userId"], row["score"]) for row in bodies[-1]["leaderboard"]] == people.top()


def test_drains_at_once_share_the_work(resources: Resources, race: Race, people: People) -> None:
    players = people.several(30)
    for player in players * 20:
        people.earn(player, 1)
    assert sum(race.run(drain)) == 600
    assert people.execute("SELECT count(*) FROM outbox") == [(0,)]
    assert list(verify(resources, BOARD)) == []


def test_a_rebuild_during_writes_loses_nothing(resources: Resources, race: Race, people: People) -> None:
    players = people.several(30)
    parts = [(players[n::3], 4) for n in range(3)]
    *_, rebuilt = race.each(play_or_rebuild, [*parts, ([], 25)])
    assert rebuilt == 25
    assert list(verify(resources, BOARD)) == []


def test_rebuilds_at_once_leave_a_whole_board(resources: Resources, race: Race, people: People) -> None:
    players = people.several(30)
    everything(resources, players, 1)
    rebuilt = race.each(play_or_rebuild, [(players, 2), ([], 15), ([], 15), ([], 15)])
    assert sum(rebuilt[1:]) > 0
    assert list(verify(resources, BOARD)) == []


def test_a_refresh_token_is_spent_by_one_of_many(resources: Resources, race: Race, people: People) -> None:
    player = people.join()
    for _ in range(10):
        refresh_id = people.execute("SELECT refresh_id FROM sessions")[0][0]
        results = race.run(rotate, player, refresh_id)
        assert results.count("INVALID_TOKEN") == PROCESSES - 1
    assert people.execute("SELECT revoked_at FROM sessions") == [(None,)]
