"""Decisions in scopes, their undo, whom they may be about, and what they leave to `fairboard void`."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from config.catalogue import BOARD
from services import voiding
from services.errors import AccountSuspended, CaseChanged, Forbidden, InvalidToken, NotFound
from services.leaderboard.board import publish
from services.resources import Resources
from services.review import links
from services.review.cases import Cursor, Severity, get_case, list_cases, waiting
from services.review.decisions import decide
from services.review.plots import plots
from services.review.preview import Move, preview
from services.review.takings import Scope, Span
from services.sessions import Player
from services.verify import verify
from services.voiding import Choice, Order
from tests.support.people import EPOCH, People, ranking, steady


def moments(people: People, player: Player) -> list[Any]:
    """When each of the player's entries was written."""
    rows = people.execute("SELECT created_at FROM ledger_entries WHERE user_id = :id ORDER BY id", id=player.user_id)
    return [row[0] for row in rows]


def reversals(people: People, player: Player) -> list[Any]:
    """The data of the player's reversals."""
    rows = people.execute(
        "SELECT data FROM ledger_entries WHERE user_id = :id AND kind = 'reversal' ORDER BY id", id=player.user_id
    )
    return [row[0] for row in rows]


def test_all_takes_everything_whatever_the_evidence_names(
    resources: Resources, people: People, analyst: Player, suspect: Player
) -> None:
    case = people.suspect(suspect, people.entries(suspect)[0])
    assert decide(resources, analyst, case, "confirm", "sold", "all").reversed_entries == 3
    assert people.standing(suspect).score == 0
    decide(resources, analyst, case, "clear", "not sold")
    assert ranking(resources) == people.top() == [(suspect.user_id, 850)]
    assert list(verify(resources, BOARD)) == []


def test_a_time_takes_what_was_earned_in_it(
    resources: Resources, people: People, analyst: Player, suspect: Player
) -> None:
    case = people.suspect(suspect)
    first, second, third = moments(people, suspect)
    for span, score in (
        (Span(second, third), 350),
        (Span(since=second), 100),
        (Span(until=second), 750),
        (Span(since=third + timedelta(days=1)), 850),
        (Span(first, third + timedelta(days=1)), 0),
    ):
        decide(resources, analyst, case, "confirm", "then", span)
        assert people.standing(suspect).score == score
    assert list(verify(resources, BOARD)) == []


def test_another_scope_undoes_the_one_before(
    resources: Resources, people: People, analyst: Player, suspect: Player
) -> None:
    case = people.suspect(suspect, people.entries(suspect)[1])
    scopes: list[tuple[Scope, int]] = [("evidence", 350), ("all", 0), ("evidence", 350)]
    for scope, score in scopes:
        decide(resources, analyst, case, "confirm", "again", scope)
        assert people.standing(suspect).score == score
    told = [(made.decision, made.scope, made.entries) for made in get_case(resources, case).decisions]
    assert told == [
        ("confirm", {"reverse": "evidence"}, 1),
        ("confirm", {"reverse": "all"}, 3),
        ("confirm", {"reverse": "evidence"}, 1),
    ]


def test_each_reversal_says_for_which_case_by_whom_and_why(
    resources: Resources, people: People, analyst: Player, suspect: Player
) -> None:
    case = people.suspect(suspect, people.entries(suspect)[0])
    decide(resources, analyst, case, "confirm", "a bot")
    decide(resources, analyst, case, "clear", "no bot")
    assert reversals(people, suspect) == [
        {"case": case, "by": analyst.username, "note": "a bot"},
        {"case": case, "by": analyst.username, "note": "no bot"},
    ]


