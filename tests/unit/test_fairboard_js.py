"""The client in JavaScript, run by Node: the proof, the session and its renewal, and that the package fits together."""

from __future__ import annotations

import json
import re
import tomllib
from typing import Any

import pytest

from fairboard_client import canonical_json
from fairboard_client.proof import checksum
from tests.processes import ROOT
from tests.support.node import CLIENT, run

PACKAGE = json.loads(CLIENT.with_name("package.json").read_text("utf-8"))
SOURCE = CLIENT.read_text("utf-8")
TYPES = re.sub(r"/\*\*.*?\*/", "", CLIENT.with_suffix(".d.ts").read_text("utf-8"), flags=re.DOTALL)
VECTORS = re.findall(
    r"^\| (\d+) \| (absent|`.*?`)[^|]*\| `.*?` \| `([0-9a-f]{64})` \|$",
    (ROOT / "docs" / "protocol.md").read_text("utf-8"),
    re.MULTILINE,
)
KEY = "gAAAAABnTestVectorKey-0123456789_abcdefghijklmnopqrstuvwxyzABCDEFGHIJ=="
AWKWARD: list[dict[str, Any]] = [
    {},
    {"b": [True, None, {"z": 1, "a": -2}], "a": {}},
    {"😀": 1, "｡": 2, "é": 3, "z": 4, "": 5, "a😀": 6, "a｡": 7, "aa": 8, "a": 9},
    {"text": '"\\/\b\f\n\r\t\x01\x1f\x7f\u2028 <&>', "city": "Łódź"},
    {"10": 1, "9": 2, "1": 3, "__proto__": 4, "constructor": 5},
    {"number": 9007199254740991, "half": 0.5, "minus": -0.25},
]


# The proof


@pytest.mark.parametrize(
    ("token", "milliseconds", "data", "expected"),
    [
        ("gAAAAABn-token_1==", 1_500, {}, "68d34d1a93bf255bd82070a3a298e3a43e397a0b1d83fafd88a655059658840d"),
        (
            "gAAAAABn-token_1==",
            1_000,
            {"é": "日本語", "a": {"z": -3, "y": 0.5}, "B": "☃ & <>/"},
            "d352898b7b6640af11a8df7fed6c5e3ed041be2614ca91cc601e1489b0496127",
        ),
        (
            "k",
            300_000,
            {"b": [True, None, "é"], "a": 1},
            "20e6fd816ba9144145d3026d6232548a782c49f132576a20c494bc2db2037773",
        ),
    ],
)
def test_the_checksum_of_fixed_vectors(token: str, milliseconds: int, data: dict[str, Any], expected: str) -> None:
    assert run("return checksum(token, time, data)", token=token, time=milliseconds, data=data) == expected


def test_the_checksum_of_the_protocols_vectors() -> None:
    assert len(VECTORS) == 7
    # JavaScript forgets how a number was written: 0.50 leaves it as 0.5.
    vectors = [vector for vector in VECTORS if "0.50" not in vector[1]]
    times = [int(time) for time, _, _ in vectors]
    data = [{} if written == "absent" else json.loads(written.strip("`")) for _, written, _ in vectors]
    made = run(
        "return Promise.all(times.map((time, at) => checksum(key, time, data[at])))", key=KEY, times=times, data=data
    )
    assert made == [expected for _, _, expected in vectors]


def test_canonical_json_is_what_the_server_builds() -> None:
    # `data` comes as text, because in a literal `__proto__` would mean something else.
    texts = [json.dumps(value) for value in AWKWARD]
    built = run("return texts.map((text) => canonicalJson(JSON.parse(text)))", texts=texts)
    assert built == [canonical_json(value) for value in AWKWARD]


