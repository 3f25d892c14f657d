"""Settings, read once from the environment and checked at start.

Each field is the environment variable of the same name with the prefix `FAIRBOARD_`. What the environment leaves out is
looked up in `<data dir>/runtime.env`, which a running `fairboard up` writes, so that every command finds its servers.
A setting may stand in a file: FAIRBOARD_JWT_SECRET_FILE names the file of FAIRBOARD_JWT_SECRET.
"""

from __future__ import annotations

import hashlib
import os
import re
import shlex
from functools import lru_cache
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Literal

from cryptography.fernet import Fernet
from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

PREFIX = "FAIRBOARD_"
DEFAULT_DATA_DIR = ".fairboard"
CommaSeparated = Annotated[tuple[str, ...], NoDecode]


class SettingsError(Exception):
    """The settings are not usable; the message names each variable and what is wrong with it."""


class Settings(BaseSettings):
    """Everything that can be set. Times are in seconds where the name does not say otherwise."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", frozen=True, env_ignore_empty=True)

    database_url: str = Field(
        repr=False,
        description="PostgreSQL for the application; its role only needs `fairboard_app`. May name several nodes.",
    )
    migration_database_url: str = Field(
        "", repr=False, description="PostgreSQL as the owner of the schema, for `fairboard migrate`."
    )
    replica_url: str = Field(
        "", repr=False, description="PostgreSQL's standbys, for what may be read there; the primary where not set."
    )
    redis_url: str = Field(
        repr=False,
        description="Redis of the board, the limits, the sessions and the channel, or Sentinels that know it.",
    )
    broker_url: str = Field("", repr=False, description="Redis of the Celery queues; the board's Redis where not set.")
    jwt_secret: CommaSeparated = Field(
        repr=False, description="Keys of access and refresh tokens, comma-separated: the first signs, all are accepted."
    )
    token_keys: CommaSeparated = Field(
        repr=False, description="Fernet keys of action tokens, comma-separated: the first encrypts, all are accepted."
    )

    data_dir: Path = Field(Path(DEFAULT_DATA_DIR), description="Embedded servers' data, generated secrets and logs.")
    host: str = Field("127.0.0.1", description="Address that the web server listens on.")
    port: int = Field(8000, ge=1, le=65535, description="Port of the web server.")
    flower_port: int = Field(5555, ge=1, le=65535, description="Port of Flower.")
    flower_basic_auth: str = Field(
        "", repr=False, description="`user:password` that Flower asks for; nothing asks where empty."
    )
    web_workers: int = Field(2, ge=1, le=64, description="Gunicorn worker processes.")
    serves: Literal["all", "http", "sockets"] = Field(
        "all", description="What this web server is for, where a balancer keeps sockets apart."
    )
    drain_seconds: float = Field(
        0.0, ge=0, le=60, description="How long a web server that is to end goes on, saying so at `/healthz`."
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="Least severe line to log.")
    log_format: Literal["text", "json"] = Field("text", description="Lines for people, or one JSON object a line.")
    otlp_endpoint: str = Field(
        "", description="OpenTelemetry collector (OTLP over HTTP) that traces are sent to; none where empty."
    )

    access_token_seconds: int = Field(900, ge=5, le=86_400, description="Life of an access token.")
    refresh_token_seconds: int = Field(2_592_000, ge=60, description="Life of a session and its refresh tokens.")
    password_min_length: int = Field(8, ge=8, le=64, description="Least characters of a password.")
    auth_address_limit: int = Field(
        60,
        ge=0,
        description="Registrations, logins and new passwords a minute from one address, each; 0: any number.",
    )
    auth_name_limit: int = Field(
        10, ge=0, description="Failed logins a minute for one account name from one address; 0 turns it off."
    )
    trusted_proxies: int = Field(0, ge=0, le=10, description="Proxies in front whose X-Forwarded-For is believed.")
    hsts: str = Field(
        "max-age=31536000", description="Strict-Transport-Security of what is answered over TLS; 0 sends none."
    )
    metrics_networks: CommaSeparated = Field(
        ("127.0.0.0/8", "::1"), description="Networks that may ask for /metrics without a proxy in between."
    )
    metrics_token: str = Field("", repr=False, description="Bearer token that /metrics asks everybody for, where set.")
    allowed_origins: CommaSeparated = Field(
        (), description="Origins besides the server's own whose pages may call the API and `/ws`, comma-separated."
    )
    public_board: bool = Field(False, description="Whether the board can be read without an account.")
    sockets_per_player: int = Field(20, ge=1, description="WebSockets one player may hold open.")
    sockets_per_process: int = Field(
        12_000, ge=1, description="WebSockets one web process holds; whoever comes later is asked to try again."
    )
    io_uring: bool = Field(
        True, description="Whether frames go out through io_uring, many in one system call, where the kernel allows it."
    )
    strangers_per_address: int = Field(
        1_000,
        ge=0,
        description="WebSockets one process holds from one address that neither name a player nor watch a public "
        "board; 0 is no limit.",
    )
    analysis_window: int = Field(60, ge=1, le=3_600, description="Seconds between two analyses of one player.")

    database_pool_size: int = Field(10, ge=1, le=200, description="PostgreSQL connections of one web process.")
    database_deadline: float = Field(1.2, gt=0, le=60, description="Longest wait for PostgreSQL in a request.")
    redis_deadline: float = Field(0.8, gt=0, le=60, description="Longest wait for one answer of Redis in a request.")

    @field_validator("jwt_secret", "token_keys", "allowed_origins", "metrics_networks", mode="before")
    @classmethod
    def split_commas(cls, value: object) -> object:
        """Turn `a, b` into `("a", "b")`."""
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("jwt_secret")
    @classmethod
    def check_jwt_secret(cls, secrets: tuple[str, ...]) -> tuple[str, ...]:
        """HS256 wants at least 256 bits (RFC 8725, section 3.5)."""
        if not secrets or any(len(secret.encode()) < 32 for secret in secrets):
            raise ValueError("needs at least one secret, each of 32 bytes or more")
        return secrets

    @field_validator("allowed_origins")
    @classmethod
    def check_origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        """As browsers write them; what they would never send allows nobody, which is hard to find out."""
        written = tuple(origin.lower().removesuffix("/") for origin in origins)
        if not all(re.fullmatch(r"[a-z][a-z0-9+.-]*://[^/?#@\s]+", origin) for origin in written):
            raise ValueError("needs origins such as https://game.example, without a path")
        return written

    @field_validator("metrics_networks")
    @classmethod
    def check_networks(cls, networks: tuple[str, ...]) -> tuple[str, ...]:
        """As ipaddress reads them."""
        return tuple(str(ip_network(network)) for network in networks)

    @field_validator("metrics_token")
    @classmethod
    def check_metrics_token(cls, token: str) -> str:
        """A short one could be guessed, since nothing limits the guesses."""
        if token and not re.fullmatch(r"[\x21-\x7e]{24,}", token):
            raise ValueError("needs 24 printable ASCII characters or more, without spaces")
        return token

    @field_validator("hsts")
    @classmethod
    def check_hsts(cls, value: str) -> str:
        """RFC 6797, section 6.1. `0` stands for none, since an empty variable counts as not set."""
        if value in ("", "0"):
            return ""
        if not re.fullmatch(r"max-age=[0-9]+(; includeSubDomains)?(; preload)?", value):
            raise ValueError("needs a value such as max-age=31536000; includeSubDomains, or 0 for none")
        return value

    @field_validator("otlp_endpoint")
    @classmethod
    def check_endpoint(cls, url: str) -> str:
        """A collector that is never reached would be missed only when a trace is needed."""
        if url and not re.fullmatch(r"https?://[^/?#\s]+(/[^?#\s]*)?", url):
            raise ValueError("needs a URL such as http://collector:4318")
        return url

    @field_validator("token_keys")
    @classmethod
    def check_token_keys(cls, keys: tuple[str, ...]) -> tuple[str, ...]:
        """A bad Fernet key would otherwise fail at the first request."""
        if not keys:
            raise ValueError("needs at least one Fernet key")
        for key in keys:
            Fernet(key)
        return keys

    @field_validator("database_url", "migration_database_url", "replica_url")
    @classmethod
    def name_the_driver(cls, url: str) -> str:
        """SQLAlchemy 2.1 reads a bare `postgresql://` as psycopg 3."""
        scheme, separator, rest = url.partition("://")
        return f"postgresql+psycopg2://{rest}" if separator and scheme in ("postgresql", "postgres") else url

    @field_validator("database_url", "migration_database_url", "replica_url")
    @classmethod
    def check_database(cls, url: str) -> str:
        """One without a scheme would otherwise fail wherever it is used first."""
        if url and not re.match(r"postgresql\+psycopg2://[^/]*/\w", url):
            raise ValueError("has to be as in postgresql://name:password@host:5432/database")
        return url

    @field_validator("redis_url", "broker_url")
    @classmethod
    def check_redis(cls, url: str) -> str:
        """As `services.redis_client.make_redis` reads it."""
        if not url or url.startswith(("redis://", "rediss://", "unix://")):
            return url
        nodes = r"([^/]*@)?[^/@,]+:\d+(,[^/@,]+:\d+)*"
        if re.fullmatch(rf"redis\+cluster://{nodes}(/.*)?|redis\+sentinel://{nodes}/\d*\?.*\bmaster=.+", url):
            return url
        raise ValueError("has to be as in redis://:password@host:6379/0 or redis+sentinel://host:26379/0?master=board")

    @model_validator(mode="after")
    def have_a_broker(self) -> Settings:
        """Celery needs one Redis, which is the board's only where that is one."""
        if "+" in self.celery_url.partition("://")[0]:
            raise ValueError("FAIRBOARD_BROKER_URL has to be one plain Redis; Sentinels and clusters are for the board")
        return self

    @model_validator(mode="after")
    def separate_keys(self) -> Settings:
        """One leaked key must not open both kinds of token."""
        if set(self.jwt_secret) & set(self.token_keys):
            raise ValueError("FAIRBOARD_JWT_SECRET and FAIRBOARD_TOKEN_KEYS must not share a key")
        return self

    @property
    def owner_url(self) -> str:
        """The database as its owner, for migrations."""
        return self.migration_database_url or self.database_url

    @property
    def celery_url(self) -> str:
        """The broker that Celery uses."""
        return self.broker_url or self.redis_url

    def jwt_key_id(self, secret: str) -> str:
        """The `kid` of a secret: enough of its hash to tell keys apart, too little to help a guesser."""
        return hashlib.sha256(b"fairboard jwt kid " + secret.encode()).hexdigest()[:8]


