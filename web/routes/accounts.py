"""Accounts and sessions."""

from __future__ import annotations

from flask import Blueprint, Response, request

from config.catalogue import BOARD
from services import accounts, sessions
from services.password_change import change_password
from web import tokens
from web.auth import bearer, credentials, current_player
from web.context import answer, client_address, resources
from web.openapi import describe
from web.parsing import read_body
from web.schemas import CredentialsBody, LoginAnswer, MeAnswer, PasswordBody, RefreshAnswer, RegisterAnswer

blueprint = Blueprint("accounts", __name__, url_prefix="/api")


@blueprint.post("/auth/register")
@describe(
    "Create an account",
    body=CredentialsBody,
    answer=RegisterAnswer,
    status=201,
    open_to_all=True,
    errors=("VALIDATION_ERROR", "USERNAME_TAKEN", "RATE_LIMIT_EXCEEDED"),
)
def register() -> Response:
    """Usernames have 3 to 32 characters and are unique without regard to case; passwords have 8 or more."""
    body = read_body(CredentialsBody)
    account = accounts.register(resources(), username=body.username, password=body.password, address=client_address())
    return answer(RegisterAnswer(userId=account.user_id, username=account.username), 201)


@blueprint.post("/auth/login")
@describe(
    "Log in",
    body=CredentialsBody,
    answer=LoginAnswer,
    open_to_all=True,
    errors=("VALIDATION_ERROR", "INVALID_CREDENTIALS", "ACCOUNT_SUSPENDED", "RATE_LIMIT_EXCEEDED"),
)
def login() -> Response:
    """Begin a session. The access token is short-lived; the refresh token works once."""
    body = read_body(CredentialsBody)
    session = accounts.log_in(
        resources(),
        username=body.username,
        password=body.password,
        address=client_address(),
        user_agent=request.user_agent.string,
    )
    player = session.player
    access, refresh = tokens.make_tokens(player.user_id, player.session_id, session.refresh_id)
    return answer(
        LoginAnswer(
            accessToken=access,
            refreshToken=refresh,
            expiresIn=resources().settings.access_token_seconds,
            userId=player.user_id,
            username=player.username,
            role=player.role,
        )
    )


@blueprint.post("/auth/refresh")
@describe(
    "Renew the tokens",
    answer=RefreshAnswer,
    open_to_all=True,
    refresh=True,
    errors=("UNAUTHORIZED", "INVALID_TOKEN", "TOKEN_EXPIRED", "ACCOUNT_SUSPENDED"),
)
def renew() -> Response:
    """Send the refresh token as bearer. It is spent; one that is spent twice ends the session."""
    old = tokens.read_refresh_token(bearer())
    came_from = sessions.origin(resources(), client_address(), request.user_agent.string)
    refresh_id = sessions.rotate(resources(), old.user_id, old.session_id, old.refresh_id, came_from)
    access, refresh = tokens.make_tokens(old.user_id, old.session_id, refresh_id)
    seconds = resources().settings.access_token_seconds
    return answer(RefreshAnswer(accessToken=access, refreshToken=refresh, expiresIn=seconds))


@blueprint.post("/auth/logout")
@describe("Log out", status=204)
def logout() -> Response:
    """End the session. Its access and refresh tokens are dead from then on."""
    found = credentials()
    sessions.authenticate(resources(), found.user_id, found.session_id)
    sessions.revoke(resources(), found.user_id, found.session_id)
    return Response(status=204)


@blueprint.post("/auth/password")
@describe(
    "Change your password",
    body=PasswordBody,
    status=204,
    errors=("VALIDATION_ERROR", "INVALID_CREDENTIALS", "RATE_LIMIT_EXCEEDED"),
)
def password() -> Response:
    """Needs the current one. This session goes on; all others of the account end."""
    player = current_player()
    body = read_body(PasswordBody)
    change_password(resources(), player, current=body.currentPassword, new=body.newPassword, address=client_address())
    return Response(status=204)


@blueprint.get("/me")
@describe("Your account", answer=MeAnswer)
def me() -> Response:
    """Your score as it is in the ledger, and your rank. The rank is null before the first point."""
    profile = accounts.profile(resources(), current_player(), BOARD)
    return answer(
        MeAnswer(
            userId=profile.user_id,
            username=profile.username,
            role=profile.role,
            status=profile.status,
            score=profile.score,
            rank=profile.rank,
        )
    )
