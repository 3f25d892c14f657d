"""Settings: each is checked at start, errors name the variable and never its value, and the environment comes first."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import ValidationError

from cli.address import web_url
from cli.data_dir import DataDir
from config.settings import Settings, SettingsError, get_settings

KEY, OTHER_KEY = "hYm0tXc0oI3l1b5k0bMAdMW7A1m7qiPdSFD-UyrKQY4=", "zHxZ3cW2x9wTn3xO0pJ1mHn0w3T0yq0vQwJ0b4gq0nE="
SECRET = "a secret of thirty-two bytes or more"
REQUIRED = {
    "FAIRBOARD_DATABASE_URL": "postgresql://app:hush-hush@db/fairboard",
    "FAIRBOARD_REDIS_URL": "redis://:hush-hush@redis:6379/0",
    "FAIRBOARD_JWT_SECRET": SECRET,
    "FAIRBOARD_TOKEN_KEYS": KEY,
}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """All that is required, and an empty data folder."""
    for name, value in {**REQUIRED, "FAIRBOARD_DATA_DIR": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    get_settings.cache_clear()
    yield
    get_settings.cache_clear()


def read(monkeypatch: pytest.MonkeyPatch, **variables: str) -> Settings:
    for name, value in variables.items():
        monkeypatch.setenv(f"FAIRBOARD_{name}", value)
    return get_settings()


def error(monkeypatch: pytest.MonkeyPatch, **variables: str) -> str:
    with pytest.raises(SettingsError) as caught:
        read(monkeypatch, **variables)
    return str(caught.value)


def test_the_defaults_are_those_of_the_documents() -> None:
    settings = get_settings()
    assert (settings.host, settings.port, settings.flower_port) == ("127.0.0.1", 8000, 5555)
    assert (settings.auth_address_limit, settings.sockets_per_player, settings.public_board) == (60, 20, False)
    assert settings.celery_url == settings.redis_url
    assert settings.owner_url == settings.database_url


@pytest.mark.parametrize("name", sorted(REQUIRED))
@pytest.mark.parametrize("empty", [True, False])
def test_a_missing_secret_is_an_error_that_names_it(monkeypatch: pytest.MonkeyPatch, name: str, empty: bool) -> None:
    if empty:
        monkeypatch.setenv(name, "")
    else:
        monkeypatch.delenv(name)
    assert error(monkeypatch).startswith(f"{name}: is not set")


def test_everything_that_is_missing_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in REQUIRED:
        monkeypatch.delenv(name)
    assert {line.partition(":")[0] for line in error(monkeypatch).splitlines()} == set(REQUIRED)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("JWT_SECRET", "thirty-one bytes are not enough"),
        ("JWT_SECRET", SECRET + ",too short"),
        ("JWT_SECRET", ","),
        ("TOKEN_KEYS", "hush"),
        ("TOKEN_KEYS", f"{KEY},hush"),
        ("TOKEN_KEYS", KEY[:-4]),
        ("TOKEN_KEYS", " , "),
        ("PORT", "0"),
        ("PORT", "65536"),
        ("PORT", "eighty"),
        ("WEB_WORKERS", "0"),
        ("LOG_LEVEL", "LOUD"),
        ("PUBLIC_BOARD", "perhaps"),
        ("AUTH_ADDRESS_LIMIT", "-1"),
        ("ACCESS_TOKEN_SECONDS", "4"),
        ("PASSWORD_MIN_LENGTH", "7"),
        ("TRUSTED_PROXIES", "-1"),
        ("DATABASE_DEADLINE", "0"),
        ("REDIS_DEADLINE", "nan"),
        ("SOCKETS_PER_PLAYER", "0"),
        ("ALLOWED_ORIGINS", "*"),
        ("ALLOWED_ORIGINS", "other.test"),
        ("ALLOWED_ORIGINS", "https://other.test/path"),
        ("DATABASE_URL", "db.example:5432/fairboard"),
        ("DATABASE_URL", "postgresql://app:hush@db.example:5432"),
        ("REPLICA_URL", "mysql://app:hush@db.example/fairboard"),
        ("REDIS_URL", "redis.example:6379"),
        ("REDIS_URL", "redis+sentinel://:hush@one,two/0?master=board"),
        ("REDIS_URL", "redis+sentinel://:hush@one:26379,two:26379/0"),
        ("BROKER_URL", "amqp://hush@rabbit.example"),
    ],
)
def test_a_bad_setting_is_named_and_its_value_is_not_shown(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    message = error(monkeypatch, **{name: value})
    assert message.startswith(f"FAIRBOARD_{name}: ")
    for secret in [value, *value.split(","), *REQUIRED.values(), "hush-hush"]:
        assert len(secret) < 4 or secret not in message


def test_the_two_kinds_of_keys_must_not_be_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    message = error(monkeypatch, JWT_SECRET=f"{SECRET},{KEY}")
    assert "FAIRBOARD_JWT_SECRET and FAIRBOARD_TOKEN_KEYS must not share a key" in message
    assert KEY not in message


def test_the_chain_of_the_error_shows_no_value_either(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAIRBOARD_JWT_SECRET", "hush-hush")
    with pytest.raises(SettingsError) as caught:
        get_settings()
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_settings_do_not_show_their_secrets_when_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = repr(read(monkeypatch, TOKEN_KEYS=f"{KEY},{OTHER_KEY}", FLOWER_BASIC_AUTH="user:hush-hush"))
    for secret in (SECRET, KEY, OTHER_KEY, "hush-hush"):
        assert secret not in shown


def test_keys_are_a_list_and_the_first_is_the_one_to_use(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = read(monkeypatch, TOKEN_KEYS=f" {KEY} , {OTHER_KEY} ", JWT_SECRET=f"{SECRET},{SECRET}2")
    assert settings.token_keys == (KEY, OTHER_KEY)
    assert settings.jwt_secret == (SECRET, SECRET + "2")
    assert settings.jwt_key_id(SECRET) != settings.jwt_key_id(SECRET + "2")
    assert SECRET[:6] not in settings.jwt_key_id(SECRET)


def test_origins_are_as_browsers_write_them(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = read(monkeypatch, ALLOWED_ORIGINS="https://Game.example/, http://localhost:3000")
    assert settings.allowed_origins == ("https://game.example", "http://localhost:3000")


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg2"])
def test_the_database_driver_is_named(monkeypatch: pytest.MonkeyPatch, scheme: str) -> None:
    settings = read(monkeypatch, DATABASE_URL=f"{scheme}://a@b/c", MIGRATION_DATABASE_URL=f"{scheme}://o@b/c")
    assert (settings.database_url, settings.owner_url) == ("postgresql+psycopg2://a@b/c", "postgresql+psycopg2://o@b/c")


def test_what_the_environment_leaves_out_comes_from_runtime_env(monkeypatch: pytest.MonkeyPatch) -> None:
    DataDir().publish({**REQUIRED, "FAIRBOARD_PORT": "8123", "FAIRBOARD_FLOWER_PORT": "5123"})
    for name in REQUIRED:
        monkeypatch.delenv(name)
    settings = read(monkeypatch, PORT="9000")
    assert (settings.port, settings.flower_port, settings.jwt_secret) == (9000, 5123, (SECRET,))


@pytest.mark.parametrize("password", ["it's", "${HOME}", "$HOME", 'a"b', "a\\b", "a#b", "a b", "a=b", "`id`"])
def test_any_password_is_read_from_runtime_env_and_by_a_shell(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, password: str
) -> None:
    url = f"redis://:{password}@redis:6379/0"
    monkeypatch.delenv("FAIRBOARD_REDIS_URL")
    DataDir().publish({"FAIRBOARD_REDIS_URL": url})
    assert get_settings().redis_url == url
    read_it = '. "$1"; printf %s "$FAIRBOARD_REDIS_URL"'
    shell = subprocess.run(
        ["/bin/sh", "-c", read_it, "sh", str(tmp_path / "runtime.env")], capture_output=True, text=True, check=True
    )
    assert shell.stdout == url


def test_a_runtime_file_that_somebody_has_broken_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "runtime.env").write_text("FAIRBOARD_PORT='8123\n")
    assert error(monkeypatch).endswith("runtime.env cannot be read (No closing quotation); start `fairboard up` anew")


def test_the_environment_comes_first_however_its_names_are_written(monkeypatch: pytest.MonkeyPatch) -> None:
    DataDir().publish({"FAIRBOARD_PORT": "8123"})
    monkeypatch.setenv("fairboard_port", "9000")
    assert get_settings().port == 9000


def test_a_host_that_was_left_empty_is_the_usual_one(monkeypatch: pytest.MonkeyPatch) -> None:
    DataDir().publish({"FAIRBOARD_HOST": "", "FAIRBOARD_PORT": "8123"})
    assert web_url() == "http://127.0.0.1:8123"


def test_variables_of_others_are_none_of_our_business(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "1")
    monkeypatch.setenv("FAIRBOARD_SOMETHING_ELSE", "x")
    assert get_settings().port == 8000


def test_settings_are_not_changed_later() -> None:
    with pytest.raises(ValidationError):
        get_settings().port = 1  # type: ignore[misc]  # what mypy forbids is what is shown


def test_a_setting_may_stand_in_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "jwt"
    file.write_text(SECRET[::-1] + "\n")
    monkeypatch.delenv("FAIRBOARD_JWT_SECRET")
    assert read(monkeypatch, JWT_SECRET_FILE=str(file)).jwt_secret == (SECRET[::-1],)


def test_the_environment_itself_goes_before_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "jwt").write_text("too short to be taken")
    assert read(monkeypatch, JWT_SECRET_FILE=str(tmp_path / "jwt")).jwt_secret == (SECRET,)


def test_a_file_that_cannot_be_read_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("FAIRBOARD_JWT_SECRET")
    message = error(monkeypatch, JWT_SECRET_FILE=str(tmp_path / "absent"))
    assert message.startswith("FAIRBOARD_JWT_SECRET_FILE: ")
    assert str(tmp_path / "absent") in message


def test_an_empty_file_sets_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "redis").write_text("\n")
    monkeypatch.delenv("FAIRBOARD_REDIS_URL")
    assert error(monkeypatch, REDIS_URL_FILE=str(tmp_path / "redis")).startswith("FAIRBOARD_REDIS_URL: is not set")


@pytest.mark.parametrize(
    "url", ["redis+sentinel://:hush@one:26379,two:26379/0?master=board", "redis+cluster://:hush@one:6379,two:6379"]
)
def test_sentinels_and_clusters_are_for_the_board_alone(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    assert "FAIRBOARD_BROKER_URL has to be one plain Redis" in error(monkeypatch, REDIS_URL=url)
    assert read(monkeypatch, BROKER_URL="redis://broker:6379/0").redis_url == url


def test_a_runtime_file_of_somebody_else_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> Path:
        raise PermissionError(13, "Permission denied", "runtime.env")

    monkeypatch.setattr("config.settings.runtime_file", refuse)
    assert error(monkeypatch) == "runtime.env cannot be read (Permission denied)"


def test_several_nodes_of_postgresql_are_one_url(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = read(monkeypatch, DATABASE_URL="postgresql://app:hush@one:5432,two:5433/fairboard")
    assert settings.database_url == "postgresql+psycopg2://app:hush@one:5432,two:5433/fairboard"
