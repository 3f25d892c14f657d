"""The code below is imported here, and some of it wants settings when it is."""

from __future__ import annotations

import os

NOWHERE = {
    "FAIRBOARD_DATABASE_URL": "postgresql://nobody@127.0.0.1:9/none",
    "FAIRBOARD_REDIS_URL": "redis://127.0.0.1:9/0",
    "FAIRBOARD_JWT_SECRET": "x" * 40,
    "FAIRBOARD_TOKEN_KEYS": "A" * 43 + "=",
}
for name, value in NOWHERE.items():
    os.environ.setdefault(name, value)
