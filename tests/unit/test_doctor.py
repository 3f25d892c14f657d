"""What `fairboard doctor` finds without any server."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner

from cli.doctor import check_names, check_secrets, doctor
from config.settings import Settings, get_settings
from services import checkup

STRONG = "kX93jf-Q0_zmVb72hLtRcYwA58sNgDuE4pTi61oM"
GOOD: dict[str, Any] = {
    "database_url": "postgresql://nobody@127.0.0.1:9/none",
    "redis_url": "redis://:word@127.0.0.1:9/0",
    "jwt_secret": STRONG,
    "token_keys": "q3Vn0mT8yPdK5xRbW2cJ7hLsF9aZeUgNoIi4wXvQkYE=",
}


def settings(**changes: Any) -> Settings:
    return Settings(_env_file=None, **GOOD | changes)


@pytest.mark.parametrize(
    ("changes", "level"),
    [
        ({}, "ok"),
        ({"jwt_secret": "a" * 40}, "fail"),
        ({"jwt_secret": STRONG + ",my-Secret-of-many-letters-1234567890"}, "fail"),
        ({"token_keys": "A" * 43 + "="}, "fail"),
        ({"metrics_token": "changeme-changeme-changeme-"}, "fail"),
        ({"redis_url": "redis://127.0.0.1:9/0"}, "warn"),
    ],
)
def test_secrets_that_were_typed_rather_than_drawn(changes: dict[str, Any], level: str) -> None:
    found = check_secrets(settings(**changes))
    assert found.level == level
    assert not [value for value in (STRONG, *changes.values()) if value in str(found)]


def test_a_variable_that_nothing_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAIRBOARD_JWT_SECRET_FILE", "/run/secrets/jwt_secret")
    assert check_names().level == "ok"
    monkeypatch.setenv("FAIRBOARD_PROT", "8001")
    assert check_names().level == "warn"
    assert "FAIRBOARD_PROT (meant: FAIRBOARD_PORT?)" in check_names().said


def test_settings_that_are_not_usable_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    get_settings.cache_clear()
    monkeypatch.setenv("FAIRBOARD_DATA_DIR", str(tmp_path))
    done = CliRunner().invoke(doctor)
    assert done.exit_code == 2
    assert "FAIRBOARD_DATABASE_URL" in done.output
    get_settings.cache_clear()


@pytest.mark.parametrize(("free", "level"), [(50, "ok"), (5, "warn"), (1, "fail")])
def test_a_disk_that_fills(monkeypatch: pytest.MonkeyPatch, free: int, level: str) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=free * 2**30, total=100 * 2**30))
    assert checkup.disk_of(settings()).level == level


def test_whose_disk_it_is(tmp_path: Path) -> None:
    unseen = "PostgreSQL's own disk is not seen from here"
    assert unseen in checkup.disk_of(settings(data_dir=tmp_path)).said
    (tmp_path / "postgres").mkdir()
    assert unseen not in checkup.disk_of(settings(data_dir=tmp_path)).said
    assert checkup.disk_of(settings(data_dir=tmp_path)).said.endswith(f"at {tmp_path / 'postgres'}")
