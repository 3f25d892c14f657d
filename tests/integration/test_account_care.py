"""What operators do for accounts: another password, another role, and an end to the sessions of before."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable

import pytest

from services import accounts, sessions
from services.account_care import set_password, set_role
from services.errors import InvalidCredentials, InvalidRequest, InvalidToken, ServiceUnavailable
from services.resources import Resources
from services.sessions import Player
from tests.processes import ROOT
from tests.support.people import PASSWORD, People

NEW = "another passphrase that is long enough"


def log_in(resources: Resources, name: str, password: str) -> Player:
    return accounts.log_in(resources, username=name, password=password, address="192.0.2.1").player


def is_logged_out(resources: Resources, player: Player) -> bool:
    try:
        sessions.authenticate(resources, player.user_id, player.session_id)
    except InvalidToken:
        return True
    return False


def test_a_forgotten_password_is_replaced_and_all_sessions_end(
    resources: Resources, people: People, player: Player
) -> None:
    other, stranger = log_in(resources, player.username, PASSWORD), people.join()
    for one in (player, other, stranger):
        assert not is_logged_out(resources, one)
    set_password(resources, username=player.username.upper(), password=NEW)
    assert [is_logged_out(resources, one) for one in (player, other, stranger)] == [True, True, False]
    with pytest.raises(InvalidCredentials):
        log_in(resources, player.username, PASSWORD)
    assert log_in(resources, player.username, NEW).user_id == player.user_id


def test_another_role_counts_at_once(resources: Resources, people: People, player: Player) -> None:
    assert sessions.authenticate(resources, player.user_id, player.session_id).role == "player"
    set_role(resources, username=player.username, role="analyst")
    assert is_logged_out(resources, player)
    again = log_in(resources, player.username, PASSWORD)
    assert sessions.authenticate(resources, again.user_id, again.session_id).role == "analyst"
    assert people.execute("SELECT role FROM users") == [("analyst",)]


def test_nobody_of_that_name_and_a_bad_password_are_told(resources: Resources, player: Player) -> None:
    with pytest.raises(InvalidRequest, match="no account called nobody"):
        set_password(resources, username="nobody", password=NEW)
    with pytest.raises(InvalidRequest, match="no account called nobody"):
        set_role(resources, username="nobody", role="admin")
    with pytest.raises(InvalidRequest, match="at least 8 characters"):
        set_password(resources, username=player.username, password="short")
    assert not is_logged_out(resources, player)


def test_without_redis_it_says_that_it_is_to_be_done_again(
    without: Callable[[str], Resources], resources: Resources, player: Player
) -> None:
    assert not is_logged_out(resources, player)
    with pytest.raises(ServiceUnavailable, match="do it again"):
        set_role(without("redis"), username=player.username, role="analyst")
    set_role(resources, username=player.username, role="analyst")
    assert is_logged_out(resources, player)


def test_without_postgresql_nothing_is_done(
    without: Callable[[str], Resources], resources: Resources, player: Player
) -> None:
    with pytest.raises(ServiceUnavailable):
        set_role(without("postgres"), username=player.username, role="analyst")
    assert not is_logged_out(resources, player)


def fairboard(resources: Resources, *arguments: str, text: str = "") -> str:
    """What a command prints."""
    settings = resources.settings
    own = {
        "FAIRBOARD_DATABASE_URL": settings.database_url,
        "FAIRBOARD_REDIS_URL": settings.redis_url,
        "FAIRBOARD_JWT_SECRET": settings.jwt_secret[0],
        "FAIRBOARD_TOKEN_KEYS": settings.token_keys[0],
    }
    command = [sys.executable, "-m", "cli.main", *arguments]
    environment = {**os.environ, **own, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, input=text, capture_output=True, text=True, timeout=60, check=False)
    return done.stdout + done.stderr


def test_the_commands(resources: Resources) -> None:
    made = fairboard(resources, "create-user", "ida", "--password-stdin", text=PASSWORD + "\n")
    assert made.startswith("Created player ida (id ")
    told = fairboard(resources, "set-password", "Ida", "--password-stdin", text=NEW + "\n")
    assert told == "Ida has a new password and is logged out everywhere.\n"
    told = fairboard(resources, "set-role", "ida", "analyst")
    assert told == "ida is analyst now and is logged out everywhere.\n"
    assert log_in(resources, "ida", NEW).role == "analyst"
    assert "no account called eve" in fairboard(resources, "set-role", "eve", "admin")
    told = fairboard(resources, "set-password", "ida", "--password-stdin", text="password1\n")
    assert told.startswith("error: The password is one of the first")


@pytest.mark.parametrize("lines", [PASSWORD + "\n", f"{PASSWORD}\n{PASSWORD}\n", PASSWORD])
def test_a_password_that_is_piped_in_is_not_asked_for_again(resources: Resources, lines: str) -> None:
    """One line is enough, also where a terminal could be asked; two equal ones, as they are typed, do as well."""
    made = fairboard(resources, "create-user", "ida", "--role", "analyst", text=lines)
    assert made.startswith("Created analyst ida (id ")
    assert log_in(resources, "ida", PASSWORD).role == "analyst"
    told = fairboard(resources, "set-password", "ida", text=lines.replace(PASSWORD, NEW))
    assert told == "ida has a new password and is logged out everywhere.\n"
    log_in(resources, "ida", NEW)
