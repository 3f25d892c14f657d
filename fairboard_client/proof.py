"""The proof that goes with a timed completion.

It binds the claimed time and the data to one action token. It is no secret: whoever holds the token can compute it.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any


def canonical_json(value: Any) -> str:
    """JSON with sorted keys, no white space and non-ASCII unescaped. Raises ValueError for NaN and infinities."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def checksum(action_token: str, completion_time: int, data: Mapping[str, Any] | None = None) -> str:
    """The lower-case hex HMAC-SHA256 that `POST /api/actions/complete` expects; absent data counts as `{}`."""
    message = f"{completion_time}.{canonical_json(data or {})}"
    return hmac.new(action_token.encode("ascii"), message.encode(), hashlib.sha256).hexdigest()
