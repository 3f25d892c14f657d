"""docker-compose.dev.yml cannot run in the tests, so it is held against its specification and `fairboard up`."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from cli.parts import PARTS
from tests.processes import ROOT

SPECIFICATION = files("check_jsonschema") / "builtin_schemas" / "vendor" / "compose-spec.json"


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(Path(ROOT, "docker-compose.dev.yml").read_text(encoding="utf-8"))
    return document


def test_it_follows_the_compose_specification(compose: dict[str, Any]) -> None:
    schema = json.loads(SPECIFICATION.read_text(encoding="utf-8"))
    validator = jsonschema.validators.validator_for(schema)
    validator.check_schema(schema)
    assert [error.message for error in validator(schema).iter_errors(compose)] == []
    broken = compose | {"services": compose["services"] | {"web": {"command": 1}}}
    assert [error.message for error in validator(schema).iter_errors(broken)] != []


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.name)
def test_each_part_starts_with_the_same_command(compose: dict[str, Any], part: Any) -> None:
    service = compose["services"][part.name]
    settings = service["environment"]
    values = {
        "data_dir": settings["FAIRBOARD_DATA_DIR"],
        "flower_port": settings["FAIRBOARD_FLOWER_PORT"],
        "host": settings["FAIRBOARD_HOST"],
    }
    assert service["command"] == list(part.filled(values).argv)


def test_it_starts_the_whole_system_from_one_image(compose: dict[str, Any]) -> None:
    services = compose["services"]
    ours = {name for name, service in services.items() if service.get("image") == "fairboard"}
    assert ours == {part.name for part in PARTS} | {"migrate"}
    assert {"postgres", "redis"} <= set(services)
    assert [name for name, service in services.items() if "build" in service] == ["migrate"]


def test_whoever_is_waited_for_exists_and_has_a_health_check(compose: dict[str, Any]) -> None:
    services = compose["services"]
    for service in services.values():
        for name, wanted in service.get("depends_on", {}).items():
            assert wanted["condition"] != "service_healthy" or "healthcheck" in services[name], name


def test_no_secret_stands_in_it(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        for variable, value in service.get("environment", {}).items():
            if any(word in variable for word in ("SECRET", "KEYS", "PASSWORD", "AUTH")):
                assert value.startswith("${"), (name, variable)


def test_logs_are_limited_as_in_production(compose: dict[str, Any]) -> None:
    production = yaml.safe_load(Path(ROOT, "docker-compose.yml").read_text(encoding="utf-8"))
    for name, service in compose["services"].items():
        assert service["logging"] == production["services"]["web1"]["logging"], name
