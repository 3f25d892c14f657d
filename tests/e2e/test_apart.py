"""Web servers behind a balancer: sockets and HTTP apart, and one that says that it leaves before it does."""

from __future__ import annotations

import signal

import httpx

from tests.support.players import Player
from tests.support.problems import assert_problem
from tests.support.sockets import Wire
from tests.support.stack import Stack, wait_for


def test_a_server_for_http_alone_opens_no_socket(stack: Stack, player: Player) -> None:
    with stack.another_web(SERVES="http") as web:
        assert_problem(httpx.get(f"{web.url}/ws", trust_env=False), 404, "NOT_FOUND")
        assert httpx.get(f"{web.url}/api/me", headers=player.headers, trust_env=False).status_code == 200
        assert "\nfairboard_sockets_max 0.0\n" in httpx.get(f"{web.url}/metrics", trust_env=False).text


def test_a_server_for_sockets_alone_serves_the_board_and_nothing_else(stack: Stack, player: Player) -> None:
    with stack.another_web(SERVES="sockets") as web:
        for path in ("/", "/api/me", "/api/openapi.json"):
            assert_problem(httpx.get(f"{web.url}{path}", headers=player.headers, trust_env=False), 404, "NOT_FOUND")
        assert httpx.get(f"{web.url}/readyz", trust_env=False).status_code == 200
        with Wire(web.port, player.access) as wire:
            wire.expect("connected")
            wire.join()


def test_a_server_that_leaves_says_so_and_goes_on_for_a_while(stack: Stack, player: Player) -> None:
    with stack.another_web(DRAIN_SECONDS="3") as web, httpx.Client(base_url=web.url, trust_env=False) as http:
        assert http.get("/healthz").json() == {"status": "ok"}
        with Wire(web.port, player.access) as wire:
            wire.expect("connected")
            web.part.send(signal.SIGTERM)
            wait_for(lambda: http.get("/healthz").status_code == 503, 3, "the word that it leaves")
            assert http.get("/healthz").json() == {"status": "leaving"}
            # New connections too: the balancer may not have looked yet.
            assert httpx.get(f"{web.url}/api/me", headers=player.headers, trust_env=False).status_code == 200
            assert wire.closed() == 1012
        assert web.part.process
        assert web.part.process.wait(timeout=20) == 0
