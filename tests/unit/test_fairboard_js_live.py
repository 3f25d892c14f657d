"""The live board of the client in JavaScript: coming in, which boards are handed out, and coming back."""

from __future__ import annotations

import pytest

from tests.support.watching import watch

# Coming in


def test_the_first_frame_authenticates_and_joining_waits_for_the_welcome() -> None:
    assert watch(
        """
        const steps = [Socket.last.url, live.state];
        Socket.last.opens();
        steps.push(...Socket.last.sent);
        Socket.last.says("connected", { userId: 1 });
        steps.push(Socket.last.sent.at(-1), live.state);
        Socket.last.says("leaderboard:initial", { leaderboard: [], updatedAt: "", version: 4 });
        return [...steps, live.state, live.board.version, states];
        """
    ) == [
        "wss://here/base/ws",
        "connecting",
        {"event": "authenticate", "data": {"token": "access-a"}},
        {"event": "join", "data": {"room": "leaderboard"}},
        "connecting",
        "live",
        4,
        ["connecting", "live"],
    ]


def test_without_a_session_it_joins_at_once() -> None:
    assert watch("Socket.last.welcomes(); return [Socket.last.events, states]", known=False) == [
        ["join"],
        ["connecting", "live"],
    ]


def test_where_the_board_is_not_public_nobody_is_refused_until_somebody_logs_in() -> None:
    assert watch(
        """
        answers["POST /api/auth/login"] = () => ({ ...refreshed, userId: 5, username: "e", role: "player" });
        Socket.last.opens();
        Socket.last.ends(4401, "UNAUTHORIZED");
        await pass(600_000);
        const before = [attempts(), live.state];
        await fairboard.login("e", "password");
        await pass();
        Socket.last.welcomes();
        return [before, Socket.last.sent[0].data.token, states];
        """,
        known=False,
    ) == [[1, "refused"], "new", ["connecting", "refused session-over", "connecting", "live"]]


def test_the_watcher_may_use_the_subscription_and_close_it_in_each_callback() -> None:
    assert watch(
        """
        live.close();
        const heard = [];
        const closing = (at) => {
          const own = fairboard.subscribe({
            onState: (state) => { heard.push(state); if (state === at) own.close(); },
            onBoard: () => { heard.push("board"); if (at === "board") own.close(); },
          });
        };
        for (const at of ["connecting", "live", "board"]) {
          closing(at);
          await pass();
          if (at !== "connecting") Socket.last.welcomes();
          heard.push(Socket.last.readyState);
        }
        return heard;
        """
    ) == ["connecting", "closed", 3, "connecting", "live", "closed", 3, "connecting", "live", "board", "closed", 3]


def test_a_watcher_that_fails_and_frames_that_make_no_sense_do_no_harm() -> None:
    assert watch(
        """
        console.error = () => {};
        let calls = 0;
        const fails = () => { calls += 1; throw new Error("A mistake of the page."); };
        fairboard.subscribe({ onBoard: fails, onState: fails });
        await pass();
        Socket.last.welcomes();
        for (const data of ["{", "null", "7", '{"event":"leaderboard:update"}', '{"event":"error"}', '{"event":[]}']) {
          Socket.last.onmessage({ data });
        }
        Socket.last.onmessage({ data: new Blob() });
        Socket.last.updates(2);
        return [calls, Socket.last.readyState];
        """
    ) == [4, 1]


# Boards


def test_only_newer_boards_are_handed_out() -> None:
    assert watch(
        "Socket.last.welcomes(5); for (const version of [5, 4, 6, 6, 9, 8]) Socket.last.updates(version); return boards"
    ) == [5, 6, 9]


@pytest.mark.parametrize(
    ("before", "initial", "after", "expected"),
    [
        (7, 7, 8, [7, 8]),  # Nothing happened meanwhile: the board is not handed out twice.
        (7, 9, 8, [7, 9]),
        (7, 3, 4, [7, 3, 4]),  # The server has begun to count anew.
        (7, 0, 2, [7, 2]),  # It does not know yet, so that any frame is better.
        (0, 0, 0, [0, 0, 0]),
    ],
)
def test_the_first_board_after_coming_back_is_the_truth(
    before: int, initial: int, after: int, expected: list[int]
) -> None:
    assert (
        watch(
            """
            Socket.last.welcomes(before);
            Socket.last.ends(1006);
            await pass(60_000);
            Socket.last.welcomes(initial);
            Socket.last.updates(after);
            return boards;
            """,
            before=before,
            initial=initial,
            after=after,
        )
        == expected
    )


def test_an_update_that_overtakes_the_first_board_stands() -> None:
    assert watch(
        """
        Socket.last.opens();
        Socket.last.says("connected");
        Socket.last.updates(5);
        Socket.last.says("leaderboard:initial", { version: 4 });
        return [boards, states];
        """
    ) == [[5], ["connecting", "live"]]


