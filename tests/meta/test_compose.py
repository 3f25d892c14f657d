"""docker-compose.yml cannot run in the tests, so it is held against its specification and against `make cluster`.

The parts of `make cluster` are asked for once more, for places such as containers have. What comes out is what the file
has to say. What only Docker knows (images, networks, limits) is looked at on its own.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from importlib.resources import files
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from cli.embedded.identity import Identity
from cli.supervisor import Part
from deploy.local import topology
from deploy.local.places import BALANCER, LIVE, POSTGRES, PROMETHEUS, REDIS, SECRETS, SENTINELS, WEB, Places
from tests.processes import ROOT

SPECIFICATION = files("check_jsonschema") / "builtin_schemas" / "vendor" / "compose-spec.json"
PORTS = {"client": 2379, "peer": 2380, "sql": 5432, "rest": 8008}
PORTS |= dict.fromkeys((*REDIS, "broker"), 6379) | dict.fromkeys(SENTINELS, 26379)
PORTS |= dict.fromkeys((*WEB, *LIVE), 8000) | {"flower": 5555, "prometheus": 9090, "balancer": 8443}
HOMES = dict.fromkeys((*REDIS, *SENTINELS, "broker"), Path("/")) | {PROMETHEUS: Path("/prometheus")}
ONLY_DOCKER = {"prepare", "migrate", "grafana"}
"""Services without a process in `make cluster`: it does their work itself, or has no program for it."""
OF_CONTAINERS = {"FAIRBOARD_LOG_FORMAT", "FAIRBOARD_METRICS_NETWORKS", "FAIRBOARD_CDN"}
"""Settings that only containers have: how they log, from where they are watched, and who is in front."""
WITH_A_USER = ("prom/", "grafana/", "fairboard-postgres:")
"""Images that are not run as root by themselves; the last is made by our Dockerfile."""
DIFFERENT = {"VALKEY_SERVER", "FAIRBOARD_SITE", "FAIRBOARD_SNI", "CADDY_ADMIN", "PATRONI_POSTGRESQL_PGPASS"}
"""Settings that say where this machine has something."""


class ContainerPlaces(Places):
    """Names and paths as containers have them. Nothing is made."""

    def __init__(self) -> None:
        self.folder = Path("/var/lib/fairboard")
        self.secrets = {name: f"<{name}>" for name in SECRETS}
        self.written: dict[str, str] = {}

    def address(self, listener: str) -> str:
        name, _, kind = listener.partition("-")
        return f"{name}:{PORTS[kind or name]}"

    def listen(self, listener: str) -> str:
        return "0.0.0.0:" + self.address(listener).partition(":")[2]

    def home(self, name: str) -> tuple[Path, Identity | None]:
        return HOMES.get(name, self.folder), None

    def own_folder(self, name: str) -> Path:  # noqa: ARG002 -- each container has one
        return self.folder

    def program(self, name: str, find: Callable[[], Path]) -> Path:  # noqa: ARG002 -- an image has it
        return Path("/usr/lib/postgresql/18/bin") if name == "postgres" else Path(name)

    def make_folder(self, name: str, below: str) -> None:
        """An image has it."""

    def file(self, name: str, path: str) -> Path:  # noqa: ARG002 -- all see the same
        assert Path(ROOT, "deploy", path).exists()
        return Path("/etc", path)

    def write(self, name: str, file: str, text: str) -> Path:
        self.written[file] = text
        secret = "sentinel_auth" if name in SENTINELS else "valkey_auth"
        return Path("/run/secrets", secret) if file == "auth.conf" else Path("/etc", name, file)


PLACES = ContainerPlaces()
ALL = [*topology.server_parts(PLACES), *topology.own_parts(PLACES)]
OWN = [part for part in ALL if part.argv[0] in {"gunicorn", "celery"}]


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(Path(ROOT, "docker-compose.yml").read_text(encoding="utf-8"))
    return document


def is_secret(value: str) -> bool:
    return "<" in value


def by_default(value: str) -> str:
    """What `${NAME:-value}` means where nobody sets the name."""
    return re.sub(r"^\$\{\w+:-(.*)\}$", r"\1", value)


def memory(compose: dict[str, Any], name: str) -> int:
    """How many bytes a service may take."""
    limit = by_default(compose["services"][name]["deploy"]["resources"]["limits"]["memory"])
    return int(limit[:-1]) * {"M": 1 << 20, "G": 1 << 30}[limit[-1]]


def test_it_follows_the_compose_specification(compose: dict[str, Any]) -> None:
    schema = json.loads(SPECIFICATION.read_text(encoding="utf-8"))
    validator = jsonschema.validators.validator_for(schema)
    validator.check_schema(schema)
    assert [error.message for error in validator(schema).iter_errors(compose)] == []
    broken = compose | {"services": compose["services"] | {"web1": {"command": 1}}}
    assert [error.message for error in validator(schema).iter_errors(broken)] != []


def test_it_has_the_same_parts(compose: dict[str, Any]) -> None:
    assert set(compose["services"]) == {part.name for part in ALL} | ONLY_DOCKER


@pytest.mark.parametrize("part", ALL, ids=lambda part: part.name)
def test_each_part_starts_with_the_same_command(compose: dict[str, Any], part: Part) -> None:
    command = compose["services"][part.name]["command"]
    if part.name in POSTGRES:
        # There the passwords come from files, so a script starts the same Patroni.
        script = Path(ROOT, "deploy/patroni/start.sh").read_text()
        assert (command, script.splitlines()[-1]) == (["sh", "/etc/patroni/start.sh"], f"exec patroni {part.argv[-1]}")
    else:
        assert command == list(part.argv)


def test_no_image_puts_its_own_words_before_a_command(compose: dict[str, Any]) -> None:
    """Those of Prometheus name its program, which the command here names as well."""
    for name, service in compose["services"].items():
        assert ("entrypoint" in service) == service["image"].startswith("prom/"), name
        assert service.get("entrypoint", []) == [], name


@pytest.mark.parametrize("part", ALL, ids=lambda part: part.name)
def test_each_part_has_the_same_settings(compose: dict[str, Any], part: Part) -> None:
    service = compose["services"][part.name].get("environment", {})
    wanted = {name: value for name, value in part.environment.items() if name not in DIFFERENT}
    for name, value in wanted.items():
        if is_secret(value):
            assert name not in service, f"{name} of {part.name} belongs into a file"
        else:
            assert by_default(service[name]) == value, (part.name, name)


@pytest.mark.parametrize("part", OWN, ids=lambda part: part.name)
def test_fairboard_has_the_same_settings_everywhere(compose: dict[str, Any], part: Part) -> None:
    service = compose["services"][part.name]
    for name, value in topology.settings(PLACES).items():
        if name in {"FAIRBOARD_MIGRATION_DATABASE_URL", "FAIRBOARD_FLOWER_BASIC_AUTH"}:
            continue  # One part alone knows it.
        if is_secret(value):
            path = service["environment"][f"{name}_FILE"]
            own = name.removeprefix("FAIRBOARD_").lower()
            assert path == f"/run/secrets/{'database_url' if own == 'replica_url' else own}", "all nodes are in one"
            assert Path(path).name in service["secrets"]
        else:
            assert by_default(service["environment"][name]) == value, (part.name, name)


@pytest.mark.parametrize("part", ALL, ids=lambda part: part.name)
def test_no_part_has_settings_that_the_drills_know_nothing_of(compose: dict[str, Any], part: Part) -> None:
    known = {*part.environment, *topology.settings(PLACES), *OF_CONTAINERS}
    names = compose["services"][part.name].get("environment", {})
    assert [name for name in names if not {name, name.removesuffix("_FILE")} & known] == []


@pytest.mark.parametrize("part", OWN, ids=lambda part: part.name)
def test_each_line_of_the_log_has_its_date(compose: dict[str, Any], part: Part) -> None:
    assert by_default(compose["services"][part.name]["environment"]["FAIRBOARD_LOG_FORMAT"]) == "json"


def test_the_secrets_that_the_script_makes_are_those_that_are_read(compose: dict[str, Any], tmp_path: Path) -> None:
    script = tmp_path / "deploy" / "make-secrets.sh"
    script.parent.mkdir()
    script.write_text(Path(ROOT, "deploy/make-secrets.sh").read_text())
    subprocess.run(["/bin/sh", str(script)], check=True, capture_output=True)
    made = {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()}
    subprocess.run(["/bin/sh", str(script)], check=True, capture_output=True)
    assert made == {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()}, "kept"
    assert set(compose["secrets"]) <= set(made)
    assert (tmp_path / "secrets").stat().st_mode & 0o077 == 0
    passwords = {"POSTGRES_OWNER_PASSWORD", "POSTGRES_APP_PASSWORD", "REDIS_PASSWORD"}
    settings = topology.settings(_with({name: made[name.lower()] for name in passwords}))
    for name in ("database_url", "migration_database_url", "redis_url", "broker_url"):
        assert made[name] == settings[f"FAIRBOARD_{name.upper()}"]


def _with(secrets: dict[str, str]) -> Places:
    places = ContainerPlaces()
    places.secrets |= secrets
    return places


def test_prometheus_asks_every_web_server() -> None:
    assert json.loads(PLACES.written["targets.json"]) == json.loads(
        Path(ROOT, "deploy/prometheus/targets.json").read_text()
    )


def test_every_container_is_guarded(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        if name != "prepare":
            assert service.get("user", "") not in {"root", "0", "0:0"}, name
            assert "user" in service or service["image"].startswith(WITH_A_USER), name
            assert service["restart"] in {"unless-stopped", "on-failure:60"}, name


def test_the_image_of_postgresql_is_not_run_as_root() -> None:
    stages = Path(ROOT, "Dockerfile").read_text(encoding="utf-8").split("\nFROM ")
    (stage,) = [stage for stage in stages if stage.partition("\n")[0].endswith(" AS patroni")]
    assert re.findall(r"^USER (\S+)", stage, re.MULTILINE) == ["postgres"]


def test_what_is_mounted_in_memory_belongs_to_the_user_who_writes_there(compose: dict[str, Any]) -> None:
    """Docker gives such a folder to root, whoever owns it in the image, and root's own folders are closed."""
    (user,) = re.findall(r"useradd --uid (\d+)", Path(ROOT, "Dockerfile").read_text(encoding="utf-8"))
    development = yaml.safe_load(Path(ROOT, "docker-compose.dev.yml").read_text(encoding="utf-8"))
    services = [*compose["services"].values(), *development["services"].values()]
    mounts = {mount for service in services for mount in service.get("tmpfs", [])}
    open_to_all = {"/tmp", "/var/run/postgresql"}  # noqa: S108 -- in a container
    assert mounts - open_to_all == {f"/var/lib/fairboard:uid={user},gid={user},mode=0700"}


