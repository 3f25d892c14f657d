"""A token has one spelling. Base64 has several for the same bytes, and the libraries below us take them all."""

from __future__ import annotations

import string
import uuid
from collections.abc import Iterator

import pytest
from flask import Flask

from config.catalogue import TimedAction, get_catalogue
from services import action_tokens
from services.errors import ActionTokenInvalid, InvalidToken
from services.resources import Resources
from tests.support import nowhere
from tests.support.tokens import seal
from web.app import create_app
from web.tokens import make_tokens, read_access_token, read_refresh_token

ALPHABET = string.ascii_letters + string.digits + "-_"
SKIPPED = ["!", "\n", " ", ".", "=", "+", "/", "~"]


@pytest.fixture
def app() -> Iterator[Flask]:
    app = create_app(nowhere.settings())
    with app.app_context():
        yield app


def test_the_last_letter_of_an_access_token_counts(app: Flask) -> None:
    access, refresh = make_tokens(7, uuid.uuid4(), uuid.uuid4())
    assert read_access_token(access).user_id == 7
    for letter in set(ALPHABET) - {access[-1]}:
        with pytest.raises(InvalidToken):
            read_access_token(access[:-1] + letter)
    for letter in set(ALPHABET) - {refresh[-1]}:
        with pytest.raises(InvalidToken):
            read_refresh_token(refresh[:-1] + letter)


@pytest.mark.parametrize("letter", SKIPPED)
def test_what_a_decoder_skips_makes_another_token(app: Flask, letter: str) -> None:
    access, _ = make_tokens(7, uuid.uuid4(), uuid.uuid4())
    for place in range(len(access) + 1):
        with pytest.raises(InvalidToken):
            read_access_token(access[:place] + letter + access[place:])


@pytest.mark.parametrize("letter", SKIPPED)
def test_what_a_decoder_skips_makes_another_action_token(app: Flask, letter: str) -> None:
    own = Resources(nowhere.settings(), get_catalogue(), 1.0, 1.0)
    token = seal(own, 7, "reaction")
    opened = action_tokens.open_token(own, token, 7)
    assert isinstance(opened.action, TimedAction)
    for place in range(len(token) + 1):
        with pytest.raises(ActionTokenInvalid):
            action_tokens.open_token(own, token[:place] + letter + token[place:], 7)
