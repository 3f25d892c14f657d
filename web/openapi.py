"""The OpenAPI 3.1 document, generated from the routes, their models and the table of errors."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from flask import Blueprint, Flask, Response, current_app
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from services.errors import ALL_ERRORS
from web.context import json_response
from web.problems import CONTENT_TYPE
from web.schemas import Problem

blueprint = Blueprint("openapi", __name__)
View = TypeVar("View", bound=Callable[..., Response])
REF = "#/components/schemas/{model}"
DOCUMENT = "fairboard-openapi"
EVERYBODY = ("player", "analyst", "admin")
ANALYSTS = ("analyst", "admin")
"""Who may call a route that asks who calls."""
AUTH_ERRORS = ("UNAUTHORIZED", "INVALID_TOKEN", "TOKEN_EXPIRED", "ACCOUNT_SUSPENDED")
BODY_ERRORS = ("PAYLOAD_TOO_LARGE", "UNSUPPORTED_MEDIA_TYPE")
ALWAYS = ("INTERNAL_ERROR", "SERVICE_UNAVAILABLE")


@dataclass(frozen=True)
class Parameter:
    """A query parameter."""

    name: str
    schema: dict[str, Any]


@dataclass(frozen=True)
class Operation:
    """What the document says of one route."""

    summary: str
    body: type[BaseModel] | None = None
    answer: type[BaseModel] | None = None
    text: str = ""
    """The media type of an answer that is no JSON."""
    status: int = 200
    errors: Sequence[str] = ()
    parameters: Sequence[Parameter] = ()
    open_to_all: bool = False
    refresh: bool = False
    roles: Sequence[str] = EVERYBODY
    also: dict[int, type[BaseModel]] = field(default_factory=dict)

    @property
    def all_errors(self) -> list[str]:
        """Every code that this route can answer with."""
        codes = [*self.errors, *ALWAYS]
        codes += [] if self.open_to_all else AUTH_ERRORS
        codes += BODY_ERRORS if self.body else ()
        return sorted(set(codes))


def describe(summary: str, **details: Any) -> Callable[[View], View]:
    """Attach an Operation to a route; its docstring becomes the description."""
    operation = Operation(summary, **details)

    def attach(view: View) -> View:
        view.operation = operation  # type: ignore[attr-defined]  # read back by `operations`
        return view

    return attach


def operations(app: Flask) -> list[tuple[str, str, Operation, str, str]]:
    """Every described route: path, method, operation, tag and description."""
    found = []
    for rule in app.url_map.iter_rules():
        view = app.view_functions[rule.endpoint]
        if (operation := getattr(view, "operation", None)) is not None:
            methods = sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})
            tag = rule.endpoint.partition(".")[0]
            found += [(rule.rule, method, operation, tag, view.__doc__ or "") for method in methods]
    return sorted(found, key=lambda item: item[:2])


@blueprint.get("/api/openapi.json")
def document() -> Response:
    """The document itself. It is built once: that takes long, and it never changes."""
    built = current_app.extensions.get(DOCUMENT)
    if built is None:
        built = current_app.extensions[DOCUMENT] = json.dumps(build_document(current_app), indent=1).encode()
    return json_response(built)


def build_document(app: Flask) -> dict[str, Any]:
    """The OpenAPI 3.1 document of an app."""
    paths: dict[str, Any] = {}
    for path, method, operation, tag, description in operations(app):
        name = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", path)
        paths.setdefault(name, {})[method.lower()] = {"tags": [tag], **_operation(name, operation, description)}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Fairboard",
            "version": "1",
            "description": "A self-hosted live leaderboard that is hard to climb by cheating. "
            "Errors are problem+json; switch on `code`.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "x-problems": [
            {"code": code, "status": error.status, "title": error.title, "detail": error.detail}
            for code, error in ALL_ERRORS.items()
        ],
        "components": {
            "schemas": _schemas(app),
            "securitySchemes": {
                "accessToken": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
                "refreshToken": {"type": "http", "scheme": "bearer", "description": "The refresh token."},
            },
        },
    }


def _operation(path: str, operation: Operation, description: str) -> dict[str, Any]:
    result: dict[str, Any] = {
        "operationId": re.sub(r"\W+", "_", f"{operation.summary}").strip("_").lower(),
        "summary": operation.summary,
        "description": " ".join(description.split()),
        "responses": {**_answers(operation), **_problems(operation.all_errors)},
        "security": _security(operation),
    }
    parameters = [{"name": p.name, "in": "query", "schema": p.schema} for p in operation.parameters]
    for name in re.findall(r"{(\w+)}", path):
        schema = {"type": "integer", "minimum": 0, "maximum": 2**53 - 1}
        parameters.append({"name": name, "in": "path", "required": True, "schema": schema})  # type: ignore[dict-item]
    if parameters:
        result["parameters"] = parameters
    if operation.body:
        result["requestBody"] = {"required": True, "content": _json(operation.body)}
    if result["security"]:
        result["x-roles"] = list(operation.roles)
    return result


def _security(operation: Operation) -> list[dict[str, list[str]]]:
    if operation.refresh:
        return [{"refreshToken": []}]
    return [] if operation.open_to_all else [{"accessToken": []}]


def _answers(operation: Operation) -> dict[str, Any]:
    answers: dict[str, Any] = {str(operation.status): {"description": operation.summary}}
    if operation.answer:
        answers[str(operation.status)]["content"] = _json(operation.answer)
    if operation.text:
        answers[str(operation.status)]["content"] = {operation.text: {"schema": {"type": "string"}}}
    for status, model in operation.also.items():
        answers[str(status)] = {"description": operation.summary, "content": _json(model)}
    return answers


def _problems(codes: Sequence[str]) -> dict[str, Any]:
    """One response per status, naming every code it can carry."""
    by_status: dict[int, list[str]] = {}
    for code in codes:
        by_status.setdefault(ALL_ERRORS[code].status, []).append(code)
    return {str(status): _problem(status, names) for status, names in sorted(by_status.items())}


def _problem(status: int, codes: Sequence[str]) -> dict[str, Any]:
    reference = {"$ref": REF.format(model="Problem")}
    schema = {"allOf": [reference, {"properties": {"code": {"enum": list(codes)}, "status": {"const": status}}}]}
    examples = {
        code: {
            "value": {
                "title": ALL_ERRORS[code].title,
                "status": status,
                "code": code,
                "detail": ALL_ERRORS[code].detail,
            }
        }
        for code in codes
    }
    result: dict[str, Any] = {
        "description": "; ".join(f"`{code}`: {ALL_ERRORS[code].title.lower()}" for code in codes),
        "content": {CONTENT_TYPE: {"schema": schema, "examples": examples}},
    }
    if status in (429, 503):
        seconds = {"type": "integer", "minimum": 0}
        result["headers"] = {"Retry-After": {"schema": seconds, "description": "Whole seconds to wait."}}
    return result


def _json(model: type[BaseModel]) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": REF.format(model=model.__name__)}}}


def _schemas(app: Flask) -> dict[str, Any]:
    models: set[type[BaseModel]] = {Problem}
    for _, _, operation, _, _ in operations(app):
        models |= {model for model in (operation.body, operation.answer, *operation.also.values()) if model}
    ordered = sorted(models, key=lambda model: model.__name__)
    _, schema = models_json_schema([(model, "validation") for model in ordered], ref_template=REF)
    return dict(sorted(schema["$defs"].items()))
