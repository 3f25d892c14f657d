"""Access and refresh tokens: made and verified by flask-jwt-extended, one key per `kid` so that keys can rotate."""

from __future__ import annotations

import uuid
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from time import time
from typing import Any

from flask import Flask, current_app
from flask_jwt_extended import JWTManager, create_access_token, create_refresh_token, decode_token
from flask_jwt_extended.exceptions import JWTExtendedException
from jwt.exceptions import PyJWTError

from config.settings import Settings
from services.errors import InvalidToken, TokenExpired

ISSUER = AUDIENCE = "fairboard"
VERIFIED_CACHE = 20_000
EXTENSION = "fairboard-verified-tokens"


@dataclass(frozen=True, slots=True)
class Credentials:
    """What an access token says; whether its session still lives is asked of services.sessions."""

    user_id: int
    session_id: uuid.UUID
    expires_at: int
    """Unix seconds."""


@dataclass(frozen=True, slots=True)
class RefreshCredentials:
    """What a refresh token says."""

    user_id: int
    session_id: uuid.UUID
    refresh_id: uuid.UUID


@dataclass(frozen=True, slots=True)
class _Claims:
    """What a token with a right signature says."""

    kind: str
    user_id: int
    session_id: uuid.UUID
    refresh_id: uuid.UUID | None
    expires_at: int


def register_jwt(app: Flask, settings: Settings) -> None:
    """Configure flask-jwt-extended: HS256 only, issuer and audience checked, the key chosen by `kid`."""
    app.config.update(
        JWT_ALGORITHM="HS256",
        JWT_DECODE_LEEWAY=10,  # Of clocks of several hosts, for "not before"; the end of a token is checked below.
        JWT_DECODE_ALGORITHMS=["HS256"],
        JWT_ENCODE_ISSUER=ISSUER,
        JWT_DECODE_ISSUER=ISSUER,
        JWT_ENCODE_AUDIENCE=AUDIENCE,
        JWT_DECODE_AUDIENCE=AUDIENCE,
        JWT_TOKEN_LOCATION=["headers"],
        JWT_COOKIE_CSRF_PROTECT=False,  # Tokens never travel in cookies.
        JWT_SECRET_KEY=settings.jwt_secret[0],
        JWT_ACCESS_TOKEN_EXPIRES=timedelta(seconds=settings.access_token_seconds),
        JWT_REFRESH_TOKEN_EXPIRES=timedelta(seconds=settings.refresh_token_seconds),
    )
    keys = {settings.jwt_key_id(secret): secret for secret in settings.jwt_secret}
    manager = JWTManager(app)
    manager.additional_headers_loader(lambda identity: {"kid": settings.jwt_key_id(settings.jwt_secret[0])})
    manager.decode_key_loader(lambda header, payload: keys.get(str(header.get("kid")), settings.jwt_secret[0]))
    # Whether a signature is right never changes, so it is worked out once per token and process.
    app.extensions[EXTENSION] = lru_cache(maxsize=VERIFIED_CACHE)(_verify)


def make_tokens(user_id: int, session_id: uuid.UUID, refresh_id: uuid.UUID) -> tuple[str, str]:
    """An access and a refresh token of a session."""
    session = {"sid": str(session_id)}
    access = create_access_token(str(user_id), additional_claims=session)
    refresh = create_refresh_token(str(user_id), additional_claims={**session, "rid": str(refresh_id)})
    return access, refresh


def read_access_token(token: str) -> Credentials:
    """Raises InvalidToken for one that is broken or of the wrong type, TokenExpired for one that was right once."""
    claims = _claims(token, "access")
    return Credentials(claims.user_id, claims.session_id, claims.expires_at)


def read_refresh_token(token: str) -> RefreshCredentials:
    """Raises InvalidToken or TokenExpired. Whether it was spent is asked of services.sessions."""
    claims = _claims(token, "refresh")
    if claims.refresh_id is None:
        raise InvalidToken
    return RefreshCredentials(claims.user_id, claims.session_id, claims.refresh_id)


def _claims(token: str, kind: str) -> _Claims:
    verify: Callable[[str], _Claims] = current_app.extensions[EXTENSION]
    try:
        claims = verify(token)
    except (PyJWTError, JWTExtendedException, ValueError, TypeError, KeyError, RecursionError) as error:
        raise InvalidToken from error
    if claims.kind != kind:
        raise InvalidToken(f"This is not an {kind} token." if kind == "access" else "This is not a refresh token.")
    if claims.expires_at <= time():
        raise TokenExpired
    return claims


def _verify(token: str) -> _Claims:
    """Even what our own key signed is taken apart here, so that a token of a mistake of ours is refused, not a 500."""
    _refuse_other_spellings(token)
    claims: dict[str, Any] = decode_token(token, allow_expired=True)
    return _Claims(
        kind=claims["type"],
        user_id=int(claims["sub"]),
        session_id=uuid.UUID(str(claims["sid"])),
        refresh_id=uuid.UUID(str(claims["rid"])) if "rid" in claims else None,
        expires_at=int(claims["exp"]),
    )


def _refuse_other_spellings(token: str) -> None:
    """Raises ValueError for a signature whose base64 is written otherwise than we write it: with unused bits set, or

    with characters in between that a decoder skips. The bytes would be the same and the token another one.
    """
    signature = token.rpartition(".")[2].encode("ascii")
    decoded = urlsafe_b64decode(signature + b"=" * (-len(signature) % 4))
    if urlsafe_b64encode(decoded).rstrip(b"=") != signature:
        raise ValueError("not the spelling of a signature of ours")
