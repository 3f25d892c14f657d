"""The analysis on a running stack: nobody asks for it, and what it finds is followed up."""

from __future__ import annotations

import json

from tests.support.players import Player, completion_body
from tests.support.problems import assert_problem
from tests.support.stack import Stack, wait_for

STEADY_PLAY = """
DO $$
DECLARE
    player bigint := {user_id};
    last bytea := decode(repeat('00', 32), 'hex');
    at timestamptz;
    token bytea;
BEGIN
    FOR i IN 1..40 LOOP
        at := clock_timestamp() - (41 - i) * interval '20 s';
        token := sha256(uuid_send(gen_random_uuid()));
        INSERT INTO ledger_entries (user_id, seq, board, action_type, kind, points, token_hash, claimed_ms, elapsed_ms,
                                    created_at, previous_hash, hash)
        VALUES (player, i, 'global', 'reaction', 'timed', 1, token, 6000 - mod(i * 97, 400), 6000, at, last,
                ledger_hash(last, player, i, 'global', 'reaction', 'timed', 1, token, NULL, 6000 - mod(i * 97, 400),
                            6000, NULL, at))
        RETURNING hash INTO last;
    END LOOP;
    UPDATE ledger_heads SET seq = 40, hash = last WHERE user_id = player;
    INSERT INTO standings (board, user_id, score, reached_at, version) VALUES ('global', player, 40, at, 40);
    INSERT INTO outbox (board, user_id) VALUES ('global', player);
END $$
"""
"""Forty completions, one every twenty seconds to the millisecond, which claim what they like of six seconds; with the
hashes that the server would have made."""


def metric(player: Player, name: str) -> float:
    lines = player.http.get("/metrics").text.splitlines()
    return next(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name + " "))


def case_of(stack: Stack, player: Player) -> list[tuple[object, ...]]:
    return stack.ask("SELECT severity, held FROM review_cases WHERE user_id = %s", (player.user_id,))


def on_the_board(player: Player) -> bool:
    board = player.get("/api/leaderboard", params={"limit": 100}).json()["leaderboard"]
    return player.user_id in [row["userId"] for row in board]


def test_a_player_as_steady_as_a_clock_is_found_and_held(stack: Stack, player: Player) -> None:
    """One completion has to be enough: the doorbell, the analysis, the case, the hold, and the board without them."""
    held = metric(player, "fairboard_held_players")
    stack.ask(STEADY_PLAY.format(user_id=player.user_id))
    assert player.play().status_code == 200
    wait_for(lambda: case_of(stack, player) == [("high", True)], 40, "a hold")
    wait_for(lambda: not on_the_board(player), 15, "the board without them")
    me = player.get("/api/me").json()
    assert (me["status"], me["score"]) == ("active", 140)
    assert metric(player, "fairboard_held_players") == held + 1
    assert metric(player, 'fairboard_analyses_total{outcome="high"}') >= 1
    assert metric(player, "fairboard_analysis_parked") == 0
    stack.wait_until_quiet()
    assert stack.differences() == []


def test_a_player_from_the_stored_events_by_name(stack: Stack, player: Player) -> None:
    assert player.play().status_code == 200
    found = stack.command("analyse", "--player", player.username)
    assert found.returncode == 0, found.stderr
    line = json.loads(found.stdout)
    assert (line["user_id"], line["events"], line["severity"]) == (player.username, 1, "none")
    nobody = stack.command("analyse", "--player", "nobody at all")
    assert (nobody.returncode, nobody.stdout) == (2, "")
    assert "There is no player 'nobody at all'." in nobody.stderr


def test_a_worker_that_starts_gives_whoever_is_parked_another_chance(stack: Stack, player: Player) -> None:
    park = "INSERT INTO anticheat_states (user_id, failures, parked_at) VALUES (%s, 5, now()) RETURNING user_id"
    stack.ask(park, (player.user_id,))
    worker = stack.parts["anticheat"]
    worker.kill()
    worker.start()
    query = (
        "SELECT parked_at IS NULL AND failures = 0 AND analysed_at > now() - interval '1 hour' FROM anticheat_states"
    )
    wait_for(lambda: stack.ask(f"{query} WHERE user_id = %s", (player.user_id,)) == [(True,)], 60, "another chance")


def test_refusals_of_actions_reach_the_analysis(stack: Stack, player: Player) -> None:
    assert_problem(player.post("/api/actions/complete", completion_body("no token")), 400, "ACTION_TOKEN_INVALID")
    assert_problem(player.post("/api/actions/request", {"actionType": "nothing"}), 400, "ACTION_NOT_FOUND")
    assert_problem(player.get("/api/review/cases"), 403, "FORBIDDEN")
    query = "SELECT code FROM refusals WHERE user_id = %s ORDER BY id"
    wait_for(lambda: len(stack.ask(query, (player.user_id,))) == 2, 15, "two refusals")
    assert stack.ask(query, (player.user_id,)) == [("ACTION_TOKEN_INVALID",), ("ACTION_NOT_FOUND",)]


def test_where_a_session_comes_from_is_kept_as_a_hash(stack: Stack, player: Player) -> None:
    ((address, agent),) = stack.ask("SELECT address, user_agent FROM sessions WHERE user_id = %s", (player.user_id,))
    assert len(str(address)) == 32
    assert str(agent).startswith("python-httpx/")
