"""Reading bodies and queries. Every input is hostile until it has passed through here."""

from __future__ import annotations

import json
import re
import socket
from contextlib import suppress
from typing import Any, TypeVar

from flask import request
from gevent import Timeout
from gunicorn.http.errors import ParseException
from pydantic import BaseModel, ValidationError

from services.errors import InvalidRequest, PayloadTooLarge, UnsupportedMediaType
from services.proofs import NumberLiteral

MAX_BODY = 16 * 1024
BODY_SECONDS = 10.0
"""How long a body may take to arrive. Gunicorn waits for a head for as long as it keeps an idle connection."""
NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")
"""The escape: where the backslashes before `u0000` are even in number, they stand for themselves."""
Model = TypeVar("Model", bound=BaseModel)


def read_body(model: type[Model]) -> Model:
    """The request's JSON body. Raises InvalidRequest, UnsupportedMediaType, or 413 for one over 16 KiB."""
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise UnsupportedMediaType("Bodies must not be compressed.")
    raw = _read_raw()
    if request.mimetype != "application/json" and (raw or request.mimetype):
        raise UnsupportedMediaType
    return validate(model, parse_json(raw))


def _read_raw() -> bytes:
    """The body as it came. Raises PayloadTooLarge, or InvalidRequest for one that is none or never comes."""
    try:
        with Timeout(BODY_SECONDS, _TooSlowError):
            raw = request.get_data(cache=False)
    except _TooSlowError as error:
        _read_no_more()
        raise InvalidRequest("The body did not arrive in time.") from error
    except ParseException as error:
        raise InvalidRequest("The body is not what its headers announce.") from error
    # Werkzeug cuts a body in chunks off at the limit without a word.
    if request.content_length is None and len(raw) >= MAX_BODY:
        raise PayloadTooLarge
    return raw


class _TooSlowError(Exception):
    """A body takes too long. No OSError, which Werkzeug would take for a client that hung up."""


def _read_no_more() -> None:
    """Gunicorn reads the rest of a body before the next request; there is to be none of either."""
    with suppress(KeyError, OSError):
        request.environ["gunicorn.socket"].shutdown(socket.SHUT_RD)


def parse_json(raw: bytes | str) -> Any:
    """JSON by RFC 8259 and no more: UTF-8 without halves of pairs, no NaN, no NUL, no name twice, numbers

    within a double's range.
    """
    try:
        text = raw.decode("utf-8") if isinstance(raw, bytes) else raw
        value = _DECODER.decode(text)
        if "\\u0000" in text and NUL.search(text):
            raise InvalidRequest("The body contains a NUL character.")
        if "\\ud" in text or "\\uD" in text:
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError) as error:
        raise InvalidRequest("The body is not valid JSON in UTF-8.") from error
    return value


def validate(model: type[Model], value: Any) -> Model:
    """The value as a model. Raises InvalidRequest that names each wrong field."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False, include_context=False)
        fields = {".".join(map(str, item["loc"])) or "body": item["msg"] for item in problems}
        raise InvalidRequest(errors=fields) from None


def read_query(**fields: tuple[str, str | None]) -> dict[str, str | None]:
    """The query's fields, each a pattern that the value must match as a whole and a default.

    Raises InvalidRequest for unknown, repeated or malformed ones.
    """
    wrong, values = {}, {}
    for name in request.args:
        if name not in fields:
            wrong[name] = "is not a parameter of this call"
    for name, (pattern, default) in fields.items():
        given = request.args.getlist(name)
        if len(given) > 1:
            wrong[name] = "is given more than once"
        elif given and not re.fullmatch(pattern, given[0]):
            wrong[name] = f"must match {pattern}"
        values[name] = given[0] if given else default
    if wrong:
        raise InvalidRequest(errors=wrong)
    return values


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose names are unique: of two equal ones, whoever reads along might believe in the other."""
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a name stands twice in an object")
    return value


def _parse_int(literal: str) -> int | NumberLiteral:
    """Minus zero is the one whole number that Python would write otherwise than it was sent."""
    return NumberLiteral(literal) if literal == "-0" else int(literal)


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_float=NumberLiteral, parse_int=_parse_int, parse_constant=_refuse_constant
)
