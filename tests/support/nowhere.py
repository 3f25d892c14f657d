"""Settings of an application whose servers are nowhere, for tests that need none."""

from __future__ import annotations

from typing import Any

from config.settings import PREFIX, Settings

NOWHERE: dict[str, Any] = {
    "database_url": "postgresql://nobody@127.0.0.1:9/none",
    "redis_url": "redis://127.0.0.1:9/0",
    "jwt_secret": "x" * 40,
    "token_keys": "A" * 43 + "=",
}
ENVIRONMENT: dict[str, str] = {PREFIX + name.upper(): value for name, value in NOWHERE.items()}
"""The same as variables."""


def settings(**changes: Any) -> Settings:
    """They as Settings, with changes."""
    return Settings(_env_file=None, **NOWHERE | changes)
