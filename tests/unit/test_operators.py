"""`/metrics` is for operators: from this machine, from a network of the settings, or with a token. Nobody else."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.support import nowhere
from web.app import create_app
from web.operators import FORWARDED

TOKEN = "t" * 32


def client(**changes: Any) -> FlaskClient:
    return create_app(nowhere.settings(**changes)).test_client()


def ask(client: FlaskClient, peer: str, host: str = "127.0.0.1:8000", **headers: str) -> int:
    given = {"Host": host} | {name.replace("_", "-"): value for name, value in headers.items()}
    return client.get("/metrics", headers=given, environ_overrides={"REMOTE_ADDR": peer}).status_code


@pytest.mark.parametrize("peer", ["127.0.0.1", "::1", "::ffff:127.0.0.1"])
@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost:8000", "LOCALHOST", "[::1]:8000", "127.0.0.1"])
def test_this_machine_may_ask(peer: str, host: str) -> None:
    assert ask(client(), peer, host) == 200


@pytest.mark.parametrize("peer", ["192.0.2.1", "10.0.0.1", "2001:db8::1", "::ffff:10.0.0.1", "128.0.0.1", "", "unix"])
def test_nobody_else_may(peer: str) -> None:
    answer = client().get("/metrics", environ_overrides={"REMOTE_ADDR": peer})
    assert (answer.status_code, answer.get_json()["code"]) == (403, "FORBIDDEN")
    assert "fairboard_requests" not in answer.text


@pytest.mark.parametrize("header", FORWARDED)
def test_what_a_proxy_of_this_machine_passes_on_is_not_from_this_machine(header: str) -> None:
    assert ask(client(), "127.0.0.1", **{header: "127.0.0.1"}) == 403


def test_an_address_that_the_client_may_write_opens_nothing() -> None:
    """With one proxy too many believed, X-Forwarded-For is the client's own word."""
    believing = client(trusted_proxies=2)
    assert ask(believing, "192.0.2.1", X_Forwarded_For="127.0.0.1, 192.0.2.9") == 403
    assert ask(believing, "127.0.0.1", X_Forwarded_For="127.0.0.1, 127.0.0.1") == 403


def test_a_page_whose_name_points_to_this_machine_may_not_ask() -> None:
    assert ask(client(), "127.0.0.1", "evil.example:8000") == 403
    assert ask(client(), "127.0.0.1", "localhost.evil.example") == 403
    assert ask(client(), "127.0.0.1", "127.0.0.1.evil.example:8000") == 403


def test_networks_are_a_setting() -> None:
    inside = client(metrics_networks="10.1.0.0/16")
    assert ask(inside, "10.1.2.3", "web:8000") == 200
    assert ask(inside, "10.2.0.1", "web:8000") == 403
    assert ask(inside, "127.0.0.1") == 403


def test_with_a_token_only_the_token_opens() -> None:
    guarded = client(metrics_token=TOKEN)
    assert ask(guarded, "127.0.0.1") == 401
    assert ask(guarded, "127.0.0.1", Authorization=f"Bearer {TOKEN}x") == 401
    assert ask(guarded, "127.0.0.1", Authorization="Bearer \xe9") == 401
    assert ask(guarded, "192.0.2.1", "web:8000", Authorization=f"Bearer {TOKEN}") == 200


@pytest.mark.parametrize(
    "wrong", [{"metrics_token": "short"}, {"metrics_token": "t" * 30 + " "}, {"metrics_networks": "10.0.0.1/8"}]
)
def test_what_would_guard_badly_is_an_error_at_start(wrong: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        nowhere.settings(**wrong)