def test_clear_never_gives_back_what_a_void_took(
    resources: Resources, people: People, analyst: Player, suspect: Player
) -> None:
    chosen = Choice(players=(suspect.username,), actions=("puzzle",))
    voiding.run(resources, BOARD, chosen, Order("run", "ops", "a broken build"))
    case = people.suspect(suspect, *people.entries(suspect)[:3])
    assert decide(resources, analyst, case, "confirm", "a bot").reversed_entries == 2
    assert decide(resources, analyst, case, "clear", "no bot").reversed_entries == 2
    assert people.standing(suspect).score == 350
    voiding.run(resources, BOARD, Choice(undo="run"), Order("back", "ops", "it was not broken"))
    assert people.standing(suspect).score == 850
    assert list(verify(resources, BOARD)) == []


def test_a_void_takes_nothing_twice_and_its_undo_gives_back_its_own_alone(
    resources: Resources, people: People, analyst: Player, suspect: Player
) -> None:
    case = people.suspect(suspect, people.entries(suspect)[1])
    decide(resources, analyst, case, "confirm", "a bot")
    everything = Choice(players=(suspect.username,))
    assert voiding.run(resources, BOARD, everything, Order("run", "ops", "all of it")) == 2
    assert voiding.run(resources, BOARD, Choice(undo="run"), Order("back", "ops", "no")) == 2
    assert people.standing(suspect).score == 350
    decide(resources, analyst, case, "clear", "no bot")
    assert people.standing(suspect).score == 850


def test_what_was_confirmed_before_there_were_scopes_is_given_back(
    resources: Resources, people: People, analyst: Player, suspect: Player
) -> None:
    """Decisions of earlier versions have no scope, and their reversals no data."""
    entry = people.entries(suspect)[1]
    case = people.suspect(suspect, entry)
    people.execute("SELECT reverse_entries(:id, :entries, NULL)", id=suspect.user_id, entries=[entry])
    people.execute("UPDATE review_cases SET status = 'confirmed'")
    people.execute(
        "INSERT INTO decisions (case_id, decided_by, decision, note) VALUES (:case, :by, 'confirm', 'long ago')",
        case=case,
        by=analyst.user_id,
    )
    other = people.suspect(suspect)
    decide(resources, analyst, other, "clear", "nothing there")
    assert people.standing(suspect).score == 350
    decide(resources, analyst, case, "clear", "a mistake")
    assert people.standing(suspect).score == 850


def test_who_saw_an_older_version_is_told(
    resources: Resources, people: People, analyst: Player, suspect: Player
) -> None:
    case = people.suspect(suspect)
    other = people.join(role="analyst")
    seen = get_case(resources, case).case.version
    decide(resources, analyst, case, "confirm", "a bot", expected=seen)
    with pytest.raises(CaseChanged):
        decide(resources, other, case, "clear", "no bot", expected=seen)
    assert get_case(resources, case).case.status == "confirmed"
    decide(resources, other, case, "clear", "no bot", expected=seen + 1)
    decide(resources, analyst, case, "confirm", "the last one counts")
    assert people.status(suspect) == "suspended"


@pytest.mark.parametrize("role", ["analyst", "admin"])
def test_only_admins_decide_about_colleagues(resources: Resources, people: People, analyst: Player, role: str) -> None:
    colleague = people.join(role=role)
    case = people.suspect(colleague)
    for act in (
        lambda: decide(resources, analyst, case, "confirm", "a bot"),
        lambda: preview(resources, analyst, BOARD, case, "confirm"),
    ):
        with pytest.raises(Forbidden):
            act()
    assert people.status(colleague) == "flagged"
    decide(resources, people.join(role="admin"), case, "confirm", "a bot")
    assert people.status(colleague) == "suspended"