def test_redis_and_its_sentinels_need_no_names(compose: dict[str, Any]) -> None:
    """Docker forgets the name of a container that stopped, and the image waits five seconds for an answer."""
    (network,) = compose["networks"]["inner"]["ipam"]["config"]
    dynamic = ip_network(network["ip_range"])
    own = {name: compose["services"][name]["networks"]["inner"]["ipv4_address"] for name in (*REDIS, *SENTINELS)}
    assert len(set(own.values())) == len(own)
    for name, address in own.items():
        assert compose["services"][name]["extra_hosts"] == own
        assert ip_address(address) in ip_network(network["subnet"])
        assert ip_address(address) not in dynamic, "another container may have it"
    assert dynamic.num_addresses > 2 * len(compose["services"])


def test_every_part_has_limits_and_a_health_check(compose: dict[str, Any]) -> None:
    for part in ALL:
        service = compose["services"][part.name]
        assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory"}, part.name
        assert service["healthcheck"]["test"], part.name


def test_the_balancer_has_room_for_ten_thousand_sockets(compose: dict[str, Any]) -> None:
    """Besides its buffers, a socket with TLS takes about 50 KiB in Caddy."""
    text = Path(ROOT, "deploy/caddy/Caddyfile").read_text(encoding="utf-8")
    (buffer,) = re.findall(r"^\tstream_buffer_size (\d+)KiB$", text, re.MULTILINE)
    assert 10_000 * (2 * int(buffer) + 50) * 1024 < memory(compose, BALANCER) / 2


