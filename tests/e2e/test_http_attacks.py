"""What a player with a proxy can do to HTTP itself: smuggle, pipeline, dawdle, lie about hosts and methods."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import httpx
import pytest

from cli.embedded import free_port
from tests.attacks.wire import DECLARED, SMUGGLED, answered_hidden, answers, misled, slow_clients, to
from tests.support.balancer import balancer_before, trusting
from tests.support.players import Player, fill_board
from tests.support.problems import assert_problem
from tests.support.stack import Stack
from web.envelope import SECURITY_HEADERS

Newcomer = Callable[[], Player]


@pytest.mark.parametrize("case", SMUGGLED)
def test_no_request_hides_in_another(stack: Stack, case: str) -> None:
    received = answers(stack.port, SMUGGLED[case])
    assert not answered_hidden(received), received
    if case not in DECLARED and received:  # Nothing comes while the server waits for the rest of a chunk.
        assert re.match(rb"HTTP/1\.[01] (4\d\d|501) ", received), received
    assert stack.web.text().count("hidden-request") == 0


@pytest.fixture(scope="module")
def balancer(stack: Stack) -> Iterator[int]:
    with balancer_before(stack.port) as port:
        yield port


@pytest.mark.parametrize("case", SMUGGLED)
def test_a_request_that_hides_in_another_misleads_nobody_behind_the_balancer(balancer: int, case: str) -> None:
    """Caddy may take one for two, and then answers two, to whoever sent them; the next over its connections is safe."""
    answers(balancer, to(balancer, SMUGGLED[case]), 3.0, trusting())
    assert misled(balancer, trusting(), 2) == 0


def test_the_balancer_keeps_metrics_and_addresses_to_itself(balancer: int) -> None:
    lies = {"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Host": "evil.example"}
    with httpx.Client(base_url=f"https://127.0.0.1:{balancer}", verify=trusting()) as http:
        for path in ("/metrics", "/metrics/", "/./metrics", "/x/../metrics", "/METRICS", "/%6detrics"):
            answer = http.get(path, headers=lies)
            assert answer.status_code in {403, 404}, path
            assert "fairboard_" not in answer.text
        assert "evil.example" not in str(http.get("/", headers=lies).headers)


def test_what_the_balancer_says_itself_has_the_same_headers(balancer: int) -> None:
    """But for what a page may do, which these are not, and HSTS, which any of the others brings."""
    with httpx.Client(base_url=f"https://127.0.0.1:{balancer}", verify=trusting()) as http:
        more = {"content-security-policy", "cache-control", "cross-origin-resource-policy"}
        wanted = {name.lower() for name, _ in SECURITY_HEADERS} - {"permissions-policy"} | more
        theirs, own = http.get("/nowhere").headers, http.get("/metrics").headers
        assert {name: own.get(name) for name in wanted} == {name: theirs[name] for name in wanted}
    with balancer_before(free_port(), answers_at=503) as port:
        away = httpx.get(f"https://127.0.0.1:{port}/readyz", verify=trusting(), timeout=10)
        assert_problem(away, 503, "SERVICE_UNAVAILABLE")
        assert wanted <= set(away.headers)


class Mirror(BaseHTTPRequestHandler):
    """Answers with the address that it is told."""

    def do_GET(self) -> None:
        told = str(self.headers["X-Forwarded-For"]).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(told)))
        self.end_headers()
        self.wfile.write(told)

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 -- the library's name
        """Nothing."""


@pytest.fixture
def mirror() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Mirror) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


@pytest.mark.parametrize(
    ("cdn", "told"), [("127.0.0.0/8 10.0.0.0/8", "203.0.113.7"), ("192.0.2.0/24", "127.0.0.1")], ids=["CDN", "stranger"]
)
def test_a_cdn_is_believed_whose_player_it_is_and_nobody_else(mirror: int, cdn: str, told: str) -> None:
    """One address alone is handed on: limits count by it."""
    says = {"X-Forwarded-For": "127.0.0.1, 203.0.113.7, 10.1.1.1"}
    with balancer_before(mirror, FAIRBOARD_CDN=cdn) as port:
        assert httpx.get(f"https://127.0.0.1:{port}/", headers=says, verify=trusting()).text == told


def test_requests_in_one_packet_are_answered_in_order_to_whom_they_are_from(newcomer: Newcomer) -> None:
    one, other = newcomer(), newcomer()
    request = "GET /api/me HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\r\n"
    received = answers(one.stack.port, "".join(request.format(who.access) for who in (one, other, one)))
    assert re.findall(r'"username":"([^"]+)"', received.decode()) == [one.username, other.username, one.username]


def test_who_dawdles_holds_up_nobody_and_is_told_in_the_end(stack: Stack) -> None:
    with socket.create_connection(("127.0.0.1", stack.port), timeout=20) as dawdler:
        begun = time.monotonic()
        dawdler.sendall(b"POST /api/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n")
        dawdler.sendall(b"Content-Length: 100\r\n\r\n{")
        assert slow_clients(stack.port, 100, 2).held
        assert dawdler.recv(65_536).startswith(b"HTTP/1.1 400 ")
        assert time.monotonic() - begun < 20
        dawdler.settimeout(5)
        while dawdler.recv(65_536):
            pass  # The rest of the answer, and then the end of the connection.


@pytest.mark.parametrize(
    "header", ["Host", "X-Forwarded-Host", "X-Host", "X-Original-URL", "X-Rewrite-URL", "Forwarded"]
)
@pytest.mark.parametrize("path", ["/", "/api/docs", "/api/openapi.json", "/api/me", "/nowhere", "/ws"])
def test_no_answer_repeats_what_a_header_says_about_hosts(stack: Stack, header: str, path: str) -> None:
    answer = httpx.get(stack.url + path, headers={header: "evil.example"}, trust_env=False)
    assert "evil.example" not in answer.text + str(answer.headers)
    assert answer.status_code == httpx.get(stack.url + path, trust_env=False).status_code


@pytest.mark.parametrize("header", ["X-HTTP-Method-Override", "X-Method-Override", "X-HTTP-Method"])
def test_a_method_is_what_it_is(player: Player, header: str) -> None:
    answer = player.http.get("/api/auth/logout", headers={**player.headers, header: "POST"})
    assert answer.status_code == 405
    assert player.get("/api/me").status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        *("/api/review/cases/../../me", "/api//me", "/api/./me", "/API/ME", "/api/me/", "/api/me%2f", "/api/me%00"),
        *("/api/me;x", "/static/..%2f..%2fwsgi.py", "/static/%2e%2e/%2e%2e/wsgi.py", "/static/....//wsgi.py"),
        *("/api/docs/..%2f..%2fwsgi.py", "/metrics/", "/api/review/cases/%31%27", "/api/review/cases/-1"),
    ],
)
def test_another_way_to_write_a_path_leads_nowhere(stack: Stack, player: Player, path: str) -> None:
    request = f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {player.access}\r\nConnection: close\r\n\r\n"
    received = answers(stack.port, request)
    assert re.match(rb"HTTP/1\.1 (400|403|404) ", received), received
    assert b"create_app" not in received


@pytest.mark.parametrize("headers", [{}, {"X-Forwarded-Host": "evil.example"}, {"Range": "bytes=0-1"}])
def test_what_one_asks_of_the_board_changes_nothing_for_others(player: Player, headers: dict[str, str]) -> None:
    fill_board(player.stack)
    player.stack.wait_until_quiet()
    usual = player.get("/api/leaderboard").json()["leaderboard"]
    assert len(usual) == 10
    for query in ("limit=1", "limit=001", "limit=100", "limit=0", "limit=10&x=1", "limit=-1", "LIMIT=1", "limit=1%00"):
        player.http.get(f"/api/leaderboard?{query}", headers={**player.headers, **headers})
        after = player.get("/api/leaderboard")
        assert after.json()["leaderboard"] == usual, query
        assert after.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("origin", ["null", "https://evil.example", "http://127.0.0.1.evil.example", "file://", ""])
def test_no_other_page_may_read_an_answer(player: Player, origin: str) -> None:
    for method in ("GET", "OPTIONS"):
        asks = {"Origin": origin, "Access-Control-Request-Method": "POST"}
        answer = player.http.request(method, "/api/me", headers={**player.headers, **asks})
        assert not [name for name in answer.headers if name.lower().startswith("access-control-")]


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])
def test_a_form_of_another_page_does_nothing(player: Player, kind: str) -> None:
    """What a browser sends across origins without asking: no token comes with it, and its type is not taken."""
    headers = {"Content-Type": kind, "Origin": "https://evil.example", "Cookie": f"accessToken={player.access}"}
    for path in ("/api/actions/request", "/api/action/complete", "/api/auth/logout", "/api/auth/refresh"):
        assert player.http.post(path, content=b'{"actionType":"reaction"}', headers=headers).status_code == 401
    assert player.http.post("/api/auth/login", content=b"{}", headers=headers).status_code == 415
    assert player.get("/api/me").status_code == 200


def test_a_case_that_exists_and_one_that_does_not_look_the_same_to_a_player(newcomer: Newcomer) -> None:
    cheat, curious = newcomer(), newcomer()
    assert cheat.complete(cheat.request()).status_code == 400  # At once: suspicious, so there is a case.
    (case,) = cheat.stack.ask("SELECT id FROM review_cases WHERE user_id = %s", (cheat.user_id,))[0]
    answers_to = [curious.get(f"/api/review/cases/{number}") for number in (case, 2**40)]
    assert [answer.status_code for answer in answers_to] == [403, 403]
    assert answers_to[0].json() == answers_to[1].json()
