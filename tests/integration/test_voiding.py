"""Voiding many completions at once: what is chosen, what is foretold, and that it can be interrupted and undone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner

from cli.void import void
from config.catalogue import BOARD
from services import voiding
from services.errors import InvalidRequest, ServiceUnavailable
from services.resources import Resources
from services.review.decisions import decide
from services.sessions import Player
from services.verify import verify
from services.voiding import Choice, Order, preview, run
from tests.support.people import People, ranking

ORDER = Order("run-1", "ops", "a broken build paid twice")


def names(*players: Player) -> Choice:
    return Choice(players=tuple(player.username for player in players))


def nothing_wrong(resources: Resources) -> bool:
    return list(verify(resources, BOARD)) == []


@pytest.fixture
def trio(people: People) -> list[Player]:
    """Three players with 850, 600 and 100 points."""
    players = people.several(3)
    for player, actions in zip(
        players, (("puzzle", "reaction", "typing"), ("puzzle", "reaction"), ("reaction",)), strict=True
    ):
        for action in actions:
            people.complete(player, action)
    return players


def test_a_player_is_voided_on_the_ledger_and_on_the_board(
    resources: Resources, people: People, trio: list[Player]
) -> None:
    assert run(resources, BOARD, names(trio[0]), ORDER) == 3
    assert people.standing(trio[0]).score == 0
    assert ranking(resources) == [(trio[1].user_id, 600), (trio[2].user_id, 100)]
    assert nothing_wrong(resources)
    audit = people.execute("SELECT DISTINCT data FROM ledger_entries WHERE kind = 'reversal'")
    assert [row[0] for row in audit] == [{"void": "run-1", "by": "ops", "note": ORDER.note}]


@pytest.mark.parametrize(
    ("choice", "scores"),
    [
        (Choice(actions=("reaction",)), [750, 500, 0]),
        (Choice(actions=("reaction", "typing")), [500, 500, 0]),
        (Choice(since=datetime(2000, 1, 1, tzinfo=UTC)), [0, 0, 0]),
        (Choice(until=datetime(2000, 1, 1, tzinfo=UTC)), [850, 600, 100]),
        (Choice(since=datetime.now(UTC) + timedelta(days=1)), [850, 600, 100]),
        (Choice(players=("nobody",)), [850, 600, 100]),
        (Choice(rules=("no_such_rule",)), [850, 600, 100]),
    ],
)
def test_what_is_chosen(
    resources: Resources, people: People, trio: list[Player], choice: Choice, scores: list[int]
) -> None:
    foretold = {move.user_id: move.score_after for move in preview(resources, BOARD, choice)}
    run(resources, BOARD, choice, ORDER)
    assert [people.standing(player).score for player in trio] == scores
    assert [foretold[player.user_id] for player in trio] == scores
    assert nothing_wrong(resources)


def test_by_rule_only_what_the_evidence_of_that_player_names(
    resources: Resources, people: People, trio: list[Player]
) -> None:
    own, other = people.entries(trio[0])[0], people.entries(trio[1])[0]
    people.suspect(trio[0], own, other, rule="replay")
    people.suspect(trio[1], other, rule="endurance")
    assert run(resources, BOARD, Choice(rules=("replay",)), ORDER) == 1
    assert [people.standing(player).score for player in trio] == [350, 600, 100]


def test_every_part_of_a_choice_has_to_match(resources: Resources, people: People, trio: list[Player]) -> None:
    choice = Choice(players=(trio[0].username, trio[2].username), actions=("puzzle", "reaction"))
    assert run(resources, BOARD, choice, ORDER) == 3
    assert [people.standing(player).score for player in trio] == [250, 600, 0]


def test_the_preview_tells_who_moves_where_and_writes_nothing(
    resources: Resources, people: People, trio: list[Player]
) -> None:
    before = people.execute("SELECT count(*) FROM ledger_entries")
    moves = {move.user_id: move for move in preview(resources, BOARD, names(trio[0]))}
    told = [(moves[p.user_id].entries, moves[p.user_id].rank_before, moves[p.user_id].rank_after) for p in trio]
    assert told == [(3, 1, None), (0, 2, 1), (0, 3, 2)]
    assert people.execute("SELECT count(*) FROM ledger_entries") == before


def test_nobody_means_everything(resources: Resources, trio: list[Player]) -> None:
    del trio
    for act in (lambda: preview(resources, BOARD, Choice()), lambda: run(resources, BOARD, Choice(), ORDER)):
        with pytest.raises(InvalidRequest):
            act()


def test_a_run_that_is_interrupted_goes_on_where_it_was(
    resources: Resources, people: People, trio: list[Player], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(voiding, "BATCH", 1)

    def fail_after_the_first(done: int, total: int) -> None:
        assert total == 3
        if done == 1:
            raise KeyboardInterrupt

    choice = Choice(actions=("reaction",))
    with pytest.raises(KeyboardInterrupt):
        run(resources, BOARD, choice, ORDER, fail_after_the_first)
    assert [people.standing(player).score for player in trio] == [750, 600, 100]
    assert nothing_wrong(resources), "what was done is complete"
    seen: list[tuple[int, int]] = []
    assert run(resources, BOARD, choice, ORDER, lambda done, total: seen.append((done, total))) == 2
    assert [people.standing(player).score for player in trio] == [750, 500, 0]
    assert seen == [(1, 2), (2, 2)]
    assert run(resources, BOARD, choice, ORDER) == 0


def test_a_run_is_undone_by_its_name_and_may_be_done_again(
    resources: Resources, people: People, trio: list[Player]
) -> None:
    run(resources, BOARD, names(trio[0]), ORDER)
    run(resources, BOARD, names(trio[1]), Order("run-2", "ops", "another"))
    undo = Choice(undo="run-1")
    assert [move.score_after for move in preview(resources, BOARD, undo) if move.entries] == [850]
    assert run(resources, BOARD, undo, Order("run-3", "ops", "it was the wrong one")) == 3
    assert [people.standing(player).score for player in trio] == [850, 0, 100]
    assert run(resources, BOARD, undo, ORDER) == 0
    assert run(resources, BOARD, names(trio[0]), Order("run-4", "ops", "it was the right one")) == 3
    assert people.standing(trio[0]).score == 0
    assert nothing_wrong(resources)


def test_what_a_review_has_taken_is_left_to_it_and_said(
    resources: Resources, people: People, trio: list[Player], analyst: Player, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clearing gives it back, whatever the void was about: what both name belongs to whoever came first."""
    monkeypatch.setattr("cli.void.for_background", lambda settings: resources)
    monkeypatch.setattr("cli.void.get_settings", lambda: resources.settings)
    choice = Choice(actions=("puzzle",))
    case = people.suspect(trio[0], people.entries(trio[0])[0])
    assert voiding.taken_by_review(resources, BOARD, choice) == 0
    decide(resources, analyst, case, "confirm", "a bot")
    assert voiding.taken_by_review(resources, BOARD, choice) == 1
    said = CliRunner().invoke(void, ["--action", "puzzle", "--dry-run"]).output
    assert "Left out, as a review case has taken them: 1. If it is cleared, they count again." in said
    assert run(resources, BOARD, choice, ORDER) == 1
    assert voiding.taken_by_review(resources, BOARD, choice) == 1
    decide(resources, analyst, case, "clear", "no bot")
    assert (people.standing(trio[0]).score, voiding.taken_by_review(resources, BOARD, choice)) == (850, 0)
    assert run(resources, BOARD, choice, ORDER) == 1, "now it can be voided"


def test_points_earned_while_it_runs_stay(resources: Resources, people: People, trio: list[Player]) -> None:
    until = people.execute("SELECT clock_timestamp()")[0][0]
    people.complete(trio[0], "reaction")
    assert run(resources, BOARD, Choice(players=(trio[0].username,), until=until), ORDER) == 3
    assert people.standing(trio[0]).score == 100


def test_without_redis_the_ledger_has_it_and_the_outbox_follows_up(
    resources: Resources, people: People, trio: list[Player], without: Callable[[str], Resources]
) -> None:
    assert run(without("redis"), BOARD, names(trio[0]), ORDER) == 3
    assert people.standing(trio[0]).score == 0
    assert people.execute("SELECT count(*) FROM outbox WHERE user_id = :id", id=trio[0].user_id)[0][0] > 0


def test_without_postgresql_it_says_so(without: Callable[[str], Resources]) -> None:
    away = without("postgres")
    with pytest.raises(ServiceUnavailable):
        preview(away, BOARD, Choice(actions=("reaction",)))
    with pytest.raises(ServiceUnavailable):
        run(away, BOARD, Choice(actions=("reaction",)), ORDER)
