"""A player who is held: their points count and their rank is told to them, and nobody else sees either."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from config.catalogue import BOARD
from models.database import transaction
from services import accounts, scoring
from services.leaderboard.board import publish
from services.leaderboard.reading import read_board
from services.leaderboard.rebuild import rebuild
from services.reconcile import drain_outbox, sweep
from services.resources import Resources
from services.review.decisions import decide
from services.sessions import Player
from services.verify import verify
from tests.support.ground import Servers
from tests.support.people import People, ranking


@pytest.fixture
def trio(resources: Resources, people: People) -> list[Player]:
    """Players with 500, 250 and 100 points, of whom the second is held."""
    players = people.several(3)
    for player, action in zip(players, ("puzzle", "typing", "reaction"), strict=True):
        people.complete(player, action)
    people.suspect(players[1], *people.entries(players[1]), severity="high")
    drain_outbox(resources)
    return players


def shown(resources: Resources) -> list[tuple[int, int]]:
    """User ids and ranks of the public board."""
    return [(row["userId"], row["rank"]) for row in json.loads(read_board(resources, BOARD).body)["leaderboard"]]


def test_the_board_and_its_frames_leave_the_player_out(
    resources: Resources, trio: list[Player], frames: Callable[[], list[bytes]]
) -> None:
    publish(resources, BOARD)
    (frame,) = frames()
    others = [(trio[0].user_id, 1), (trio[2].user_id, 2)]
    assert [(row["userId"], row["rank"]) for row in json.loads(frame)["leaderboard"]] == others
    assert shown(resources) == others
    resources.redis.flushall()
    assert shown(resources) == others
    sweep(resources, BOARD)
    assert [user for user, _ in ranking(resources)] == [trio[0].user_id, trio[2].user_id]
    assert list(verify(resources, BOARD)) == []


def test_a_completion_tells_the_rank_that_the_player_would_have(
    resources: Resources, people: People, trio: list[Player], without: Callable[[str], Resources]
) -> None:
    held = trio[1]
    for redis, action, expected in (
        (resources, "reaction", (350, 2)),
        (without("redis"), "reaction", (450, 2)),
        (resources, "reaction", (550, 1)),
        (without("redis"), "reaction", (650, 1)),
    ):
        done = People(redis).spend(held, people.token(held, action))
        assert (done.new_score, done.rank, done.ring) == (*expected, False)
    quiz = scoring.complete_once(resources, held, action_type="quiz", data={"answer": "redis"})
    assert (quiz.new_score, quiz.rank) == (700, 1)
    drain_outbox(resources)
    assert [user for user, _ in ranking(resources)] == [trio[0].user_id, trio[2].user_id]
    assert people.complete(trio[2]).rank == 2
    assert list(verify(resources, BOARD)) == []


def test_the_only_player_is_held_and_alone_is_number_one(resources: Resources, people: People, player: Player) -> None:
    people.suspect(player, severity="high")
    assert people.complete(player).rank == 1
    assert ranking(resources) == []
    assert people.standing(player).hidden
    assert list(verify(resources, BOARD)) == []


def test_the_account_says_nothing_new(resources: Resources, trio: list[Player]) -> None:
    told = accounts.profile(resources, trio[1], BOARD)
    assert (told.score, told.rank) == (250, 2)
    others = [accounts.profile(resources, player, BOARD).rank for player in (trio[0], trio[2])]
    assert others == [1, 2]


def test_the_rank_of_who_is_held_is_asked_of_redis_and_changes_nothing_there(
    resources: Resources, people: People, trio: list[Player], monkeypatch: pytest.MonkeyPatch
) -> None:
    people.suspect(trio[2], severity="high")  # Of which Redis has not heard.
    before = in_redis(resources)
    monkeypatch.setattr(accounts, "rank", None)  # Not called: it counts the players above.
    assert accounts.profile(resources, trio[1], BOARD).rank == 2
    assert accounts.profile(resources, trio[2], BOARD).rank == 2
    assert in_redis(resources) == before
    assert len(ranking(resources)) == 2, "who places the third one is to notice that the top 10 changes"


def test_the_rank_of_who_is_held_is_counted_without_redis(
    without: Callable[[str], Resources], trio: list[Player]
) -> None:
    assert accounts.profile(without("redis"), trio[1], BOARD).rank == 2


def in_redis(resources: Resources) -> dict[object, object]:
    """Everything on the board."""
    return {key: resources.redis.dump(key) for key in resources.redis.keys("leaderboard:*")}


def test_a_rebuild_while_the_player_completes_leaves_them_out(
    resources: Resources, people: People, trio: list[Player]
) -> None:
    def complete_meanwhile(done: int, total: int) -> None:
        assert done <= total
        people.complete(trio[1])

    assert rebuild(resources, BOARD, complete_meanwhile) == 3
    assert [user for user, _ in ranking(resources)] == [trio[0].user_id, trio[2].user_id]
    assert list(verify(resources, BOARD)) == []


def test_clear_brings_the_player_back_where_they_were(
    resources: Resources, people: People, analyst: Player, trio: list[Player]
) -> None:
    before = people.standing(trio[1])
    publish(resources, BOARD)
    case = people.execute("SELECT id FROM review_cases WHERE held")[0][0]
    assert decide(resources, analyst, case, "clear", "just good").boards == {BOARD}
    after = people.standing(trio[1])
    assert (after.score, after.reached_at, after.hidden) == (before.score, before.reached_at, False)
    assert [user for user, _ in ranking(resources)] == [player.user_id for player in trio]
    assert list(verify(resources, BOARD)) == []


@pytest.fixture
def old(resources: Resources, people: People, analyst: Player, player: Player) -> int:
    """A case of the player that was cleared before anything else was found."""
    people.complete(player)
    case = people.suspect(player)
    decide(resources, analyst, case, "clear", "fine")
    return case


def test_a_decision_about_another_case_does_not_lift_the_hold(
    resources: Resources, people: People, analyst: Player, player: Player, old: int
) -> None:
    people.suspect(player, severity="high")
    decide(resources, analyst, old, "confirm", "not fine")
    decide(resources, analyst, old, "clear", "fine after all")
    assert people.standing(player).hidden
    assert list(verify(resources, BOARD)) == []


def test_a_decision_about_another_case_tells_nothing_of_the_hold(
    resources: Resources, people: People, analyst: Player, player: Player, old: int
) -> None:
    people.execute(
        "SELECT add_evidence(:id, 'in_step', 'In step.', 9, 6, '{}', '{\"eValue\": 1e9}', 'one', 'F', 'high')",
        id=player.user_id,
    )
    decide(resources, analyst, old, "confirm", "not fine")
    decide(resources, analyst, old, "clear", "fine after all")
    assert people.status(player) == "active"
    assert people.standing(player).hidden


def test_evidence_that_comes_during_a_decision_about_another_case_holds(
    servers: Servers, resources: Resources, people: People, analyst: Player, player: Player
) -> None:
    people.complete(player)
    old = people.suspect(player)
    decide(resources, analyst, old, "confirm", "a bot")
    with ThreadPoolExecutor() as threads:
        with transaction(resources.engine) as connection:
            connection.execute(text("SELECT FROM ledger_heads WHERE user_id = :id FOR UPDATE"), {"id": player.user_id})
            deciding = threads.submit(decide, resources, analyst, old, "clear", "no bot")
            servers.wait_until_blocked("ledger_heads")
            adding = threads.submit(people.suspect, player, severity="high")
            servers.wait_until_blocked("add_evidence")
        deciding.result(timeout=20)
        adding.result(timeout=20)
    assert people.standing(player).hidden
    drain_outbox(resources)
    assert list(verify(resources, BOARD)) == []


def test_a_board_that_is_new_to_the_player_hides_them_too(people: People, player: Player) -> None:
    people.suspect(player, severity="high")
    people.execute(
        "SELECT append_entry(:id, 'weekly', 'gift', 'once', 5, NULL, NULL, NULL, NULL, '{}')", id=player.user_id
    )
    assert people.execute("SELECT hidden FROM standings WHERE board = 'weekly'") == [(True,)]