def test_what_is_sent_is_what_is_signed() -> None:
    sent = run(
        """
        const fetch = serve({ "POST /api/actions/complete": () => ({ newScore: 1, scoreIncr: 1, rank: 1 }) });
        const fairboard = new Fairboard({ url: "http://here", fetch, store: tab({ session: player() }) });
        await fairboard.complete({ actionToken: "t", expiresAt: "" }, 1499.6, { b: undefined, a: [new Date(0)] });
        await fairboard.complete("t", 1500);
        return fetch.calls.map((call) => call.body);
        """,
        fakes=True,
    )
    assert sent[0]["proof"]["completionTime"] == 1_500
    assert sent[0]["data"] == {"a": ["1970-01-01T00:00:00.000Z"]}
    for body in sent:
        assert body["proof"]["checksum"] == checksum("t", 1_500, body["data"])


# Calls and refusals


def test_a_refusal_has_all_that_the_server_said() -> None:
    refusal = run(
        """
        const problem = { code: "VALIDATION_ERROR", detail: "No.", errors: { username: "must be longer" } };
        const headers = { "Retry-After": "7" };
        const fetch = serve({ "POST /api/auth/login": () => Response.json(problem, { status: 400, headers }) });
        const error = await new Fairboard({ url: "http://here/", fetch }).login("a", "b").catch((refused) => refused);
        const { message, name, status, code, detail, errors, retryAfter } = error;
        return [error instanceof FairboardError, { name, message, status, code, detail, errors, retryAfter }];
        """,
        fakes=True,
    )
    assert refusal == [
        True,
        {
            "name": "FairboardError",
            "message": "No.",
            "status": 400,
            "code": "VALIDATION_ERROR",
            "detail": "No.",
            "errors": {"username": "must be longer"},
            "retryAfter": 7,
        },
    ]


@pytest.mark.parametrize(
    ("answer", "status", "code"),
    [
        ("Promise.reject(new TypeError('fetch failed'))", 0, "NETWORK"),
        ("new Response('<h1>a captive portal', { status: 200 })", 0, "NETWORK"),
        ("new Response('<h1>bad gateway', { status: 502 })", 502, "SERVICE_UNAVAILABLE"),
        ("new Response('null', { status: 404 })", 404, "UNKNOWN"),
    ],
)
def test_what_is_no_answer_of_the_server_is_a_refusal_too(answer: str, status: int, code: str) -> None:
    refusal = run(
        f"""
        const fetch = serve({{ "GET /api/leaderboard": () => {answer} }});
        const error = await new Fairboard({{ url: "http://here", fetch }}).leaderboard().catch((refused) => refused);
        return [error.status, error.code, error.retryAfter];
        """,
        fakes=True,
    )
    assert refusal == [status, code, None]


def test_it_needs_a_server_and_a_session() -> None:
    assert run(
        """
        const errors = [];
        try { new Fairboard(); } catch (error) { errors.push(error.constructor.name); }
        try { new Fairboard({ url: "board.example.org" }); } catch (error) { errors.push(error.constructor.name); }
        await new Fairboard({ url: "http://127.0.0.1:9" }).me().catch((error) => errors.push(error.code));
        return errors;
        """
    ) == ["TypeError", "TypeError", "UNAUTHORIZED"]


def test_the_browsers_store_keeps_things_in_memory_where_there_is_no_storage() -> None:
    assert run('const store = browserStore(); store.save({ a: 1 }); return [store.load(), "watch" in store]') == [
        {"a": 1},
        False,
    ]


# The session


def test_all_callers_share_one_renewal_and_renew_before_the_end() -> None:
    calls = run(
        """
        const fetch = serve({
          "POST /api/auth/refresh": () => ({ accessToken: "new", refreshToken: "next", expiresIn: 900 }),
          "GET /api/me": () => ({ score: 1 }),
        });
        const fairboard = new Fairboard({ url: "http://here", fetch, store: tab({ session: player("a", -1) }) });
        await Promise.all([fairboard.me(), fairboard.me(), fairboard.me()]);
        return [fetch.calls.map((call) => [call.path, call.token]), fairboard.session.renewAt - Date.now()];
        """,
        fakes=True,
    )
    assert calls == [[["/api/auth/refresh", "refresh-a"], *3 * [["/api/me", "new"]]], 810_000]


