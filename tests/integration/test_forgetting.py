"""The statements that docs/operations.md has for an account that is to be forgotten, done: nothing else breaks."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import text

from config.catalogue import BOARD
from models.database import autocommit, make_engine
from services import accounts
from services.errors import InvalidCredentials, InvalidToken
from services.leaderboard.rebuild import rebuild
from services.resources import Resources
from services.sessions import Player
from services.verify import verify
from tests.processes import ROOT
from tests.support.ground import Servers
from tests.support.people import PASSWORD, People, ranking

SQL = (ROOT / "docs" / "operations.md").read_text("utf-8").partition("## What is kept of people")[2]
STATEMENTS = re.findall(r"^((?:UPDATE|DELETE)[^;]*4711);$", SQL, re.MULTILINE)


def do(servers: Servers, player: Player, statements: list[str]) -> None:
    """As the owner of the database."""
    owner = make_engine(servers.postgres.owner_url, role=None)
    with autocommit(owner) as connection:
        for statement in statements:
            connection.execute(text(statement.replace("4711", str(player.user_id))))
    owner.dispose()


def test_a_name_that_was_taken_away_does_not_come_back(
    servers: Servers, resources: Resources, people: People, player: Player
) -> None:
    """Whoever is logged in acts under the old name until they log in again."""
    people.complete(player)
    token = people.token(player)
    do(servers, player, STATEMENTS[:2])
    rebuild(resources, BOARD)
    with pytest.raises(InvalidToken):
        people.spend(player, token)
    assert list(verify(resources, BOARD)) == []


def test_an_account_is_forgotten_and_its_points_stay(
    servers: Servers, resources: Resources, people: People, player: Player
) -> None:
    other = people.join()
    for who in (player, player, other):
        people.complete(who)
    before = ranking(resources)
    assert len(STATEMENTS) == 4

    do(servers, player, STATEMENTS)

    rebuild(resources, BOARD)
    assert list(verify(resources, BOARD)) == []
    assert ranking(resources) == before
    assert people.execute("SELECT username FROM users WHERE id = :id", id=player.user_id) == [
        (f"player-{player.user_id}",)
    ]
    for name in (player.username, f"player-{player.user_id}"):
        with pytest.raises(InvalidCredentials):
            accounts.log_in(resources, username=name, password=PASSWORD, address="192.0.2.1")
    people.complete(other)