@pytest.mark.parametrize("name", [*REDIS, "broker"])
def test_redis_refuses_before_the_kernel_ends_it(compose: dict[str, Any], name: str) -> None:
    """A third of its container's memory is left for clients, replicas and a file that is written anew."""
    file = compose["services"][name]["environment"]["VALKEY_FILE"]
    text = Path(ROOT, "deploy/valkey", file).read_text(encoding="utf-8")
    (most,) = re.findall(r"^maxmemory (\d+)mb$", text, re.MULTILINE)
    assert int(most) << 20 < memory(compose, name) * 2 / 3


def test_web_processes_have_a_core_each(compose: dict[str, Any]) -> None:
    for name in (*WEB, *LIVE):
        service = compose["services"][name]
        cores = service["deploy"]["resources"]["limits"]["cpus"]
        assert cores == service["environment"]["FAIRBOARD_WEB_WORKERS"] == "${FAIRBOARD_WEB_WORKERS:-1}"


def test_whoever_is_waited_for_exists_and_has_a_health_check(compose: dict[str, Any]) -> None:
    services = compose["services"]
    for service in services.values():
        waited_for = service.get("depends_on", {})
        for name in waited_for:
            wanted = waited_for[name]["condition"] if isinstance(waited_for, dict) else "service_started"
            assert wanted != "service_healthy" or "healthcheck" in services[name], name