def test_a_token_that_the_server_rejects_is_renewed_once_and_the_call_made_again() -> None:
    calls = run(
        """
        const rejection = () => Response.json({ code: "TOKEN_EXPIRED" }, { status: 401 });
        let works = true;
        const fetch = serve({
          "POST /api/auth/refresh": () => ({ accessToken: "new", refreshToken: "next", expiresIn: 900 }),
          "GET /api/me": (token) => (token === "new" && works ? { score: 1 } : rejection()),
        });
        const fairboard = new Fairboard({ url: "http://here", fetch, store: tab({ session: player() }) });
        const { score } = await fairboard.me();
        works = false;
        const error = await fairboard.me().catch((refused) => refused);
        return [score, error.code, fetch.calls.map((call) => [call.path, call.token])];
        """,
        fakes=True,
    )
    refresh, me = "/api/auth/refresh", "/api/me"
    assert calls[:2] == [1, "TOKEN_EXPIRED"]
    assert calls[2] == [
        [me, "access-a"],
        [refresh, "refresh-a"],
        [me, "new"],
        *[[me, "new"], [refresh, "next"], [me, "new"]],
    ]


@pytest.mark.parametrize("locks", [True, False])
def test_tabs_that_share_a_session_survive_renewing_at_the_same_moment(locks: bool) -> None:
    tokens = run(
        """
        const spent = new Set();
        const refresh = (token) => {
          if (spent.has(token)) return Response.json({ code: "INVALID_TOKEN" }, { status: 401 });
          spent.add(token);
          const pair = { accessToken: "new", refreshToken: "2", expiresIn: 900 };
          return new Promise((done) => setTimeout(done, 300, pair)); // Long after the second one's answer.
        };
        const shared = { session: player("a", -1) };
        const fetch = serve({ "POST /api/auth/refresh": refresh, "GET /api/me": (token) => ({ token }) });
        const tabs = [1, 2].map(() => new Fairboard({ url: "http://here", fetch, store: tab(shared, locks) }));
        const answers = Promise.all(tabs.map((one) => one.me()));
        for (let ms = 0; ms < 4_000; ms += 100) await pass(100);
        return [await answers, fetch.calls.filter((call) => call.path === "/api/auth/refresh").length];
        """,
        fakes=True,
        locks=locks,
    )
    assert tokens == [[{"token": "new"}, {"token": "new"}], 1 if locks else 2]


def test_a_wrong_current_password_is_sent_once_and_the_session_stays() -> None:
    codes, calls, name = run(
        """
        const wrong = () => Response.json({ code: "INVALID_CREDENTIALS" }, { status: 401 });
        const right = () => new Response(null, { status: 204 });
        let answer = wrong;
        const fetch = serve({ "POST /api/auth/password": () => answer() });
        const fairboard = new Fairboard({ url: "http://here", fetch, store: tab({ session: player() }) });
        const change = () => fairboard.call("POST", "/api/auth/password", { currentPassword: "a", newPassword: "b" });
        const first = await change().catch((error) => error.code);
        answer = right;
        return [[first, await change()], fetch.calls, fairboard.session.username];
        """,
        fakes=True,
    )
    assert codes == ["INVALID_CREDENTIALS", None]
    body = {"currentPassword": "a", "newPassword": "b"}
    assert calls == [{"path": "/api/auth/password", "token": "access-a", "body": body}] * 2
    assert name == "a"


def test_a_logout_stands_even_if_a_renewal_is_answered_later() -> None:
    assert run(
        """
        let answer;
        const fetch = serve({
          "POST /api/auth/refresh": () => new Promise((done) => (answer = done)),
          "POST /api/auth/logout": () => new Response(null, { status: 204 }),
        });
        const shared = { session: player("a", -1) };
        const fairboard = new Fairboard({ url: "http://here", fetch, store: tab(shared) });
        const asked = fairboard.me().catch((error) => error.code);
        await pass();
        shared.session = null; // In another tab.
        answer({ accessToken: "new", refreshToken: "next", expiresIn: 900 });
        return [await asked, fairboard.session];
        """,
        fakes=True,
    ) == ["UNAUTHORIZED", None]


