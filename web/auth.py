"""Who makes this request: the access token, then the session it names."""

from __future__ import annotations

from contextlib import suppress
from typing import TypeVar

from flask import request
from pydantic import BaseModel

from services import sessions
from services.errors import AccountSuspended, FairboardError, Forbidden, Unauthorized
from services.sessions import Player
from web.context import USER, resources
from web.parsing import read_body
from web.tokens import Credentials, read_access_token

Model = TypeVar("Model", bound=BaseModel)
SCHEME = "bearer "


def bearer() -> str:
    """The token of the Authorization header. Raises Unauthorized if there is none."""
    header = request.headers.get("Authorization", "")
    if header[: len(SCHEME)].lower() != SCHEME or not header[len(SCHEME) :].strip():
        raise Unauthorized
    return header[len(SCHEME) :].strip()


def credentials() -> Credentials:
    """The access token of this request, whose session is not looked up yet. Raises the errors of tokens."""
    found = read_access_token(bearer())
    request.environ[USER] = found.user_id
    return found


def current_player() -> Player:
    """The player of this request. Raises the errors of tokens and of sessions."""
    found = credentials()
    return sessions.authenticate(resources(), found.user_id, found.session_id)


def analyst() -> Player:
    """The player of this request, who may review. Raises Forbidden for everybody else."""
    player = current_player()
    if player.role not in ("analyst", "admin"):
        raise Forbidden("Only analysts may see this.")
    return player


def read_body_of(found: Credentials, model: type[Model]) -> Model:
    """The body of a call whose session is checked together with its limits, a step later.

    A dead session is worse than a bad body and is told first, so it is looked up here when the body is bad.
    """
    try:
        return read_body(model)
    except FairboardError:
        with suppress(AccountSuspended):  # The body comes before the account's status.
            sessions.authenticate(resources(), found.user_id, found.session_id)
        raise
