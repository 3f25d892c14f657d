"""Action tokens of the server's own making that no PostgreSQL has to know, for what only opens them."""

from __future__ import annotations

import json
import secrets
import time

from services.resources import Resources


def seal(resources: Resources, user_id: int, action_type: str, **changes: object) -> str:
    """A token as `services.action_tokens.issue` makes it."""
    payload = {
        "userId": user_id,
        "actionType": action_type,
        "timestamp": int(time.time() * 1000),
        "nonce": secrets.token_hex(16),
    }
    return resources.fernet.encrypt(json.dumps(payload | changes).encode()).decode()