def test_the_preview_tells_what_the_decision_then_does(
    resources: Resources, people: People, analyst: Player, suspect: Player
) -> None:
    """The first of three goes; a fourth stays where they are, and is not told."""
    second, third, last = people.several(3)
    people.complete(second, "puzzle")
    people.complete(third)
    people.earn(last, 40)
    case = people.suspect(suspect, people.entries(suspect)[1])
    told = preview(resources, analyst, BOARD, case, "confirm")
    assert (told.entries, told.points) == (1, -500)
    assert told.moves == [
        Move(suspect.user_id, suspect.username, 850, 350, 1, None),
        Move(second.user_id, second.username, 500, 500, 2, 1),
        Move(third.user_id, third.username, 100, 100, 3, 2),
        Move(last.user_id, last.username, 40, 40, 4, 3),
    ]
    assert (people.status(suspect), people.standing(suspect).score) == ("flagged", 850)
    assert decide(resources, analyst, case, "confirm", "a bot").reversed_entries == told.entries
    back = preview(resources, analyst, BOARD, case, "clear")
    assert (back.entries, back.points) == (1, 500)
    assert [(move.score_after, move.rank_before, move.rank_after) for move in back.moves] == [
        (850, None, 1),
        (500, 1, 2),
        (100, 2, 3),
        (40, 3, 4),
    ]
    other_scope = preview(resources, analyst, BOARD, case, "confirm", "all")
    assert (other_scope.entries, [move.user_id for move in other_scope.moves]) == (2, [suspect.user_id])


def test_the_preview_of_a_case_that_is_not_there(resources: Resources, analyst: Player) -> None:
    with pytest.raises(NotFound):
        preview(resources, analyst, BOARD, 999_999, "clear")
    with pytest.raises(NotFound):
        plots(resources, 999_999)


def test_thousands_of_entries_are_one_decision(
    resources: Resources, people: People, analyst: Player, player: Player
) -> None:
    people.execute(
        "SELECT append_entry(:id, 'global', 'old-' || i, 'once', 1, NULL, NULL, NULL, NULL, '{}') "
        "FROM generate_series(1, 2500) AS i",
        id=player.user_id,
    )
    case = people.suspect(player)
    publish(resources, BOARD)
    assert decide(resources, analyst, case, "confirm", "all of it", "all").reversed_entries == 2_500
    assert people.standing(player).score == 0
    assert decide(resources, analyst, case, "clear", "none of it").reversed_entries == 2_500
    assert ranking(resources) == [(player.user_id, 2_500)]
    assert list(verify(resources, BOARD)) == []


def test_the_queue_by_severity_comes_page_by_page_and_filtered(resources: Resources, people: People) -> None:
    wanted: list[Severity] = ["low", "high", "medium", "high", "low", "medium"]
    made = [people.suspect(people.join(), severity=severity) for severity in wanted]
    expected = [made[3], made[1], made[5], made[2], made[4], made[0]]
    seen: list[int] = []
    cursor: Cursor | None = None
    while True:
        page, cursor = list_cases(resources, status="open", sort="severity", cursor=cursor, limit=2)
        seen += [case.id for case in page]
        if cursor is None:
            break
        cursor = Cursor.parse(str(cursor))
    assert seen == expected
    high, _ = list_cases(resources, status="open", severity="high")
    assert [(case.id, case.severity, case.held) for case in high] == [
        (made[3], "high", True),
        (made[1], "high", True),
    ]
    counts = waiting(resources)
    assert (counts.high, counts.medium, counts.low, counts.newest) == (2, 2, 2, made[-1])


def test_the_plots_of_a_case(resources: Resources, people: People, suspect: Player) -> None:
    entries = people.entries(suspect)
    friend, stranger = people.several(2)
    people.execute("UPDATE sessions SET address = 'a', user_agent = 'b' WHERE user_id = :id", id=suspect.user_id)
    people.execute("UPDATE sessions SET address = 'a', user_agent = 'c' WHERE user_id = :id", id=friend.user_id)
    people.execute("UPDATE sessions SET address = 'x', user_agent = 'y' WHERE user_id = :id", id=stranger.user_id)
    theirs = people.suspect(friend)
    case = people.suspect(suspect, entries[1])
    drawn = plots(resources, case)
    assert [(time.entry, time.action_type, time.claimed_ms, time.named) for time in drawn.times] == [
        (entries[0], "reaction", 5_000, False),
        (entries[1], "puzzle", 5_000, True),
        (entries[2], "typing", 5_000, False),
    ]
    assert (drawn.gaps.number, sum(drawn.gaps.player)) == (2, 2)
    assert (len(drawn.days), sum(drawn.days[-1].hours)) == (14, 3)
    assert [(link.username, link.shares, link.case_id) for link in drawn.links] == [
        (friend.username, ["address"], theirs)
    ]