# Coming back


def test_the_waits_double_up_to_a_limit_and_are_spread_over_all_of_it() -> None:
    # With luck 1 each wait is as long as it can be, with 0 there is none.
    assert watch(
        """
        const waits = [];
        for (clock.luck = 1; waits.length < 8; ) {
          const before = attempts();
          Socket.last.ends(1006);
          let waited = 0;
          for (; attempts() === before; waited += 500) await pass(500);
          waits.push(waited);
        }
        clock.luck = 0;
        Socket.last.ends(1006);
        await pass(1);
        return [waits, attempts(), states];
        """
    ) == [
        [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000],
        10,
        ["connecting", "reconnecting", "offline"],
    ]


def test_a_board_that_came_makes_the_next_wait_short_again() -> None:
    assert watch(
        """
        clock.luck = 1;
        for (const ms of [1_000, 2_000, 4_000]) { Socket.last.ends(1006); await pass(ms); }
        Socket.last.welcomes();
        Socket.last.ends(1006);
        await pass(4_000);
        return [attempts(), states];
        """
    ) == [5, ["connecting", "reconnecting", "live", "reconnecting"]]


@pytest.mark.parametrize(
    ("code", "reason", "luck", "soonest"),
    [
        (1006, "", 1, 4_000),
        (1012, "", 1, 4_000),
        (1012, "", 0, 0),
        (4401, "token expired", 1, 250),
        (4401, "authenticate", 1, 4_000),
        (1008, "", 0, 10_000),
        (1008, "", 1, 70_000),
    ],
)
def test_how_a_socket_was_closed_tells_how_long_to_wait(code: int, reason: str, luck: float, soonest: int) -> None:
    assert watch(
        """
        clock.luck = luck;
        Socket.last.welcomes();
        Socket.last.ends(code, reason);
        await pass(Math.max(0, soonest - 10));
        const before = attempts();
        await pass(20);
        return [soonest === 0 || before === 1, attempts()];
        """,
        code=code,
        reason=reason,
        luck=luck,
        soonest=soonest,
    ) == [True, 2]


@pytest.mark.parametrize(("reason", "said"), [("suspended", "refused suspended"), ("", "refused forbidden")])
def test_whoever_is_shut_out_stays_away(reason: str, said: str) -> None:
    assert watch(
        "Socket.last.welcomes(); Socket.last.ends(4403, reason); live.hurry(); await pass(9e6); "
        "return [attempts(), states.at(-1)]",
        reason=reason,
    ) == [1, said]


def test_a_suspension_that_the_renewal_tells_is_the_same() -> None:
    assert watch(
        """
        const problem = { code: "ACCOUNT_SUSPENDED" };
        answers["POST /api/auth/refresh"] = () => Response.json(problem, { status: 403 });
        Socket.last.welcomes();
        Socket.last.ends(4401, "token expired");
        await pass(600_000);
        return [attempts(), states.at(-1)];
        """
    ) == [1, "refused suspended"]


def test_a_rejected_token_is_renewed_before_coming_back_and_one_that_was_late_is_not() -> None:
    assert watch(
        """
        Socket.last.opens();
        Socket.last.ends(4401, "authenticate");
        await pass(4_000);
        Socket.last.opens();
        Socket.last.says("error", { code: "INVALID_TOKEN" });
        Socket.last.ends(4401, "INVALID_TOKEN");
        await pass(500);
        Socket.last.opens();
        return Socket.all.map((socket) => socket.sent[0].data.token);
        """
    ) == ["access-a", "access-a", "new"]


def test_a_server_that_has_no_board_just_now_is_asked_again() -> None:
    assert watch(
        'Socket.last.opens(); Socket.last.says("error", { code: "SERVICE_UNAVAILABLE" }); '
        "await pass(1_000); return [Socket.all[0].readyState, attempts(), states]"
    ) == [3, 2, ["connecting", "reconnecting"]]


def test_when_the_session_is_over_it_watches_as_nobody() -> None:
    assert watch(
        """
        answers["POST /api/auth/refresh"] = () => Response.json({ code: "INVALID_TOKEN" }, { status: 401 });
        Socket.last.welcomes();
        Socket.last.ends(4401, "token expired");
        for (let ms = 0; ms < 5_000; ms += 100) await pass(100);
        Socket.last.opens();
        const events = Socket.last.events;
        Socket.last.ends(4401, "UNAUTHORIZED");
        await pass(600_000);
        return [attempts(), events, fairboard.session, states.slice(-2)];
        """
    ) == [2, ["join"], None, ["connecting", "refused session-over"]]
