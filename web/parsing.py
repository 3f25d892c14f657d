"""Reading bodies and queries. Every input is hostile until it has passed through here."""

from __future__ import annotations

import json
import re
from typing import Any, TypeVar

from flask import request
from gunicorn.http.errors import ParseException
from pydantic import BaseModel, ValidationError

from services.errors import InvalidRequest, PayloadTooLarge, UnsupportedMediaType
from services.proofs import NumberLiteral

MAX_BODY = 16 * 1024
Model = TypeVar("Model", bound=BaseModel)


def read_body(model: type[Model]) -> Model:
    """The request's JSON body. Raises InvalidRequest, UnsupportedMediaType, or 413 for one over 16 KiB."""
    raw = _read_raw()
    if request.mimetype != "application/json" and (raw or request.mimetype):
        raise UnsupportedMediaType
    return validate(model, parse_json(raw))


def _read_raw() -> bytes:
    """The body as it came. Raises PayloadTooLarge, or InvalidRequest for chunks that are none."""
    try:
        raw = request.get_data(cache=False)
    except ParseException as error:
        raise InvalidRequest("The body is not what its headers announce.") from error
    # Werkzeug cuts a body in chunks off at the limit without a word.
    if request.content_length is None and len(raw) >= MAX_BODY:
        raise PayloadTooLarge
    return raw


def parse_json(raw: bytes | str) -> Any:
    """JSON by RFC 8259 and no more: UTF-8 without halves of pairs, no NaN, no NUL, numbers within a double's range."""
    try:
        text = raw.decode("utf-8") if isinstance(raw, bytes) else raw
        value = _DECODER.decode(text)
        if "\\u0000" in text:
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


def _parse_int(literal: str) -> int | NumberLiteral:
    """Minus zero is the one whole number that Python would write otherwise than it was sent."""
    return NumberLiteral(literal) if literal == "-0" else int(literal)


_DECODER = json.JSONDecoder(parse_float=NumberLiteral, parse_int=_parse_int, parse_constant=_refuse_constant)