def test_an_address_that_very_many_share_links_nobody(resources: Resources, people: People, player: Player) -> None:
    people.several(70)
    people.execute("UPDATE sessions SET address = 'school', user_agent = ''")
    assert plots(resources, people.suspect(player)).links == []


def test_accounts_that_do_not_play_hide_nobody(resources: Resources, people: People, player: Player) -> None:
    friend, idle = people.several(2)
    people.have_played(friend, steady(EPOCH.timestamp(), 20))
    people.execute("UPDATE sessions SET address = 'den', user_agent = '' WHERE user_id <> :id", id=idle.user_id)
    people.execute("UPDATE sessions SET user_agent = 'browser' WHERE user_id = :id", id=idle.user_id)
    case = people.suspect(player)
    people.execute("UPDATE sessions SET address = 'den' WHERE user_id = :id", id=idle.user_id)
    assert [link.user_id for link in plots(resources, case).links] == [friend.user_id, idle.user_id]
    people.several(70)
    people.execute("UPDATE sessions SET address = 'den' WHERE address = ''")
    assert [link.user_id for link in plots(resources, case).links] == [friend.user_id]


def test_who_has_very_many_addresses_is_judged_by_the_newest(
    resources: Resources, people: People, player: Player
) -> None:
    friend = people.join()
    people.execute(
        "INSERT INTO sessions (id, user_id, refresh_id, expires_at, created_at, address, user_agent) "
        "SELECT gen_random_uuid(), u, gen_random_uuid(), now(), now() - make_interval(mins => n), 'a' || n, 'b' || n "
        "FROM generate_series(1, 500) AS n, unnest(CAST(:ids AS bigint[])) AS u",
        ids=[player.user_id, friend.user_id],
    )
    plan = people.execute("EXPLAIN " + links._LINKS.text, user_id=player.user_id, most=64, least=12, looked_at=2_000)
    assert "ix_sessions_address" in str(plan), "which has only the sessions that came from somewhere"
    assert "ix_sessions_user_agent" in str(plan)
    assert "Join Filter" not in str(plan), "not every session of everybody is compared with every one of the player's"
    (found,) = plots(resources, people.suspect(player)).links
    assert (found.user_id, found.shares) == (friend.user_id, ["address", "agent"])


def test_an_address_with_very_many_sessions_links_nobody_either(
    resources: Resources, people: People, player: Player, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(links, "LOOKED_AT", 10)
    busy = people.join()
    people.execute(
        "INSERT INTO sessions (id, user_id, refresh_id, expires_at, address, user_agent) "
        "SELECT gen_random_uuid(), :id, gen_random_uuid(), now(), 'provider', 'browser' FROM generate_series(1, 20)",
        id=busy.user_id,
    )
    people.execute(
        "UPDATE sessions SET address = 'provider', user_agent = 'browser' WHERE user_id = :id", id=player.user_id
    )
    assert plots(resources, people.suspect(player)).links == []


def test_who_was_an_analyst_a_moment_ago_decides_no_more(
    resources: Resources, people: People, analyst: Player, suspect: Player
) -> None:
    """The cache may believe for minutes that somebody is one."""
    case = people.suspect(suspect)
    for change, error in [
        ("UPDATE users SET role = 'player' WHERE id = :id", Forbidden),
        ("UPDATE users SET role = 'analyst', status = 'suspended' WHERE id = :id", AccountSuspended),
        ("UPDATE users SET status = 'active' WHERE id = :id", None),
        ("UPDATE sessions SET revoked_at = now() WHERE user_id = :id", InvalidToken),
    ]:
        people.execute(change, id=analyst.user_id)
        if error is None:
            decide(resources, analyst, case, "clear", "A person.")
        else:
            with pytest.raises(error):
                decide(resources, analyst, case, "confirm", "A bot.")
