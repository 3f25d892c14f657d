"""Tokens as the server makes them, and as PostgreSQL knows them."""

from __future__ import annotations

import hashlib
import json
import secrets
import time
import uuid
from typing import Any

import jwt

from config.settings import Settings
from services.resources import Resources


def digest(token: str) -> str:
    """How PostgreSQL knows an action token."""
    return hashlib.sha256(token.encode()).hexdigest()


def access_token(settings: Settings, user_id: int, session_id: str, *, life: float, **claims: Any) -> str:
    """An access token signed with the server's own key; `claims` replace or, being None, remove some."""
    now, secret = time.time(), settings.jwt_secret[0]
    all_claims = {
        "sub": str(user_id),
        "sid": session_id,
        "type": "access",
        "iss": "fairboard",
        "aud": "fairboard",
        "jti": str(uuid.uuid4()),
        "fresh": False,
        "iat": int(now),
        "nbf": int(now) - 1,
        "exp": now + life,
    } | claims
    kept = {name: value for name, value in all_claims.items() if value is not None}
    return jwt.encode(kept, secret, algorithm="HS256", headers={"kid": settings.jwt_key_id(secret)})


def seal(resources: Resources, user_id: int, action_type: str, **changes: object) -> str:
    """An action token as `services.action_tokens.issue` makes it, which no PostgreSQL has to know."""
    payload = {
        "userId": user_id,
        "actionType": action_type,
        "timestamp": int(time.time() * 1000),
        "nonce": secrets.token_hex(16),
    }
    return resources.fernet.encrypt(json.dumps(payload | changes).encode()).decode()
