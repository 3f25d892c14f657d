"""Review: what a decision reverses, gives back and tells Redis, and that its audit only grows."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from config.catalogue import BOARD
from models.database import transaction
from services import accounts, scoring, sessions
from services.errors import (
    AccountSuspended,
    ActionAlreadyCompleted,
    Forbidden,
    InvalidToken,
    NotFound,
    ServiceUnavailable,
)
from services.leaderboard.board import publish
from services.leaderboard.keys import BoardKeys
from services.resources import Resources
from services.review.cases import get_case, list_cases
from services.review.decisions import Verdict, decide
from services.sessions import Player
from services.verify import verify
from tests.support.ground import Servers
from tests.support.people import PASSWORD, People, ranking

KEYS = BoardKeys(BOARD)


def test_confirm_reverses_the_named_entries_suspends_and_hides(
    resources: Resources, people: People, analyst: Player, suspect: Player
) -> None:
    first, second, _ = people.entries(suspect)
    case = people.suspect(suspect, first, second)
    publish(resources, BOARD)
    decided = decide(resources, analyst, case, "confirm", "a bot")
    assert (decided.status, decided.reversed_entries, decided.boards) == ("confirmed", 2, {BOARD})
    assert people.status(suspect) == "suspended"
    standing = people.standing(suspect)
    assert (standing.score, standing.hidden) == (250, True)
    assert resources.redis.zcard(KEYS.standings) == 0
    assert people.top() == []
    reversals = people.execute("SELECT kind, points, reverses FROM ledger_entries WHERE kind = 'reversal' ORDER BY id")
    assert reversals == [("reversal", -100, first), ("reversal", -500, second)]
    assert list(verify(resources, BOARD)) == []


def test_who_is_confirmed_without_an_entry_is_off_the_board_and_comes_back_with_every_point(
    resources: Resources, people: People, analyst: Player, suspect: Player
) -> None:
    case = people.suspect(suspect)
    decide(resources, analyst, case, "confirm", "a bot")
    assert (people.standing(suspect).score, ranking(resources)) == (850, [])
    assert list(verify(resources, BOARD)) == []
    decide(resources, analyst, case, "clear", "no bot")
    assert ranking(resources) == people.top() == [(suspect.user_id, 850)]


def test_all_points_can_be_reversed(resources: Resources, people: People, analyst: Player, suspect: Player) -> None:
    decide(resources, analyst, people.suspect(suspect, *people.entries(suspect)), "confirm", "a bot")
    assert people.standing(suspect).score == 0
    assert list(verify(resources, BOARD)) == []


def test_clear_gives_everything_back(resources: Resources, people: People, analyst: Player, suspect: Player) -> None:
    case = people.suspect(suspect, *people.entries(suspect)[:2])
    decide(resources, analyst, case, "confirm", "a bot")
    decided = decide(resources, analyst, case, "clear", "my mistake")
    assert (decided.status, decided.reversed_entries) == ("cleared", 2)
    assert people.status(suspect) == "active"
    assert people.top() == [(suspect.user_id, 850)]
    assert resources.redis.zcard(KEYS.standings) == 1
    assert people.complete(suspect).new_score == 950
    assert list(verify(resources, BOARD)) == []


def test_decisions_can_be_turned_round_again_and_again(
    resources: Resources, people: People, analyst: Player, suspect: Player
) -> None:
    case = people.suspect(suspect, people.entries(suspect)[1])
    for verdict, score in (("confirm", 350), ("clear", 850), ("confirm", 350), ("clear", 850)):
        decide(resources, analyst, case, verdict, "again")  # type: ignore[arg-type]
        assert people.standing(suspect).score == score
    assert list(verify(resources, BOARD)) == []


@pytest.mark.parametrize("verdict", ["confirm", "clear"])
def test_the_same_decision_twice_changes_nothing_more(
    resources: Resources, people: People, analyst: Player, suspect: Player, verdict: Verdict
) -> None:
    case = people.suspect(suspect, *people.entries(suspect))
    decide(resources, analyst, case, verdict, "once")
    before = people.standing(suspect)
    assert decide(resources, analyst, case, verdict, "twice").reversed_entries == 0
    assert people.standing(suspect) == before


def test_a_clear_case_takes_nothing(resources: Resources, people: People, analyst: Player, suspect: Player) -> None:
    case = people.suspect(suspect, *people.entries(suspect))
    assert people.status(suspect) == "flagged"
    assert decide(resources, analyst, case, "clear", "fine").reversed_entries == 0
    assert (people.standing(suspect).score, people.status(suspect)) == (850, "active")


def test_evidence_that_names_another_players_entries_reverses_none_of_them(
    resources: Resources, people: People, analyst: Player, suspect: Player
) -> None:
    other = people.join()
    people.complete(other)
    case = people.suspect(suspect, *people.entries(other))
    assert decide(resources, analyst, case, "confirm", "a bot").reversed_entries == 0
    assert people.standing(other).score == 100


def test_an_entry_that_two_cases_name_is_reversed_once(
    resources: Resources, people: People, analyst: Player, suspect: Player
) -> None:
    entry = people.entries(suspect)[1]
    first = people.suspect(suspect, entry)
    decide(resources, analyst, first, "confirm", "a bot")
    second = people.suspect(suspect, entry)
    assert second != first
    assert decide(resources, analyst, second, "confirm", "still").reversed_entries == 0
    assert people.standing(suspect).score == 350


def test_what_another_confirmed_case_names_stays_void_and_keeps_the_player_out(
    resources: Resources, people: People, analyst: Player, suspect: Player
) -> None:
    first, second, third = people.entries(suspect)
    one = people.suspect(suspect, first, second)
    decide(resources, analyst, one, "confirm", "a bot")
    other = people.suspect(suspect, second, third)
    decide(resources, analyst, other, "confirm", "a bot")
    assert people.standing(suspect).score == 0
    decide(resources, analyst, one, "clear", "no bot there")
    assert (people.standing(suspect).score, people.status(suspect), ranking(resources)) == (100, "suspended", [])
    decide(resources, analyst, other, "clear", "nor there")
    assert (people.standing(suspect).score, people.status(suspect)) == (850, "active")
    assert ranking(resources) == people.top() == [(suspect.user_id, 850)]


def test_a_player_with_another_open_case_stays_flagged(
    resources: Resources, people: People, analyst: Player, suspect: Player
) -> None:
    first = people.suspect(suspect)
    decide(resources, analyst, first, "confirm", "a bot")
    people.suspect(suspect)
    decide(resources, analyst, first, "clear", "no bot")
    assert people.status(suspect) == "flagged"
    people.complete(suspect)


def test_nobody_decides_about_themselves(resources: Resources, people: People, analyst: Player) -> None:
    case = people.suspect(analyst)
    with pytest.raises(Forbidden):
        decide(resources, analyst, case, "clear", "I am fine")
    assert get_case(resources, case).case.status == "open"


def test_an_entry_is_reversed_at_most_once_by_constraint(people: People, suspect: Player) -> None:
    entry = people.entries(suspect)[0]
    reverse = "SELECT append_entry(:id, 'global', 'reaction', 'reversal', -100, NULL, :entry, NULL, NULL, NULL)"
    people.execute(reverse, id=suspect.user_id, entry=entry)
    with pytest.raises(Exception, match="uq_ledger_entries_reverses"):
        people.execute(reverse, id=suspect.user_id, entry=entry)


def test_a_once_action_that_was_reversed_is_not_open_again(
    resources: Resources, people: People, analyst: Player, player: Player
) -> None:
    def quiz() -> int:
        return scoring.complete_once(resources, player, action_type="quiz", data={"answer": "redis"}).new_score

    quiz()
    case = people.suspect(player, *people.entries(player))
    decide(resources, analyst, case, "confirm", "a bot")
    people.execute("UPDATE users SET status = 'active'")
    with pytest.raises(ActionAlreadyCompleted):
        quiz()


def test_a_suspended_player_is_out_at_once_in_every_session(
    resources: Resources, people: People, analyst: Player, suspect: Player
) -> None:
    sessions.load(resources, suspect.user_id, suspect.session_id)
    decide(resources, analyst, people.suspect(suspect), "confirm", "a bot")
    with pytest.raises(AccountSuspended):
        sessions.authenticate(resources, suspect.user_id, suspect.session_id)
    with pytest.raises(AccountSuspended):
        people.complete(suspect)
    with pytest.raises(AccountSuspended):
        accounts.log_in(resources, username=suspect.username, password=PASSWORD, address="::1")


def test_a_cleared_player_is_in_again_at_once(
    resources: Resources, people: People, analyst: Player, suspect: Player
) -> None:
    case = people.suspect(suspect)
    decide(resources, analyst, case, "confirm", "a bot")
    decide(resources, analyst, case, "clear", "no bot")
    assert sessions.authenticate(resources, suspect.user_id, suspect.session_id).status == "active"


def test_a_decision_brings_no_revoked_session_back(
    resources: Resources, people: People, analyst: Player, suspect: Player
) -> None:
    case = people.suspect(suspect)
    sessions.revoke(resources, suspect.user_id, suspect.session_id)
    decide(resources, analyst, case, "clear", "fine")
    with pytest.raises(InvalidToken):
        sessions.authenticate(resources, suspect.user_id, suspect.session_id)


def test_the_case_file_tells_the_evidence_and_the_audit_in_order(
    resources: Resources, people: People, analyst: Player, suspect: Player
) -> None:
    entry = people.entries(suspect)[0]
    case = people.suspect(suspect, entry, rule="rule_b")
    assert people.suspect(suspect, rule="rule_a") == case
    decide(resources, analyst, case, "confirm", "first")
    decide(resources, analyst, case, "clear", "second")
    file = get_case(resources, case)
    assert (file.case.username, file.case.status, file.case.account_status) == (suspect.username, "cleared", "active")
    assert (file.case.reasons, file.case.rules) == (2, ["rule_a", "rule_b"])
    assert [(reason.rule, reason.value, reason.threshold, list(reason.entries)) for reason in file.evidence] == [
        ("rule_b", 1, 2, [entry]),
        ("rule_a", 1, 2, []),
    ]
    audit = [(decision.decision, decision.note, decision.decided_by) for decision in file.decisions]
    assert audit == [("confirm", "first", analyst.username), ("clear", "second", analyst.username)]


def test_new_evidence_after_a_decision_opens_a_new_case(
    resources: Resources, people: People, analyst: Player, suspect: Player
) -> None:
    first = people.suspect(suspect)
    decide(resources, analyst, first, "clear", "fine")
    second = people.suspect(suspect)
    assert second > first
    assert people.status(suspect) == "flagged"


def test_cases_are_listed_newest_first_page_by_page(resources: Resources, people: People) -> None:
    cases = [people.suspect(player) for player in people.several(5)]
    seen: list[int] = []
    cursor = None
    while True:
        page, cursor = list_cases(resources, status="open", cursor=cursor, limit=2)
        seen += [case.id for case in page]
        if cursor is None:
            break
    assert seen == cases[::-1]
    assert list_cases(resources, status="confirmed") == ([], None)


def test_a_case_that_is_not_there(resources: Resources, analyst: Player) -> None:
    with pytest.raises(NotFound):
        get_case(resources, 999_999)
    with pytest.raises(NotFound):
        decide(resources, analyst, 999_999, "clear", "")


def test_without_redis_the_decision_counts_and_the_outbox_follows_up(
    without: Callable[[str], Resources], resources: Resources, people: People, analyst: Player, suspect: Player
) -> None:
    case = people.suspect(suspect, people.entries(suspect)[0])
    people.execute("DELETE FROM outbox")
    assert decide(without("redis"), analyst, case, "confirm", "a bot").boards == set()
    assert people.status(suspect) == "suspended"
    assert people.execute("SELECT count(*) > 0 FROM outbox")[0][0]


def test_without_postgresql_nothing_is_decided(
    without: Callable[[str], Resources], people: People, analyst: Player, suspect: Player
) -> None:
    case = people.suspect(suspect)
    with pytest.raises(ServiceUnavailable):
        decide(without("postgres"), analyst, case, "confirm", "a bot")
    assert people.status(suspect) == "flagged"


def test_evidence_found_while_a_case_is_decided_opens_a_new_case(
    servers: Servers, resources: Resources, people: People, suspect: Player
) -> None:
    """The analysis does not hold the player's lock, so the two can meet."""
    first = people.suspect(suspect)
    with ThreadPoolExecutor() as threads:
        with transaction(resources.engine) as connection:
            connection.execute(text("UPDATE review_cases SET status = 'cleared' WHERE id = :id"), {"id": first})
            second = threads.submit(people.suspect, suspect)
            servers.wait_until_blocked("add_evidence")
        assert second.result(timeout=20) > first
