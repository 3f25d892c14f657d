"""When a player is analysed: due, failed, parked, at once, in the nightly pass; and what is told of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from services.anticheat import analysis, schedule, stored
from services.anticheat.analysis import analyse_player
from services.resources import Resources
from services.sessions import Player
from tests.support.histories import analyse, bot, evidence, hour, mark_due, person, state_of
from tests.support.people import People


@pytest.fixture
def breaks(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Lets the detectors fail for a player."""
    real = stored.steps

    def break_for(user_id: int) -> None:
        def steps(connection: Any, player: int, *rest: Any) -> Any:
            if player == user_id:
                raise ZeroDivisionError("a bug of ours")
            return real(connection, player, *rest)

        monkeypatch.setattr(analysis, "steps", steps)

    return break_for


def test_a_failure_is_tried_again_then_parked_and_the_others_go_on(
    resources: Resources, people: People, player: Player, breaks: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    other = people.join()
    for who in (player, other):
        people.have_played(who, bot(hour(3), 100))
    breaks(player.user_id)
    for attempt in range(1, schedule.MOST_FAILURES + 1):
        assert analyse(resources, player).outcome == f"failed {attempt} of 5: ZeroDivisionError"
        row = state_of(people, player)
        assert (row.failures, row.last_error) == (attempt, "ZeroDivisionError: a bug of ours")
        assert (row.parked_at is not None) == (row.due_at is None) == (attempt == schedule.MOST_FAILURES)
    assert analyse(resources, other).outcome == "flag medium: regularity"
    assert analyse(resources, player).outcome == "parked"
    assert (schedule.backlog(resources).parked, evidence(people, player)) == (1, [])
    mark_due(resources, [player.user_id])
    assert state_of(people, player).due_at is None, "parked is parked, whatever they play"
    monkeypatch.undo()
    assert schedule.ring_everybody(resources) == 1
    assert player.user_id in schedule.take_due(resources)
    assert analyse(resources, player).outcome == "flag medium: regularity"
    assert (state_of(people, player).failures, state_of(people, player).last_error) == (0, None)


def test_an_analysis_that_kills_its_process_is_parked_as_well(
    resources: Resources, people: People, player: Player
) -> None:
    for _ in range(schedule.MOST_FAILURES):
        assert schedule.begin(resources, player.user_id)
    assert analyse(resources, player).outcome == "parked"
    assert state_of(people, player).parked_at is not None


def test_two_at_once_are_one(resources: Resources, people: People, player: Player) -> None:
    with resources.engine.connect().execution_options(isolation_level="READ COMMITTED") as connection:
        connection.execute(analysis._LOCK, {"key": analysis.PLAYER_LOCK + player.user_id})
        assert analyse(resources, player).outcome == "busy"
        connection.rollback()
    assert analyse(resources, player).outcome == "clean"


def test_what_is_due(resources: Resources, people: People) -> None:
    players = [player.user_id for player in people.several(3)]
    mark_due(resources, players)
    assert schedule.take_due(resources) == []
    people.execute("UPDATE anticheat_states SET due_at = now() - interval '9 s' WHERE user_id <> :id", id=players[2])
    waiting = schedule.backlog(resources)
    assert (waiting.due, waiting.parked) == (2, 0)
    assert waiting.oldest_seconds == pytest.approx(9, abs=3)
    assert sorted(schedule.take_due(resources)) == players[:2]
    assert schedule.take_due(resources) == [], "each is rung for once"
    people.execute("UPDATE anticheat_states SET rung_at = now() - interval '1 hour' WHERE due_at <= now()")
    assert sorted(schedule.take_due(resources)) == players[:2], "unless the bell was lost"
    for user_id in players[:2]:
        analyse_player(resources, user_id)
    assert schedule.backlog(resources).due == 0
    assert schedule.backlog(resources).analyses == {"none": 2}


def test_who_is_due_by_a_clock_that_has_gone_back_is_due_now(resources: Resources, people: People) -> None:
    """A day ahead, say, until somebody set it right."""
    ahead, ringing, later = (player.user_id for player in people.several(3))
    mark_due(resources, [ahead, ringing, later])
    people.execute("UPDATE anticheat_states SET due_at = now() + interval '1 day' WHERE user_id <> :id", id=later)
    people.execute("UPDATE anticheat_states SET rung_at = due_at WHERE user_id = :id", id=ringing)
    people.execute("UPDATE anticheat_states SET due_at = now() + interval '59 min' WHERE user_id = :id", id=later)
    assert sorted(schedule.take_due(resources)) == [ahead, ringing]
    assert schedule.take_due(resources) == [], "each is rung for once"
    assert analyse_player(resources, ahead).outcome == "clean"
    assert people.execute("SELECT due_at FROM anticheat_states WHERE user_id = :id", id=ahead) == [(None,)]


def test_so_many_are_asked_for_at_once_however_long_nobody_comes(resources: Resources, people: People) -> None:
    """Each message expires when its player may be asked for again, so what counts is who was asked for lately."""
    lately = "SELECT count(*) FROM anticheat_states WHERE rung_at > now() - make_interval(secs => :lease)"
    many_due(people, 1_500)
    assert len(schedule.take_due(resources)) == schedule.RING_BATCH
    assert schedule.take_due(resources) == []
    people.execute("UPDATE anticheat_states SET rung_at = rung_at - interval '1 hour'")
    again = schedule.take_due(resources) + schedule.take_due(resources)
    assert len(again) == len(set(again)) == schedule.RING_BATCH
    assert people.execute(lately, lease=schedule.LEASE_SECONDS) == [(schedule.RING_BATCH,)]
    assert schedule.begin(resources, again[0])
    assert len(schedule.take_due(resources)) == 1, "one that is being analysed leaves its place to the next"


def test_nobody_is_asked_for_while_the_queue_is_full(resources: Resources, people: People) -> None:
    """What has expired lies in the queue until a worker comes, so hours without one would fill the broker."""
    many_due(people, 1)
    resources.broker.rpush(schedule.QUEUE, *["expired"] * schedule.RING_BATCH)
    assert schedule.take_due(resources) == []
    resources.broker.lpop(schedule.QUEUE)
    assert len(schedule.take_due(resources)) == 1


def many_due(people: People, number: int) -> None:
    """Players who have been due for a minute."""
    people.execute(
        "WITH made AS (INSERT INTO users (username, username_key, password_hash) "
        "SELECT 'due ' || n, 'due ' || n, '' FROM generate_series(1, :number) n RETURNING id) "
        "INSERT INTO anticheat_states (user_id, due_at) SELECT id, now() - interval '1 minute' FROM made",
        number=number,
    )


def test_who_plays_during_the_analysis_is_due_again(
    resources: Resources, people: People, player: Player, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = stored.head_of

    def head_of(connection: Any, user_id: int) -> int:
        head = real(connection, user_id)
        people.complete(player)
        return head

    monkeypatch.setattr(analysis, "head_of", head_of)
    analyse(resources, player)
    assert state_of(people, player).due_at is not None


def test_the_nightly_pass_rings_for_windows_that_ended_since(
    resources: Resources, people: People, player: Player
) -> None:
    other = people.join()
    people.have_played(player, person(hour(5), 50))
    people.have_played(other, person(hour(5), 50))
    analyse(resources, other)
    assert schedule.ring_everybody(resources) == 1
    assert schedule.take_due(resources) == [player.user_id]
    analyse(resources, player)
    assert schedule.ring_everybody(resources) == 0
    with resources.engine.connect().execution_options(isolation_level="READ COMMITTED") as connection:
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({schedule.NIGHTLY_LOCK})")
        assert schedule.ring_everybody(resources) is None
        connection.rollback()


def test_what_is_no_timed_completion_is_nothing_for_the_nightly_pass(
    resources: Resources, people: People, player: Player
) -> None:
    """Once-actions and reversals are in no window, so the state never comes to them."""
    people.have_played(player, person(hour(5), 50))
    people.earn(player, 10)
    people.execute(
        "SELECT append_entry(:id, 'global', action_type, 'reversal', -points, NULL, id, NULL, NULL, '{}') "
        "FROM ledger_entries WHERE user_id = :id AND kind = 'timed' ORDER BY seq LIMIT 1",
        id=player.user_id,
    )
    assert schedule.ring_everybody(resources) == 1
    analyse(resources, player)
    assert schedule.ring_everybody(resources) == 0


def test_cases_and_holds_are_counted(resources: Resources, people: People, player: Player) -> None:
    people.have_played(player, bot(hour(10), 800, 36.0))
    people.suspect(people.join())
    analyse(resources, player)
    waiting = schedule.backlog(resources)
    assert (waiting.open_cases, waiting.held, waiting.analyses) == ({"high": 1, "low": 1}, 1, {"high": 1})
