"""Review: analysts see the cases, and what they decide holds everywhere."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.players import Player, completion_body
from tests.support.problems import assert_problem
from tests.support.sockets import Wire
from tests.support.stack import Stack, wait_for

Newcomer = Callable[[], Player]
CASE = {
    "id",
    "userId",
    "username",
    "status",
    "severity",
    "held",
    "accountStatus",
    "openedAt",
    "updatedAt",
    "reasons",
    "rules",
    "version",
}
REASON = {
    "rule",
    "family",
    "familyName",
    "severity",
    "reason",
    "statistic",
    "value",
    "threshold",
    "percentile",
    "n",
    "entries",
    "details",
    "createdAt",
    "lastAt",
}


def open_case(player: Player, times: int = 1) -> None:
    """Give the analysts something to look at."""
    for _ in range(times):
        body = completion_body(player.ripe_token(), 1)
        assert_problem(player.post("/api/actions/complete", body), 400, "SUSPICIOUS_ACTIVITY")


def case_of(analyst: Player, player: Player) -> dict[str, object]:
    cases = analyst.get("/api/review/cases").json()["cases"]
    found: dict[str, object] = next(case for case in cases if case["userId"] == player.user_id)
    return found


def test_cases_newest_first(analyst: Player, newcomer: Newcomer) -> None:
    players = [newcomer(), newcomer()]
    for player in players:
        open_case(player)
    answer = analyst.get("/api/review/cases", params={"status": "open"})
    assert answer.status_code == 200
    assert set(answer.json()) == {"cases", "next"}
    cases = answer.json()["cases"]
    assert all(set(case) == CASE for case in cases)
    assert [case["userId"] for case in cases[:2]] == [players[1].user_id, players[0].user_id]
    assert cases[0]["rules"] == ["too_fast"]
    assert (cases[0]["status"], cases[0]["accountStatus"], cases[0]["reasons"]) == ("open", "flagged", 1)


def test_cases_are_paged_by_cursor(stack: Stack, analyst: Player) -> None:
    stack.ask(
        "WITH u AS (INSERT INTO users (username, username_key, password_hash) SELECT n, n, '!' "
        "FROM (SELECT 'paged-' || i AS n FROM generate_series(1, 120) AS i) AS names RETURNING id), "
        "heads AS (INSERT INTO ledger_heads (user_id) SELECT id FROM u) "
        "INSERT INTO review_cases (user_id, status) SELECT id, 'cleared' FROM u"
    )
    seen: list[int] = []
    cursor: str | None = None
    for _ in range(10):
        query = {"status": "cleared"} | ({"cursor": cursor} if cursor else {})
        page = analyst.get("/api/review/cases", params=query).json()
        seen += [case["id"] for case in page["cases"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert cursor is None
    assert seen == sorted(set(seen), reverse=True)
    assert len(seen) >= 120


@pytest.mark.parametrize(
    "query",
    [
        {"status": "shut"},
        {"severity": "none"},
        {"sort": "oldest"},
        {"cursor": "x"},
        {"cursor": "-1"},
        {"cursor": "9" * 19},
        {"page": "1"},
        {"status": ""},
    ],
)
def test_cases_refuse_other_queries(analyst: Player, query: dict[str, str]) -> None:
    assert_problem(analyst.get("/api/review/cases", params=query), 400, "VALIDATION_ERROR")


def test_a_case_shows_each_reason_with_value_and_threshold(analyst: Player, player: Player) -> None:
    open_case(player, 2)
    answer = analyst.get(f"/api/review/cases/{case_of(analyst, player)['id']}")
    assert answer.status_code == 200
    assert set(answer.json()) == CASE | {"evidence", "decisions"}
    evidence = answer.json()["evidence"]
    assert len(evidence) == 2
    for reason in evidence:
        assert set(reason) == REASON
        assert (reason["family"], reason["familyName"], reason["severity"]) == ("G", "refusals", "low")
        assert (reason["rule"], reason["value"], reason["threshold"]) == ("too_fast", 1, 1_000)
        assert reason["details"]["actionType"] == "reaction"


@pytest.mark.parametrize("case", ["0", "999999999999", "9" * 30])
def test_a_case_that_does_not_exist(analyst: Player, case: str) -> None:
    assert_problem(analyst.get(f"/api/review/cases/{case}"), 404, "NOT_FOUND")
    decision = {"decision": "clear", "note": "there is none"}
    assert_problem(analyst.post(f"/api/review/cases/{case}/decision", decision), 404, "NOT_FOUND")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"decision": "maybe", "note": "x"},
        {"decision": "clear"},
        {"decision": "clear", "note": " \n"},
        {"note": "x"},
        {"decision": "confirm", "note": "x", "reverse": "some"},
        {"decision": "confirm", "note": "x", "reverse": {}},
        {"decision": "confirm", "note": "x", "reverse": {"since": "yesterday"}},
        {"decision": "confirm", "note": "x", "reverse": {"since": 1_700_000_000}},
        {"decision": "confirm", "note": "x", "reverse": {"since": "0001-01-01T00:00:00+14:00"}},
        {"decision": "confirm", "note": "x", "reverse": {"since": "2026-05-01T12:00:00"}},
        {
            "decision": "confirm",
            "note": "x",
            "reverse": {"since": "2026-05-01T12:00:00Z", "until": "2026-05-01T12:00Z"},
        },
        {"decision": "confirm", "note": "x", "expected": -1},
        {"decision": "confirm", "note": "x", "entries": [1]},
    ],
)
def test_a_decision_needs_a_verdict_and_a_reason(analyst: Player, player: Player, body: object) -> None:
    open_case(player)
    path = f"/api/review/cases/{case_of(analyst, player)['id']}/decision"
    assert_problem(analyst.post(path, body), 400, "VALIDATION_ERROR")


def test_confirm_suspends_and_reverses_and_clear_gives_back(stack: Stack, analyst: Player, player: Player) -> None:
    assert player.play("puzzle").status_code == 200
    assert player.play("reaction").status_code == 200
    open_case(player)
    case = case_of(analyst, player)["id"]
    entry = stack.ask("SELECT min(id) FROM ledger_entries WHERE user_id = %s", (player.user_id,))[0][0]
    stack.ask("UPDATE evidence SET entries = ARRAY[%s::bigint] WHERE case_id = %s", (entry, case))

    confirm = {"decision": "confirm", "note": "nobody is that fast"}
    answer = analyst.post(f"/api/review/cases/{case}/decision", confirm)
    assert answer.json() == {"id": case, "status": "confirmed", "reversedEntries": 1}
    assert_problem(player.get("/api/me"), 403, "ACCOUNT_SUSPENDED")
    board = analyst.get("/api/leaderboard", params={"limit": 100}).json()["leaderboard"]
    assert player.user_id not in [row["userId"] for row in board]
    stack.wait_until_quiet()
    assert stack.differences() == []

    clear = {"decision": "clear", "note": "it was a bug of ours"}
    assert analyst.post(f"/api/review/cases/{case}/decision", clear).json()["status"] == "cleared"
    me = player.get("/api/me").json()
    assert (me["score"], me["status"]) == (600, "active")
    made = analyst.get(f"/api/review/cases/{case}").json()["decisions"]
    assert [(one["decision"], one["note"], one["reverse"], one["entries"], one["decidedBy"]) for one in made] == [
        ("confirm", "nobody is that fast", "evidence", 1, analyst.username),
        ("clear", "it was a bug of ours", None, 0, analyst.username),
    ]
    stack.wait_until_quiet()
    assert stack.differences() == []


def test_a_suspension_closes_the_players_calls_on_a_socket(analyst: Player, player: Player) -> None:
    open_case(player)
    case = case_of(analyst, player)["id"]
    with Wire(player.stack, player.access) as wire:
        wire.expect("connected")
        analyst.post(f"/api/review/cases/{case}/decision", {"decision": "confirm", "note": "seen"})
        wire.send("authenticate", {"token": player.access})
        assert wire.closed() == 4403


def test_a_preview_a_scope_and_a_version(analyst: Player, player: Player) -> None:
    assert player.play("puzzle").status_code == 200
    assert player.play("reaction").status_code == 200
    open_case(player)
    case = case_of(analyst, player)["id"]
    ruling = {"decision": "confirm", "reverse": {"since": "2000-01-01T00:00:00Z"}}
    told = analyst.post(f"/api/review/cases/{case}/preview", ruling)
    assert told.status_code == 200
    assert (told.json()["entries"], told.json()["points"]) == (2, -600)
    own = told.json()["moves"][0]
    assert (own["userId"], own["scoreBefore"], own["scoreAfter"], own["rankAfter"]) == (player.user_id, 600, 0, None)
    path = f"/api/review/cases/{case}/decision"
    decided = analyst.post(path, ruling | {"note": "all of it", "expected": 0})
    assert decided.json() == {"id": case, "status": "confirmed", "reversedEntries": 2}
    assert_problem(analyst.post(path, ruling | {"note": "me too", "expected": 0}), 409, "CASE_CHANGED")
    assert analyst.post(path, {"decision": "clear", "note": "no", "expected": 1}).json()["reversedEntries"] == 2
    assert player.get("/api/me").json()["score"] == 600


def test_who_is_held_notices_nothing_and_is_seen_by_nobody(stack: Stack, analyst: Player, player: Player) -> None:
    player.climb()
    before = player.get("/api/me").json()
    assert before["rank"] == 1
    entries = [row[0] for row in stack.ask("SELECT id FROM ledger_entries WHERE user_id = %s", (player.user_id,))]
    stack.ask(
        "SELECT add_evidence(%s, 'repeated_times', 'The same times again.', 8, 6, %s::bigint[], "
        "'{\"statistic\": \"longest run\", \"percentile\": 1e-9, \"n\": 40}', 'one', 'C', 'high')",
        (player.user_id, entries),
    )

    def seen() -> bool:
        board = analyst.get("/api/leaderboard", params={"limit": 10}).json()["leaderboard"]
        return player.user_id in [row["userId"] for row in board]

    wait_for(lambda: not seen(), what="a board without the held player")
    assert player.get("/api/me").json() == before
    more = player.play().json()
    assert (more["newScore"], more["rank"]) == (before["score"] + 100, 1)
    case = analyst.get("/api/review/cases", params={"sort": "severity"}).json()["cases"][0]
    assert (case["userId"], case["severity"], case["held"], case["accountStatus"]) == (
        player.user_id,
        "high",
        True,
        "active",
    )
    reason = analyst.get(f"/api/review/cases/{case['id']}").json()["evidence"][0]
    assert (reason["statistic"], reason["percentile"], reason["n"]) == ("longest run", 1e-9, 40)
    drawn = analyst.get(f"/api/review/cases/{case['id']}/plots").json()
    assert (len(drawn["times"]), len(drawn["days"]), sum(drawn["gaps"]["honest"])) == (2, 14, 1_000)
    assert analyst.get("/api/review/waiting").json()["high"] >= 1
    analyst.post(f"/api/review/cases/{case['id']}/decision", {"decision": "clear", "note": "just good"})
    wait_for(seen, what="a board with the player")
    stack.wait_until_quiet()
    assert stack.differences() == []