def test_images_are_pinned(compose: dict[str, Any]) -> None:
    own = {"fairboard", "fairboard-postgres"}
    for name, service in compose["services"].items():
        image, _, tag = service["image"].partition(":")
        assert image in own or tag.count(".") == 2, (name, service["image"])
        assert image not in own or tag == "${FAIRBOARD_VERSION:-latest}", (
            "an upgrade leaves the former one to go back to"
        )
    built = {service["image"].partition(":")[0] for service in compose["services"].values() if "build" in service}
    assert built == own


def test_only_the_balancer_is_open_to_the_world(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        if name != BALANCER:
            assert all(port.startswith("127.0.0.1:") for port in service.get("ports", [])), name
    assert compose["networks"]["inner"]["internal"] is True


def test_a_health_check_shows_no_password_to_whoever_lists_processes() -> None:
    for name in ("docker-compose.yml", "docker-compose.dev.yml"):
        for part, service in yaml.safe_load(Path(ROOT, name).read_text(encoding="utf-8"))["services"].items():
            (command,) = service.get("healthcheck", {}).get("test", [""])[-1:]
            assert not re.search(r"cli\b.* -a ", command), (name, part)
            assert "valkey-cli" not in command or command.startswith('REDISCLI_AUTH="$$'), (name, part)


def test_a_node_that_is_away_does_not_fill_the_primarys_disk() -> None:
    """Slots keep what a node has not received, by default without a limit."""
    patroni = yaml.safe_load(Path(ROOT, "deploy/patroni/patroni.yml").read_text(encoding="utf-8"))
    postgresql = patroni["bootstrap"]["dcs"]["postgresql"]
    assert postgresql["use_slots"]
    assert re.fullmatch(r"[1-9]\d*GB", postgresql["parameters"]["max_slot_wal_keep_size"])


def test_no_secret_stands_in_it(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        for variable, value in service.get("environment", {}).items():
            if any(word in variable for word in ("SECRET", "KEYS", "PASSWORD", "AUTH")) and "ANONYMOUS" not in variable:
                assert str(value).startswith("/run/secrets/"), (name, variable)
