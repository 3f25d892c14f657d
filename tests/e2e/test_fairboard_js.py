"""The client in JavaScript against a server that really runs: in Node, and in Chromium on a page of another origin."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.support.node import Conversation, run
from tests.support.players import PASSWORD, Player, new_name
from tests.support.stack import Stack

# Logs in, watches, and says each state and whoever leads.
WATCHING = """
    let sockets = 0;
    const Counted = class extends WebSocket { constructor(...where) { super(...where); sockets += 1; } };
    const fairboard = new Fairboard({ url, WebSocket: Counted });
    await fairboard.login(name, password);
    const live = fairboard.subscribe({
      onBoard: (board) => say({ leader: board.leaderboard[0]?.username ?? null }),
      onState: (state, reason) => say(reason ? `${state} ${reason}` : state),
    });
"""


def watching(player: Player, body: str, url: str = "") -> Conversation:
    """A player who watches the board while the test does something else."""
    who: dict[str, Any] = {"url": url or player.stack.url, "name": player.username, "password": PASSWORD}
    return Conversation(WATCHING + body, **who)


def test_a_player_registers_logs_in_plays_and_logs_out(stack: Stack) -> None:
    name = new_name()
    done = run(
        """
        const fairboard = new Fairboard({ url });
        const account = await fairboard.register(name, password);
        const session = await fairboard.login(name, password);
        const actions = await fairboard.actions();
        const ticket = await fairboard.requestAction("reaction");
        const begun = performance.now();
        const { minMs } = actions.find((one) => one.actionType === "reaction");
        await new Promise((played) => setTimeout(played, minMs + 300));
        const data = { city: "Łódź", "😀": [1, 0.5, -0.0], skipped: undefined };
        const first = await fairboard.complete(ticket, performance.now() - begun, data);
        const again = await fairboard.complete(ticket.actionToken, 1_500).catch((error) => error.code);
        const once = await fairboard.completeOnce("guess", { number: 7 });
        const me = await fairboard.me();
        const board = await fairboard.leaderboard(100);
        const told = await fairboard.logout();
        const after = await fairboard.me().catch((error) => error.code);
        return { account, session, first, again, once, me, board, told, after };
        """,
        url=stack.url,
        name=name,
        password=PASSWORD,
    )
    assert done["account"] == {"userId": done["session"]["userId"], "username": name}
    assert done["session"]["role"] == "player"
    assert done["first"]["newScore"] == done["first"]["scoreIncr"] > 0
    assert done["again"] == "TOKEN_ALREADY_USED"
    assert done["me"]["score"] == done["once"]["newScore"] > done["first"]["newScore"]
    assert [entry["score"] for entry in done["board"]["leaderboard"] if entry["username"] == name] in (
        [done["me"]["score"]],
        [],  # Below the first hundred.
    )
    assert (done["told"], done["after"]) == (True, "UNAUTHORIZED")


def test_a_wrong_password_and_a_bad_name_are_refusals_with_reasons(stack: Stack, player: Player) -> None:
    wrong, bad = run(
        """
        const fairboard = new Fairboard({ url });
        const fields = ({ name, status, code, errors }) => ({ name, status, code, errors });
        const refusal = async (call) => fields(await call.catch((error) => error));
        const wrong = await refusal(fairboard.login(name, "not the password"));
        return [wrong, await refusal(fairboard.register("x", "short"))];
        """,
        url=stack.url,
        name=player.username,
    )
    assert wrong == {"name": "FairboardError", "status": 401, "code": "INVALID_CREDENTIALS", "errors": None}
    assert (bad["status"], bad["code"]) == (400, "VALIDATION_ERROR")
    assert "username" in bad["errors"]


def test_the_board_moves_while_somebody_watches(newcomer: Callable[[], Player]) -> None:
    watcher, climber = newcomer(), newcomer()
    with watching(watcher, "await hear(); live.close(); say(fairboard.session.username);") as talk:
        talk.until("connecting", "live")
        climber.climb()
        talk.until({"leader": climber.username})
        talk.hears()
        talk.until("closed", watcher.username)


def test_the_board_does_not_blink_when_tokens_end(newcomer: Callable[[], Player]) -> None:
    watcher, climber = newcomer(), newcomer()
    body = """
        for (let rest = 0; rest < 3; rest += 1) {
          await new Promise((done) => setTimeout(done, 5_000)); // A token's whole life.
          say({ sockets, state: live.state, name: (await fairboard.me()).username });
        }
        await hear();
    """
    with (
        watcher.stack.another_web(ACCESS_TOKEN_SECONDS="5") as web,
        watching(watcher, body, web.url) as talk,
    ):
        talk.until("connecting", "live")
        for _ in range(3):
            while not isinstance(said := talk.says(), dict) or "sockets" not in said:
                assert said not in ("reconnecting", "offline")
            assert said == {"sockets": 1, "state": "live", "name": watcher.username}
        climber.climb()
        talk.until({"leader": climber.username})


def test_a_session_that_ended_elsewhere_ends_the_watching(player: Player) -> None:
    body = """
        fairboard.onSession((session, over) => say({ session, over }));
        say(fairboard.session.accessToken);
        await hear();
    """
    with watching(player, body) as talk:
        access = talk.says()
        talk.until("live")
        player.access, own = access, player.access
        assert player.post("/api/auth/logout").status_code == 204
        player.access = own
        talk.until({"session": None, "over": True}, "refused session-over")


def test_it_comes_back_after_the_server_was_restarted(sick: Stack, newcomer: Callable[[], Player]) -> None:
    watcher, climber = newcomer(), newcomer()
    with watching(watcher, "await hear();") as talk:
        talk.until("live")
        sick.web.stop()
        talk.until("reconnecting")
        sick.heal()
        climber.climb()
        talk.until("live", {"leader": climber.username}, seconds=60)
