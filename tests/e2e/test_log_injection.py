"""What strangers write cannot begin a line of the log, move a cursor, or bring a secret into it."""

from __future__ import annotations

import re

import httpx

from tests.attacks.wire import answers
from tests.support.players import PASSWORD, Player, new_name
from tests.support.sockets import Wire
from tests.support.stack import Stack

FORGED = "12:00:00 INFO web [0] forged-line"
BREAKS = ("\n", "\r", "\r\n", "\x0b", "\x0c", "\x1b[2J", "\x85", "\u2028", "%0d%0a", "\\n")


def lines(stack: Stack) -> list[str]:
    return stack.web.text().splitlines()


def test_no_line_of_the_log_is_written_by_a_stranger(stack: Stack, player: Player) -> None:
    for cut in BREAKS:
        text = f"x{cut}{FORGED}"
        raw = text.encode("utf-8").decode("latin-1")
        httpx.post(f"{stack.url}/api/auth/login", json={"username": text, "password": PASSWORD}, trust_env=False)
        httpx.post(f"{stack.url}/api/auth/register", json={"username": text, "password": PASSWORD}, trust_env=False)
        for header in ("X-Correlation-Id", "Authorization", "User-Agent"):
            answers(stack.port, f"GET /api/me?{raw} HTTP/1.1\r\nHost: x\r\n{header}: Bearer {raw}\r\n\r\n", 1)
        answers(stack.port, f"{raw} /{raw} HTTP/1.1\r\nHost: {raw}\r\n\r\n", 1)
        with Wire(stack, player.access) as wire:
            wire.send(text, {"room": text})
            wire.send_text(text)
    player.complete(f"x\n{FORGED}", checksum="x")
    assert not [line for line in lines(stack) if line.startswith("12:00:00 INFO") and "forged-line" in line]
    assert "\x1b" not in stack.web.text()
    assert "\x85" not in stack.web.text()


def test_what_happens_to_accounts_is_in_the_log(stack: Stack, player: Player) -> None:
    name = new_name()
    account = {"username": name, "password": "a passphrase that nobody has"}
    httpx.post(f"{stack.url}/api/auth/login", json=account, trust_env=False)
    player.get("/api/review/cases")
    headers = {"Authorization": f"Bearer {player.refresh}"}
    for _ in range(2):
        player.http.post("/api/auth/refresh", headers=headers)
    player.post("/api/auth/logout")
    text = stack.web.text()
    for wanted in (
        rf"registered: user={player.user_id} address=127\.0\.0\.1",
        rf"login: user={player.user_id} address=127\.0\.0\.1 status=active",
        r"login failed: name and address=[0-9a-f]{32}:127\.0\.0\.1",
        r"refused: FORBIDDEN at GET /api/review/cases from 127\.0\.0\.1",
        rf"refresh token spent twice: user={player.user_id} ",
        rf"session ends: user={player.user_id} session={player.session_id}",
    ):
        assert re.search(wanted, text), wanted


def test_no_secret_is_in_the_log(stack: Stack, player: Player) -> None:
    token = player.ripe_token()
    player.complete(token)
    player.complete(token[:-2] + "AA")
    httpx.get(f"{stack.url}/api/me", headers={"Authorization": f"Bearer {player.refresh}"}, trust_env=False)
    httpx.get(f"{stack.url}/api/me?token={player.access}", trust_env=False)
    text = "".join(part.text() for part in stack.parts.values())
    settings = stack.settings
    for secret in (player.access, player.refresh, token, PASSWORD, *settings.jwt_secret, *settings.token_keys):
        assert secret not in text
        assert secret[-24:] not in text
    assert not re.search(r"postgresql\S*://[^ ]*:[^ ]*@", text)
