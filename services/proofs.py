"""The proof of a completion: a checksum that binds what the client claims to its action token.

It is no secret: whoever holds the token can compute it. It catches claims that were changed on the way, and clients
that make them up without playing.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any, Self


class NumberLiteral(float):
    """A number with a fraction or an exponent that keeps the way it was written: languages print floats differently."""

    literal: str

    def __new__(cls, literal: str) -> Self:
        """Raises ValueError for a literal beyond the range of a double, such as 1e400."""
        number = super().__new__(cls, literal)
        if number in (float("inf"), float("-inf")):
            raise ValueError("a number is out of range")
        number.literal = literal
        return number


def canonical_json(value: Any) -> str:
    """JSON with sorted keys, no white space and non-ASCII unescaped; numbers as they were sent."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{_string(key)}:{canonical_json(value[key])}" for key in sorted(value)) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(canonical_json, value)) + "]"
    if isinstance(value, NumberLiteral):
        return value.literal
    return json.dumps(value, ensure_ascii=False)


def checksum(action_token: str, completion_time: int, data: dict[str, Any]) -> str:
    """Lower-case hex of HMAC-SHA256 over `<completionTime>.<canonical JSON>`, keyed by the token's ASCII bytes."""
    message = f"{completion_time}.{canonical_json(data) if data else '{}'}"
    return hmac.new(action_token.encode("ascii"), message.encode(), hashlib.sha256).hexdigest()


def matches(expected: str, given: str) -> bool:
    """Compare two checksums in constant time."""
    return hmac.compare_digest(expected.encode(), given.encode())


def _string(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
