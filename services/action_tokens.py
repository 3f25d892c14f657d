"""Action tokens: sealed by Fernet, so that a client can neither read nor make one; kept by their SHA-256."""

from __future__ import annotations

import hashlib
import json
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography.fernet import InvalidToken as FernetInvalidToken

from config.catalogue import OnceAction, TimedAction
from models.database import DatabaseUnavailableError, execute_once
from services.errors import ActionKindMismatch, ActionNotFound, ActionTokenInvalid, ServiceUnavailable
from services.resources import Resources

LIFETIME = timedelta(minutes=5)
MAX_LENGTH = 1_000


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A new token and the end of its life."""

    token: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class OpenedToken:
    """What is inside a token of ours."""

    hash: bytes
    action: TimedAction
    issued_at: datetime

    @property
    def expired(self) -> bool:
        """By this process's clock; PostgreSQL's decides as long as it remembers the token."""
        return datetime.now(UTC) > self.issued_at + LIFETIME


def timed_action(resources: Resources, action_type: str) -> TimedAction:
    """The catalogue's entry. Raises ActionNotFound or ActionKindMismatch."""
    action = resources.catalogue.get(action_type)
    if action is None:
        raise ActionNotFound
    if isinstance(action, OnceAction):
        raise ActionKindMismatch("This action needs no token: complete it with POST /api/action/complete.")
    return action


def issue(resources: Resources, user_id: int, action: TimedAction) -> IssuedToken:
    """A token for one action of one player. Raises ServiceUnavailable."""
    payload = {
        "userId": user_id,
        "actionType": action.action_type,
        "timestamp": int(datetime.now(UTC).timestamp() * 1000),
        "nonce": secrets.token_hex(16),
    }
    token = resources.fernet.encrypt(json.dumps(payload).encode())
    try:
        (expires_at,) = execute_once(
            resources.engine,
            "SELECT issue_action_token(%s, %s, %s, %s)",
            (hashlib.sha256(token).digest(), user_id, action.action_type, LIFETIME),
        )
    except DatabaseUnavailableError as error:
        raise ServiceUnavailable from error
    return IssuedToken(token.decode(), expires_at)


def open_token(resources: Resources, token: str, user_id: int) -> OpenedToken:
    """Open a token. Raises ActionTokenInvalid for one that is not ours or another player's: which, is not told."""
    try:
        sealed = token.encode("ascii")
        if urlsafe_b64encode(urlsafe_b64decode(sealed)) != sealed:
            raise ActionTokenInvalid  # Fernet skips what is no base64, and so would open one token in many spellings.
        payload = json.loads(resources.fernet.decrypt(sealed))
    except (FernetInvalidToken, ValueError) as error:
        raise ActionTokenInvalid from error
    action = resources.catalogue.get(payload["actionType"])
    if payload["userId"] != user_id or not isinstance(action, TimedAction):
        raise ActionTokenInvalid
    issued_at = datetime.fromtimestamp(payload["timestamp"] / 1000, UTC)
    return OpenedToken(hashlib.sha256(sealed).digest(), action, issued_at)
