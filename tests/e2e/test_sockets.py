"""The live board over a WebSocket: who is let in, what is said, and that no change is ever missed."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial
from itertools import pairwise
from signal import SIGHUP, SIGTERM
from threading import Barrier

import httpx
import pytest

from config.catalogue import BOARD
from services.leaderboard.board import publish
from tests.support.players import Player, crowd, token_for
from tests.support.problems import assert_problem
from tests.support.sockets import JOIN, PING, PONG, Wire
from tests.support.stack import Part, Stack, wait_for

Newcomer = Callable[[], Player]


def assert_board(data: dict[str, object]) -> None:
    assert set(data) == {"leaderboard", "updatedAt", "version"}
    assert isinstance(data["version"], int)
    assert isinstance(data["updatedAt"], str)
    assert datetime.fromisoformat(data["updatedAt"]) <= datetime.now(UTC)
    rows = data["leaderboard"]
    assert isinstance(rows, list)
    assert len(rows) <= 10
    assert [row["rank"] for row in rows] == list(range(1, len(rows) + 1))
    assert all(set(row) == {"rank", "userId", "username", "score"} for row in rows)


# Who is let in


def test_a_bearer_header_lets_in(player: Player) -> None:
    with Wire(player.stack, player.access) as wire:
        assert wire.status == 101
        assert wire.expect("connected") == {"userId": player.user_id}


@pytest.mark.parametrize("host", ["xn--strae-oqa.de", "xn--a", "a..b", "x" * 300])
def test_a_name_of_the_site_that_the_library_cannot_read_keeps_nobody_out(player: Player, host: str) -> None:
    with Wire(player.stack, player.access, headers={"Host": host}) as wire:
        assert wire.status in ({101} if host.startswith("xn--") else {101, 400})


@pytest.mark.parametrize(("life", "code"), [(60, "INVALID_TOKEN"), (-1, "TOKEN_EXPIRED")], ids=["broken", "expired"])
def test_a_bad_bearer_header_gets_401_before_the_upgrade(player: Player, life: int, code: str) -> None:
    token = token_for(player.stack, player.user_id, player.session_id, life=life)
    with Wire(player.stack, token + ("x" if life > 0 else "")) as wire:
        assert wire.status == 401
        assert wire.body()["code"] == code


def test_a_refresh_token_or_a_dead_session_gets_401_before_the_upgrade(player: Player) -> None:
    player.post("/api/auth/logout")
    for token in (player.refresh, player.access):
        with Wire(player.stack, token) as wire:
            assert wire.status == 401
            assert wire.body()["code"] == "INVALID_TOKEN"


def test_an_authenticate_message_lets_in(player: Player) -> None:
    with Wire(player.stack) as wire:
        wire.send("authenticate", {"token": player.access})
        assert wire.expect("connected") == {"userId": player.user_id}
        assert_board(wire.join())


@pytest.mark.parametrize("token", ["", "nonsense", "a.b.c"])
def test_a_bad_authenticate_message_closes_4401(stack: Stack, token: str) -> None:
    with Wire(stack) as wire:
        wire.send("authenticate", {"token": token})
        assert wire.expect("error")["code"] == "INVALID_TOKEN"
        assert wire.closed() == 4401


def test_joining_before_authenticating_is_refused(stack: Stack) -> None:
    with Wire(stack) as wire:
        wire.send("join", JOIN)
        assert wire.expect("error")["code"] == "UNAUTHORIZED"
        assert wire.closed() == 4401


def test_who_says_nothing_is_closed_4401_after_five_seconds(stack: Stack) -> None:
    begun = datetime.now(UTC)
    with Wire(stack) as silent, Wire(stack) as chatty:
        chatty.send("ping")
        assert silent.closed(9) == 4401
        assert 4.5 < (datetime.now(UTC) - begun).total_seconds() < 9
        chatty.expect("pong")
        assert chatty.closed(3) == 4401, "talking about other things is not authenticating"


def test_no_token_in_the_url(stack: Stack, player: Player) -> None:
    answer = httpx.get(f"{stack.url}/ws?token={player.access}", trust_env=False)
    assert_problem(answer, 400, "VALIDATION_ERROR")


def test_the_end_of_the_token_closes_4401(player: Player) -> None:
    token = token_for(player.stack, player.user_id, player.session_id, life=2)
    with Wire(player.stack, token) as wire:
        wire.expect("connected")
        wire.join()
        assert wire.closed(8) == 4401


def test_a_newer_token_lets_stay(player: Player) -> None:
    token = token_for(player.stack, player.user_id, player.session_id, life=2)
    with Wire(player.stack, token) as wire, Wire(player.stack, token) as forgetful:
        wire.expect("connected")
        wire.send("authenticate", {"token": player.access})
        wire.expect("connected")
        assert forgetful.closed(8) == 4401
        wire.send("ping")
        wire.expect("pong")


def test_a_token_of_another_player_is_refused_on_a_socket_in_use(newcomer: Newcomer) -> None:
    one, other = newcomer(), newcomer()
    with Wire(one.stack, one.access) as wire:
        wire.expect("connected")
        wire.send("authenticate", {"token": other.access})
        assert wire.expect("error")["code"] == "VALIDATION_ERROR"
        wire.send("ping")
        wire.expect("pong")


def test_an_origin_that_is_not_on_the_list_is_refused(stack: Stack, player: Player) -> None:
    own = f"http://127.0.0.1:{stack.port}"
    for origin in ("https://evil.example", "null", f"{own}.evil.example", "http://127.0.0.1:1", ""):
        with Wire(stack, player.access, headers={"Origin": origin}) as wire:
            assert wire.status == 403, origin
            assert wire.body()["code"] == "FORBIDDEN"
    with Wire(stack, player.access, headers={"Origin": own}) as wire:
        assert wire.status == 101


def test_an_origin_on_the_list_and_the_sockets_of_one_player(stack: Stack, player: Player) -> None:
    with stack.another_web(ALLOWED_ORIGINS="https://game.example", SOCKETS_PER_PLAYER="2", PUBLIC_BOARD="true") as web:
        headers = {"Origin": "https://game.example"}
        with Wire(web.port, player.access, headers=headers) as wire, Wire(web.port, player.access) as second:
            assert wire.status == second.status == 101
            wire.expect("connected")
            second.expect("connected")
            with Wire(web.port, player.access) as third:
                assert third.expect("error")["code"] == "RATE_LIMIT_EXCEEDED"
                assert third.closed() == 1008
        with Wire(web.port) as anybody:
            assert_board(anybody.join())


# What is said


def test_join_then_updates_of_the_same_shape(newcomer: Newcomer) -> None:
    watcher, climber = newcomer(), newcomer()
    with Wire(watcher.stack, watcher.access) as wire:
        wire.expect("connected")
        initial = wire.join()
        assert_board(initial)
        climber.climb()
        update = wire.expect("leaderboard:update")
        assert_board(update)
        assert update["version"] > initial["version"]
        assert update["leaderboard"][0]["userId"] == climber.user_id


def test_leave_ends_the_updates(newcomer: Newcomer) -> None:
    watcher, climber = newcomer(), newcomer()
    with Wire(watcher.stack, watcher.access) as gone, Wire(watcher.stack, watcher.access) as stays:
        for wire in (gone, stays):
            wire.expect("connected")
            wire.join()
        gone.send("leave", JOIN)
        assert gone.expect("left") == {"room": "leaderboard"}
        climber.climb()
        stays.expect("leaderboard:update")
        gone.send("ping")
        gone.expect("pong")
        gone.send("join", JOIN)
        assert gone.expect("leaderboard:initial")["leaderboard"][0]["userId"] == climber.user_id


def test_joining_twice_still_sends_each_update_once(newcomer: Newcomer) -> None:
    watcher, climber = newcomer(), newcomer()
    with Wire(watcher.stack, watcher.access) as wire:
        wire.expect("connected")
        wire.join()
        wire.join()
        wire.boards_until(climber.climb()["newScore"])
        wire.send("ping")
        wire.expect("pong")


def test_ping_on_both_levels(player: Player) -> None:
    with Wire(player.stack, player.access) as wire:
        wire.expect("connected")
        wire.send("ping")
        data = wire.expect("pong")
        assert set(data) == {"serverTime"}
        assert abs((datetime.fromisoformat(data["serverTime"]) - datetime.now(UTC)).total_seconds()) < 5
        wire.send_frame(PING, b"are you there?")
        assert wire.frame() == (PONG, b"are you there?")


def test_a_close_is_answered(player: Player) -> None:
    with Wire(player.stack, player.access) as wire:
        wire.expect("connected")
        wire.send_frame(8, b"\x03\xe8bye")
        assert wire.closed() == 1000


# No change is missed


def test_no_gap_between_joining_and_the_first_update(newcomer: Newcomer) -> None:
    """A completion and a join at the same moment: whichever comes first, the watcher ends up knowing."""
    watcher, *climbers = (newcomer() for _ in range(5))

    def climb(climber: Player, start: Barrier) -> int:
        start.wait(10)
        return int(climber.climb()["newScore"])

    with ThreadPoolExecutor(1) as pool:
        for turn in range(16):
            with Wire(watcher.stack, watcher.access) as wire:
                wire.expect("connected")
                start = Barrier(2)
                score = pool.submit(climb, climbers[turn % 4], start)
                start.wait(10)
                initial = wire.join()
                if score.result() not in [row["score"] for row in initial["leaderboard"]]:
                    assert wire.boards_until(score.result(), 5)[0]["version"] > initial["version"]


def test_versions_only_grow_and_everybody_ends_on_the_last_board(stack: Stack, newcomer: Newcomer) -> None:
    """Players overtake each other again and again, so that each completion is a frame."""
    rivals = [newcomer() for _ in range(10)]
    rivals[0].climb()
    watchers = crowd(stack, 6)
    with ThreadPoolExecutor(1) as pool, ExitStack() as sockets:
        race = pool.submit(lambda: [rivals[turn % 10].climb()["newScore"] for turn in range(30)])
        wires = []
        for watcher in watchers:
            wires.append(sockets.enter_context(Wire(stack, watcher.access)))
            wires[-1].expect("connected")
        versions = [[wire.join()["version"]] for wire in wires]
        last = race.result()[-1]
        for wire, seen in zip(wires, versions, strict=True):
            seen += [board["version"] for board in wire.boards_until(last)]
    for seen in versions:
        assert seen == sorted(set(seen))
    assert len({seen[-1] for seen in versions}) == 1
    for someone in watchers[:1]:
        someone.close()


def test_three_hundred_sockets_get_the_same_frame(stack: Stack, player: Player) -> None:
    watchers = crowd(stack, 60)
    with ExitStack() as sockets:
        wires = [sockets.enter_context(Wire(stack, who.access)) for who in watchers for _ in range(5)]
        for wire in wires:
            wire.expect("connected")
            wire.send("join", JOIN)
        for wire in wires:
            wire.expect("leaderboard:initial")
        earned = player.climb()
        frames = set()
        for wire in wires:
            payload = wire.frame().payload
            while f'"score":{earned["newScore"]}'.encode() not in payload:
                payload = wire.frame().payload
            frames.add(payload)
        assert len(frames) == 1
    watchers[0].close()


def test_ringing_without_a_change_publishes_nothing(stack: Stack, player: Player) -> None:
    player.climb()
    stack.wait_until_quiet()
    publish(stack.resources(), BOARD)
    before = publish(stack.resources(), BOARD)
    assert before.outcome == "unchanged"
    with Wire(stack, player.access) as wire:
        wire.expect("connected")
        assert wire.join()["version"] == before.version
        for _ in range(5):
            assert publish(stack.resources(), BOARD) == before
        wire.send("ping")
        wire.expect("pong")


def test_scores_alone_are_at_most_one_frame_a_second(newcomer: Newcomer) -> None:
    watcher, leader = newcomer(), newcomer()
    with Wire(watcher.stack, watcher.access) as wire:
        wire.expect("connected")
        wire.join()
        leader.climb()
        leader.forget_limits()
        scores = [leader.play().json()["newScore"] for _ in range(8)]
        moments = [datetime.fromisoformat(board["updatedAt"]) for board in wire.boards_until(scores[-1])]
        gaps = [(later - earlier).total_seconds() for earlier, later in pairwise(moments)]
        assert all(gap >= 0.99 for gap in gaps[1:]), gaps


# Restarts


def has_other_children(part: Part, before: set[int]) -> bool:
    return before.isdisjoint(part.children())


def test_a_reload_and_a_stop_close_with_1012(stack: Stack, player: Player) -> None:
    """Both take the place of a running worker; who has not said yet who they are is told as well."""
    with stack.another_web() as web:
        for signum in (SIGHUP, SIGTERM):
            with ExitStack() as sockets:
                wires = [sockets.enter_context(Wire(web.port, player.access)) for _ in range(5)]
                unknown = sockets.enter_context(Wire(web.port))
                for wire in wires:
                    wire.expect("connected")
                    wire.join()
                before = set(web.part.children())
                web.part.send(signum)
                assert [wire.closed(15) for wire in [*wires, unknown]] == [1012] * 6
            if signum == SIGHUP:
                wait_for(partial(has_other_children, web.part, before), what="the end of the old workers")
                stack.wait_until_ready(web.url)
        assert web.part.process is not None
        assert web.part.process.wait(10) == 0


@pytest.mark.parametrize("manner", ["restart", "flush"])
def test_no_gap_when_redis_loses_everything_or_restarts(sick: Stack, newcomer: Newcomer, manner: str) -> None:
    watcher, climber = newcomer(), newcomer()
    climber.climb()
    with Wire(sick, watcher.access) as wire:
        wire.expect("connected")
        first = wire.join()
        if manner == "restart":
            sick.redis.kill()
        else:
            sick.resources().redis.flushall()
        # A change that nobody can be told of at this moment.
        sick.ask(
            "SELECT append_entry(%s, 'global', 'puzzle', 'timed', 12345, "
            "sha256(uuid_send(gen_random_uuid())), NULL, 1, 1, NULL)",
            (climber.user_id,),
        )
        score = sick.ask("SELECT score FROM standings WHERE user_id = %s", (climber.user_id,))[0][0]
        if manner == "restart":
            sick.redis.start()
        boards = wire.boards_until(score, 20)
        assert boards[0]["version"] > first["version"]
        with Wire(sick, watcher.access) as other:
            other.expect("connected")
            wait_for(lambda: other.join()["version"] >= boards[-1]["version"], 10)