def runtime_file() -> Path:
    """Where a running `fairboard up` tells the other commands its settings."""
    return Path(os.environ.get(f"{PREFIX}DATA_DIR") or DEFAULT_DATA_DIR) / "runtime.env"


def explain(error: ValidationError) -> str:
    """One line per bad setting, with its variable's name and never its value."""
    lines = []
    for item in error.errors(include_input=False, include_url=False):
        name = PREFIX + str(item["loc"][0]).upper() if item["loc"] else "settings"
        message = "is not set; set it, or start `fairboard up` first" if item["type"] == "missing" else item["msg"]
        lines.append(f"{name}: {message}")
    return "\n".join(lines)


def from_files() -> dict[str, str]:
    """Settings that stand in files, as container platforms hand out secrets: FAIRBOARD_X_FILE names the file of X."""
    found = {}
    for field in Settings.model_fields:
        name = PREFIX + field.upper()
        path = os.environ.get(f"{name}_FILE")
        if path and not os.environ.get(name):
            try:
                text = Path(path).read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                raise SettingsError(f"{name}_FILE: {path} cannot be read ({type(error).__name__})") from None
            if text:  # An empty value counts as not set, wherever it stands.
                found[field] = text
    return found


def from_runtime_file() -> dict[str, str]:
    """Settings that a running `fairboard up` has written, as a shell reads them, and the environment leaves out."""
    try:
        words = shlex.split(runtime_file().read_text(encoding="utf-8"), comments=True)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except ValueError as error:
        raise SettingsError(f"{runtime_file()} cannot be read ({error}); start `fairboard up` anew") from None
    written = dict(word.split("=", 1) for word in words if "=" in word)
    given = {name.upper() for name, value in os.environ.items() if value}
    names = {PREFIX + field.upper(): field for field in Settings.model_fields}
    return {field: written[name] for name, field in names.items() if written.get(name) and name not in given}


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """The settings of this process. Raises SettingsError that names every variable that is missing or wrong."""
    try:
        return Settings(**from_runtime_file() | from_files())  # type: ignore[arg-type]  # pydantic checks the types
    except ValidationError as error:
        raise SettingsError(explain(error)) from None
    except OSError as error:
        raise SettingsError(f"{error.filename} cannot be read ({error.strerror})") from None
