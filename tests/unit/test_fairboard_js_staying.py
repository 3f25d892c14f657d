"""The live board of the client in JavaScript: staying connected, and whose board it is."""

from __future__ import annotations

import pytest

from tests.support.watching import watch

# Staying


def test_the_socket_gets_a_newer_token_before_its_own_ends() -> None:
    assert watch(
        """
        Socket.last.welcomes();
        for (let ms = 0; ms < 600_000; ms += 10_000) {
          await pass(10_000);
          if (Socket.last.sent.at(-1).event === "ping") Socket.last.says("pong");
        }
        const tokens = () => Socket.last.sent.map(({ data }) => data.token).filter(Boolean);
        const first = tokens();
        await pass(10_000); // No answer: once more.
        const second = tokens();
        Socket.last.says("connected", { userId: 97 });
        Socket.last.updates(2);
        const joins = Socket.last.events.filter((event) => event === "join").length;
        return [first, second, joins, attempts(), boards, states];
        """
    ) == [["access-a", "new"], ["access-a", "new", "new"], 1, 1, [1, 2], ["connecting", "live"]]


def test_a_renewal_by_another_tab_is_passed_on_to_the_socket() -> None:
    assert watch(
        """
        Socket.last.welcomes();
        shared.session = { ...player("a", 1_200_000), accessToken: "theirs" };
        for (let ms = 0; ms < 600_000; ms += 10_000) { await pass(10_000); Socket.last.says("pong"); }
        return [Socket.last.sent.at(-1).data.token, fetch.calls.length];
        """
    ) == ["theirs", 0]


def test_a_newer_token_that_the_server_does_not_take_is_replaced() -> None:
    assert watch(
        """
        Socket.last.welcomes();
        shared.session = { ...player("a", 1_200_000), accessToken: "theirs" };
        for (let ms = 0; ms < 600_000; ms += 10_000) { await pass(10_000); Socket.last.says("pong"); }
        Socket.last.says("error", { code: "INVALID_TOKEN", detail: "" });
        await pass(10_000);
        return [Socket.last.sent.map(({ data }) => data.token).filter(Boolean), attempts()];
        """
    ) == [["access-a", "theirs", "new"], 1]


def test_silence_is_noticed_by_a_ping_without_an_answer() -> None:
    assert watch(
        """
        Socket.last.welcomes();
        await pass(25_000);
        Socket.last.says("pong");
        await pass(24_000);
        Socket.last.updates(2); // Whatever is heard is a sign of life.
        await pass(25_000);
        const [first] = Socket.all;
        const before = [first.readyState, first.events.filter((event) => event === "ping").length];
        await pass(15_000);
        await pass(2_000);
        return [before, first.readyState, attempts(), states];
        """
    ) == [[1, 2], 3, 2, ["connecting", "live", "reconnecting"]]


def test_a_server_that_takes_the_socket_and_says_nothing_is_given_up() -> None:
    assert watch(
        "Socket.last.opens(); await pass(35_000); await pass(1_000); return [Socket.all[0].readyState, attempts()]"
    ) == [3, 2]


def test_a_socket_that_was_given_up_may_end_whenever_it_likes() -> None:
    assert watch(
        """
        await pass(15_000); // It never opened.
        await pass(1_000);
        const [given, next] = Socket.all;
        next.welcomes();
        given.opens();
        given.updates(7);
        given.ends(1006);
        await pass(60_000);
        return [given.sent, attempts(), boards, states];
        """
    ) == [[], 2, [1], ["connecting", "reconnecting", "live"]]


def test_a_browser_that_knows_it_is_offline_says_so_at_once() -> None:
    assert watch(
        """
        Object.defineProperty(navigator, "onLine", { value: false });
        Socket.last.ends(1006);
        return states;
        """
    ) == ["connecting", "offline"]


def test_hurry_asks_a_live_server_whether_it_is_there_and_does_not_wait_for_a_lost_one() -> None:
    assert watch(
        """
        Socket.last.welcomes();
        live.hurry();
        await pass(4_000);
        live.hurry(); // Being impatient twice does not make it wait longer.
        await pass(1_000);
        const asked = [Socket.all[0].events.at(-1), live.state];
        clock.luck = 1;
        live.hurry();
        await pass();
        return [...asked, attempts()];
        """
    ) == ["ping", "reconnecting", 2]


# Whose board it is


def test_it_follows_whoever_logs_in_and_out_in_any_tab() -> None:
    assert watch(
        """
        const elsewhere = tab(shared);
        Socket.last.welcomes(1);
        elsewhere.save(player("b"));
        await pass();
        Socket.last.welcomes(2);
        elsewhere.save({ ...player("b"), accessToken: "renewed" });
        await pass();
        elsewhere.save(null);
        await pass();
        Socket.last.welcomes(3);
        return [Socket.all.map((socket) => socket.sent[0].data.token ?? "nobody"), Socket.all[0].readyState, boards];
        """
    ) == [["access-a", "access-b", "nobody"], 3, [1, 2, 3]]


def test_a_token_that_comes_too_late_for_its_player_is_not_used() -> None:
    assert watch(
        """
        live.close();
        let answer;
        answers["POST /api/auth/refresh"] = () => new Promise((done) => (answer = done));
        shared.session = player("a", -1);
        fairboard.subscribe(watcher);
        await pass();
        tab(shared).save(player("b"));
        await pass();
        answer(refreshed);
        await pass();
        Socket.last.opens();
        return [attempts(), Socket.last.sent[0].data.token];
        """
    ) == [2, "access-b"]


def test_who_closes_at_once_never_connects() -> None:
    assert watch(
        "const [before, own] = [attempts(), fairboard.subscribe(watcher)]; own.close(); live.close(); await pass(9e6); "
        "return [attempts() - before, states]"
    ) == [0, ["connecting", "closed", "closed"]]


def test_after_closing_nothing_happens_any_more() -> None:
    assert watch(
        """
        Socket.last.welcomes();
        live.close();
        live.close();
        live.hurry();
        tab(shared).save(player("b"));
        Socket.last.updates(2);
        await pass(9e6);
        return [attempts(), Socket.last.readyState, boards, states, live.state];
        """
    ) == [1, 3, [1], ["connecting", "live", "closed"], "closed"]


# What the browser knows


@pytest.mark.parametrize(
    ("place", "event", "alive"),
    [
        ("window", "online", True),
        ("window", "offline", True),
        ("window", "pageshow", True),
        ("document", "visibilitychange", True),
        ("hidden document", "visibilitychange", False),
    ],
)
def test_a_page_that_is_seen_again_or_changes_networks_asks_at_once(place: str, event: str, alive: bool) -> None:
    assert watch(
        """
        live.close();
        const [page, shown] = [new EventTarget(), new EventTarget()];
        globalThis.addEventListener = (...listener) => page.addEventListener(...listener);
        globalThis.document = Object.assign(shown, { hidden: place.startsWith("hidden") });
        const happens = () => (place === "window" ? page : shown).dispatchEvent(
          Object.assign(new Event(event), { persisted: true }),
        );
        const seen = fairboard.subscribe(watcher);
        await pass();
        Socket.last.welcomes();
        happens();
        const asked = Socket.last.events.at(-1) === "ping";
        Socket.last.says("pong");
        Socket.last.ends(1006);
        happens(); // Instead of waiting.
        await pass();
        const hurried = attempts() === 3;
        seen.close();
        happens();
        await pass(9e6);
        return [asked, hurried, attempts()];
        """,
        place=place,
        event=event,
    ) == [alive, alive and event != "offline", 3 if alive and event != "offline" else 2]
