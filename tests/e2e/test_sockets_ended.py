"""Whoever may act no more is not shown more: the end of a session or of an account closes its sockets."""

from __future__ import annotations

from collections.abc import Callable

import httpx

from services.socket_leases import key
from tests.support.players import PASSWORD, Player, log_in
from tests.support.problems import assert_problem
from tests.support.sockets import JOIN, Wire
from tests.support.stack import Stack, wait_for

Newcomer = Callable[[], Player]


def assert_lives(wire: Wire) -> None:
    wire.send("ping")
    while (event := wire.event()[0]) == "leaderboard:update":
        pass  # A board that came meanwhile.
    assert event == "pong"


def test_logging_out_closes_the_sockets_of_that_session_only(player: Player, newcomer: Newcomer) -> None:
    other_session, stranger = log_in(player.stack, player.username), newcomer()
    with (
        Wire(player.stack, player.access) as first,
        Wire(player.stack, player.access) as second,
        Wire(player.stack, other_session.access) as elsewhere,
        Wire(player.stack, stranger.access) as foreign,
    ):
        for wire in (first, second, elsewhere, foreign):
            wire.expect("connected")
        assert player.post("/api/auth/logout").status_code == 204
        assert [first.closed(), second.closed()] == [4401, 4401]
        assert_lives(elsewhere)
        assert_lives(foreign)
    other_session.close()


def test_a_new_password_closes_the_sockets_of_the_other_sessions(stack: Stack, player: Player) -> None:
    elsewhere = log_in(stack, player.username)
    with Wire(stack, player.access) as mine, Wire(stack, elsewhere.access) as theirs:
        mine.expect("connected")
        theirs.expect("connected")
        body = {"currentPassword": PASSWORD, "newPassword": "another passphrase that is long enough"}
        assert player.post("/api/auth/password", body).status_code == 204
        assert theirs.closed() == 4401
        assert_lives(mine)
    assert_problem(elsewhere.get("/api/me"), 401, "INVALID_TOKEN")
    assert_problem(player.post("/api/auth/password", body), 401, "INVALID_CREDENTIALS")
    assert player.get("/api/me").status_code == 200
    elsewhere.close()


def test_a_spent_refresh_token_closes_the_sockets_of_the_stolen_session(player: Player) -> None:
    with Wire(player.stack, player.access) as wire:
        wire.expect("connected")
        refresh = {"Authorization": f"Bearer {player.refresh}"}
        assert player.http.post("/api/auth/refresh", headers=refresh).status_code == 200
        player.stack.ask(
            "UPDATE sessions SET rotated_at = now() - interval '1 minute' WHERE id = %s", (player.session_id,)
        )
        assert player.http.post("/api/auth/refresh", headers=refresh).status_code == 401
        assert wire.closed() == 4401


def test_a_suspension_closes_all_sockets_of_the_player(analyst: Player, player: Player) -> None:
    other_session = log_in(player.stack, player.username)
    assert player.complete(player.ripe_token(), 1).status_code == 400
    cases = analyst.get("/api/review/cases").json()["cases"]
    case = next(case["id"] for case in cases if case["userId"] == player.user_id)
    with Wire(player.stack, player.access) as one, Wire(player.stack, other_session.access) as other:
        for wire in (one, other):
            wire.expect("connected")
            wire.join()
        decided = analyst.post(f"/api/review/cases/{case}/decision", {"decision": "confirm", "note": "A bot."})
        assert decided.status_code == 200
        assert [one.closed(), other.closed()] == [4403, 4403]
    other_session.close()


def test_what_ended_while_redis_was_away_is_found_out_afterwards(sick: Stack, newcomer: Newcomer) -> None:
    gone, suspended, stays = (newcomer() for _ in range(3))
    with Wire(sick, gone.access) as first, Wire(sick, suspended.access) as second, Wire(sick, stays.access) as third:
        for wire in (first, second, third):
            wire.expect("connected")
            wire.join()
        sick.redis.kill()
        sick.ask("UPDATE sessions SET revoked_at = now() WHERE id = %s", (gone.session_id,))
        sick.ask("UPDATE users SET status = 'suspended' WHERE id = %s", (suspended.user_id,))
        sick.redis.start()
        assert first.closed(20) == 4401
        assert second.closed(20) == 4403
        assert_lives(third)


def test_who_is_full_asks_to_come_back(stack: Stack, player: Player) -> None:
    with stack.another_web(SOCKETS_PER_PROCESS="2") as web:
        with Wire(web.port, player.access) as first, Wire(web.port, player.access) as second:
            first.expect("connected")
            second.expect("connected")
            with Wire(web.port, player.access) as third:
                assert third.status == 503
                assert third.body()["code"] == "SERVICE_UNAVAILABLE"
                assert "retry-after" in third.head
            figures = httpx.get(f"http://127.0.0.1:{web.port}/metrics", trust_env=False).text
            assert "fairboard_crowded_total 1.0" in figures, "so no alert says that a server is away"
            first.send_frame(8, b"\x03\xe8")
            assert first.closed() == 1000
        wait_for(lambda: is_let_in(web.port, player), 5, "a place of those who left")


def is_let_in(port: int, player: Player) -> bool:
    with Wire(port, player.access) as wire:
        return wire.status == 101


def test_the_sockets_of_a_player_are_counted_over_all_processes(stack: Stack, player: Player) -> None:
    with stack.another_web(SOCKETS_PER_PLAYER="2") as one, stack.another_web(SOCKETS_PER_PLAYER="2") as other:
        with Wire(one.port, player.access) as first, Wire(other.port, player.access) as second:
            first.expect("connected")
            second.expect("connected")
            for web in (one, other):
                with Wire(web.port, player.access) as third:
                    assert third.expect("error")["code"] == "RATE_LIMIT_EXCEEDED"
                    assert third.closed() == 1008
        wait_for(lambda: not player.stack.resources().redis.exists(key(player.user_id)), what="the end of both leases")
        with Wire(one.port) as by_message:
            by_message.send("authenticate", {"token": player.access})
            by_message.send("join", JOIN)
            by_message.send("ping")
            by_message.expect("connected")
            assert {by_message.event()[0] for _ in range(2)} == {"leaderboard:initial", "pong"}