@pytest.mark.parametrize("known", [True, False])
def test_when_the_server_has_ended_a_session_the_credentials_are_asked(known: bool) -> None:
    result = run(
        """
        const asked = [], heard = [];
        const again = { accessToken: "new", refreshToken: "next", expiresIn: 900, userId: 97, username: "a" };
        const fetch = serve({
          "POST /api/auth/refresh": () => Response.json({ code: "INVALID_TOKEN" }, { status: 401 }),
          "POST /api/auth/login": (_, body) => (body.password === "b" ? again : null),
          "GET /api/me": (token) => ({ token }),
        });
        const credentials = (username) => { asked.push(username); return known ? { username, password: "b" } : null; };
        const store = { load: () => store.kept, save: (session) => { store.kept = session; }, kept: player("a", -1) };
        const fairboard = new Fairboard({ url: "http://here", fetch, store, credentials });
        fairboard.onSession(() => { throw new Error("A listener's own mistake."); });
        fairboard.onSession((session, over) => heard.push([session?.accessToken ?? null, over]));
        const answer = await fairboard.me().catch((error) => error.code);
        return [answer, asked, heard, fairboard.session?.accessToken ?? null];
        """,
        fakes=True,
        known=known,
    )
    if known:
        assert result == [{"token": "new"}, ["a"], [["new", False]], "new"]
    else:
        assert result == ["SESSION_OVER", ["a"], [[None, True]], None]


def test_a_logout_ends_the_session_here_also_if_the_server_cannot_be_told() -> None:
    assert run(
        """
        const results = [];
        for (const answer of [() => new Response(null, { status: 204 }), () => Promise.reject(new TypeError())]) {
          const fetch = serve({ "POST /api/auth/logout": answer });
          const fairboard = new Fairboard({ url: "http://here", fetch, store: tab({ session: player() }) });
          results.push(await fairboard.logout(), fairboard.session);
        }
        return [...results, await new Fairboard({ url: "http://here" }).logout()];
        """,
        fakes=True,
    ) == [True, None, False, None, True]


# The package


def test_the_version_is_the_servers() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert (PACKAGE["version"], PACKAGE["license"]) == (project["version"], project["license"])


def test_the_package_has_what_it_names_and_needs_nothing_else() -> None:
    entry = PACKAGE["exports"]["."]
    assert {entry["default"], entry["types"]} == {f"./{name}" for name in PACKAGE["files"]}
    assert all(CLIENT.with_name(name).is_file() for name in [*PACKAGE["files"], "README.md"])
    assert "dependencies" not in PACKAGE
    assert not re.search(r"^import\b|\bimport\(|\brequire\(", SOURCE, re.MULTILINE)


def test_the_types_name_what_the_module_exports() -> None:
    declared = set(re.findall(r"^export (?:class|function|const) (\w+)", TYPES, re.MULTILINE))
    assert declared == set(run("return Object.keys(client)"))


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("Fairboard", 'new Fairboard({ url: "http://here" })'),
        ("FairboardError", "new FairboardError()"),
        ("Subscription", 'new Fairboard({ url: "http://here" }).subscribe({ onBoard() {} })'),
    ],
)
def test_the_types_name_the_members_that_there_are(name: str, made: str) -> None:
    found = re.search(rf"^export (?:class|interface) {name}\b[^{{]*{{\n(.*?)^}}", TYPES, re.MULTILINE | re.DOTALL)
    assert found
    declared = set(re.findall(r"^  (?:readonly )?(\w+)[(:]", found[1], re.MULTILINE)) - {"constructor"}
    members = run(
        f"""
        const made = {made};
        made.close?.();
        return [...Object.keys(made), ...Object.getOwnPropertyNames(Object.getPrototypeOf(made))];
        """
    )
    assert declared == set(members) - {"constructor", "name"}
