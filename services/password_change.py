"""A new password: for whoever knows the old one, and an end to the account's other sessions."""

from __future__ import annotations

import logging
import uuid

from sqlalchemy import text

from models.database import DatabaseUnavailableError, autocommit, transaction
from services import accounts, passwords, rate_limits, sessions
from services.errors import InvalidCredentials, InvalidRequest, ServiceUnavailable
from services.resources import Resources
from services.sessions import Player

log = logging.getLogger(__name__)

_STORED = text("SELECT password_hash FROM users WHERE id = :id")
_REPLACE = text("UPDATE users SET password_hash = :new WHERE id = :id AND password_hash = :old")


def change_password(resources: Resources, player: Player, *, current: str, new: str, address: str) -> None:
    """Raises InvalidRequest, InvalidCredentials, RateLimitExceeded or ServiceUnavailable.

    A stolen access token is not enough, and does not help to guess: guesses are counted for each session and, except
    where the owner has logged in before, for all of the account's. A change that was right counts too, because it costs
    two hashes.
    """
    if refusal := _refusal(resources, player, current, new):
        raise InvalidRequest(errors={"newPassword": refusal})
    rate_limits.count_address(resources, "password", address)
    _count(resources, player, address)
    try:
        ended = _replace(resources, player, current, new)
    except DatabaseUnavailableError as error:
        raise ServiceUnavailable from error
    log.info("password changed: user=%s sessions ended=%s", player.user_id, len(ended))
    sessions.forget_ended(resources, player.user_id, ended)


def _count(resources: Resources, player: Player, address: str) -> None:
    """Each session by itself, so that whoever holds an old one does not keep the owner from ending it."""
    limit, account = resources.settings.auth_name_limit, f"password:{player.user_id}"
    rate_limits.count(resources, f"{account}:{player.session_id}", ((limit, 60),))
    if not accounts.came_in_from(resources, player.username, address):
        rate_limits.count(resources, account, ((limit * accounts.ALL_ADDRESSES, 60),))


def _refusal(resources: Resources, player: Player, current: str, new: str) -> str | None:
    if new == current:
        return "must be another than the current one"
    return passwords.refusal(new, player.username, resources.settings.password_min_length)


def _replace(resources: Resources, player: Player, current: str, new: str) -> list[uuid.UUID]:
    """The sessions that ended with it. Of two changes at once, the second finds that it knows the old one no more."""
    with autocommit(resources.engine) as connection:
        stored = connection.execute(_STORED, {"id": player.user_id}).scalar_one()
    if not passwords.verify_password(current, stored):
        log.warning("password not changed, the current one is wrong: user=%s", player.user_id)
        raise InvalidCredentials("The current password is wrong.")
    hashed = passwords.hash_password(new)
    with transaction(resources.engine) as connection:
        if connection.execute(_REPLACE, {"new": hashed, "old": stored, "id": player.user_id}).rowcount != 1:
            raise InvalidCredentials("The current password is wrong.")
        return sessions.end_others(resources, connection, player.user_id, player.session_id)
