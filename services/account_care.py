"""What an operator does for an account on the server: a password for who forgot theirs, and another role."""

from __future__ import annotations

import logging
import uuid

from sqlalchemy import TextClause, text

from models.database import DatabaseUnavailableError, transaction
from services import passwords, sessions
from services.accounts import username_key
from services.errors import InvalidRequest, ServiceUnavailable
from services.resources import Resources

log = logging.getLogger(__name__)

_SET_PASSWORD = text("UPDATE users SET password_hash = :value WHERE username_key = :key RETURNING id")
_SET_ROLE = text("UPDATE users SET role = :value WHERE username_key = :key RETURNING id")
_NO_SESSION = uuid.UUID(int=0)


def set_password(resources: Resources, *, username: str, password: str) -> None:
    """Give an account another password and end all of its sessions.

    Raises InvalidRequest or ServiceUnavailable.
    """
    if refusal := passwords.refusal(password, username, resources.settings.password_min_length):
        raise InvalidRequest(f"The password {refusal}.")
    _set(resources, "password", _SET_PASSWORD, username, passwords.hash_password(password))


def set_role(resources: Resources, *, username: str, role: str) -> None:
    """Give an account another role and end all of its sessions, of which caches tell the old one.

    Raises InvalidRequest or ServiceUnavailable.
    """
    _set(resources, "role", _SET_ROLE, username, role)


def _set(resources: Resources, what: str, statement: TextClause, username: str, value: str) -> None:
    """A login that is under way waits for the row; it then finds another password, or begins with the new role."""
    try:
        with transaction(resources.engine) as connection:
            parameters = {"value": value, "key": username_key(username)}
            user_id = connection.execute(statement, parameters).scalar_one_or_none()
            if user_id is None:
                raise InvalidRequest(f"There is no account called {username}.")
            ended = sessions.end_others(resources, connection, user_id, keep=_NO_SESSION)
    except DatabaseUnavailableError as error:
        raise ServiceUnavailable from error
    log.info("%s set by an operator: user=%s", what, user_id)
    _tell(resources, user_id, ended)


def _tell(resources: Resources, user_id: int, ended: list[uuid.UUID]) -> None:
    try:
        sessions.forget_ended(resources, user_id, ended)
    except ServiceUnavailable as error:
        raise ServiceUnavailable("It is set, but Redis could not be told that sessions ended; do it again.") from error
