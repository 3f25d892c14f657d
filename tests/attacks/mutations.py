"""Tokens that are nearly right: genuine ones with letters changed, cut, moved and spliced, and forged ones."""

from __future__ import annotations

import base64
import json
import random
import string
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import jwt
from cryptography.fernet import Fernet

from config.settings import Settings
from services import action_tokens
from services.errors import FairboardError
from services.resources import Resources
from tests.attacks.outcome import Clock, Outcome
from tests.support import nowhere
from tests.support.tokens import seal
from web.app import create_app
from web.tokens import make_tokens, read_access_token, read_refresh_token

LETTERS = string.ascii_letters + string.digits + "-_"
STRANGE = "!+/=.~ \n\t\0\x7f\xe9☃\U0001f680"
Mutator = Callable[[random.Random, str, str], str]
Reader = Callable[[str], object]


def _flip(chance: random.Random, token: str, _: str) -> str:
    at = chance.randrange(len(token))
    return token[:at] + chance.choice(LETTERS) + token[at + 1 :]


def _flip_case(chance: random.Random, token: str, _: str) -> str:
    at = chance.randrange(len(token))
    return token[:at] + token[at].swapcase() + token[at + 1 :]


def _insert(chance: random.Random, token: str, _: str) -> str:
    at = chance.randrange(len(token) + 1)
    return token[:at] + chance.choice(LETTERS + STRANGE) + token[at:]


def _delete(chance: random.Random, token: str, _: str) -> str:
    at = chance.randrange(len(token))
    return token[:at] + token[at + chance.randint(1, 8) :]


def _swap(chance: random.Random, token: str, _: str) -> str:
    at, to = sorted(chance.sample(range(len(token)), 2))
    return token[:at] + token[to] + token[at + 1 : to] + token[at] + token[to + 1 :]


def _cut(chance: random.Random, token: str, _: str) -> str:
    return token[: chance.randrange(len(token))]


def _repeat(chance: random.Random, token: str, _: str) -> str:
    at = chance.randrange(len(token))
    return token[:at] + token[at : at + chance.randint(1, 16)] + token[at:]


def _splice(chance: random.Random, token: str, other: str) -> str:
    at = chance.randrange(1, len(token))
    return token[:at] + other[at:]


def _swap_parts(chance: random.Random, token: str, other: str) -> str:
    parts, others = token.split("."), other.split(".")
    at = chance.randrange(len(parts))
    return ".".join([*parts[:at], others[min(at, len(others) - 1)], *parts[at + 1 :]])


def _flip_bits(chance: random.Random, token: str, _: str) -> str:
    """In what the letters stand for, so that the spelling stays good."""
    parts = token.split(".")
    at = chance.randrange(len(parts))
    padding = "=" * (-len(parts[at]) % 4)
    raw = bytearray(base64.urlsafe_b64decode(parts[at] + padding))
    for _count in range(chance.randint(1, 3)):
        raw[chance.randrange(len(raw))] ^= 1 << chance.randrange(8)
    written = base64.urlsafe_b64encode(bytes(raw)).decode()
    parts[at] = written if padding or "." not in token else written.rstrip("=")
    return ".".join(parts if len(parts) == 1 else [part.rstrip("=") for part in parts])


MUTATORS: tuple[Mutator, ...] = (
    *(_flip, _flip_case, _insert, _delete, _swap, _cut, _repeat, _splice, _swap_parts, _flip_bits),
)


def mutants(chance: random.Random, genuine: list[str]) -> Iterator[tuple[str, str]]:
    """Tokens without end, of which none is a genuine one or as one before it, each with what was done to it."""
    known = set(genuine)
    while True:
        mutator = chance.choice(MUTATORS)
        token, other = chance.sample(genuine, 2)
        mutant = mutator(chance, token, other)
        if mutant not in known:
            known.add(mutant)
            yield mutator.__name__, mutant


def settings_nowhere() -> Settings:
    """Settings whose servers are not there: opening a token needs none."""
    return nowhere.settings(jwt_secret=uuid.uuid4().hex * 2, token_keys=Fernet.generate_key().decode())


def access_tokens(tries: int, seed: int = 1) -> Outcome:
    """Mutations of access and refresh tokens against the reader of both."""
    clock, chance, settings = Clock(), random.Random(seed), settings_nowhere()
    with create_app(settings).app_context():
        genuine = [token for user in range(1, 33) for token in make_tokens(user, uuid.uuid4(), uuid.uuid4())]
        accepted = _accepted(chance, genuine, tries, read_access_token, read_refresh_token)
        accepted += _accepted_forgeries(settings, genuine)
    return _report("mutated access and refresh tokens", tries, accepted, clock)


def tokens_of_actions(tries: int, seed: int = 2) -> Outcome:
    """Mutations of action tokens against their opener, for the player they were made for."""
    clock, chance, settings = Clock(), random.Random(seed), settings_nowhere()
    own = Resources(settings, _catalogue(), 1.0, 1.0)
    genuine = [seal(own, 7, "reaction") for _ in range(64)]
    accepted = _accepted(chance, genuine, tries, lambda token: action_tokens.open_token(own, token, 7))
    return _report("mutated action tokens", tries, accepted, clock)


def _accepted(chance: random.Random, genuine: list[str], tries: int, *readers: Reader) -> Counter[str]:
    """How many mutants were read, by what was done to them."""
    accepted: Counter[str] = Counter()
    for name, mutant in islice(mutants(chance, genuine), tries):
        accepted[name] += any(_reads(reader, mutant) for reader in readers)
    return +accepted


def _accepted_forgeries(settings: Settings, genuine: list[str]) -> Counter[str]:
    """Algorithm confusion, `none`, other keys and audiences, and each kind of token in place of the other."""
    forged = forgeries(settings, genuine[0])
    accepted = Counter(
        {name: _reads(read_access_token, token) + _reads(read_refresh_token, token) for name, token in forged.items()}
    )
    access, refresh = genuine[0], genuine[1]
    accepted.update({"refresh as access": _reads(read_access_token, refresh)})
    accepted.update({"access as refresh": _reads(read_refresh_token, access)})
    return +accepted


def _reads(reader: Reader, token: str) -> int:
    """1 where a token is accepted. Anything but a refusal of ours ends the run."""
    try:
        reader(token)
    except FairboardError:
        return 0
    return 1


def forgeries(settings: Settings, token: str) -> dict[str, str]:
    """Tokens made from what a player can read in their own."""
    claims = jwt.decode(token, options={"verify_signature": False})
    kid = {"kid": settings.jwt_key_id(settings.jwt_secret[0])}
    key = settings.jwt_secret[0]
    body, tail = token.split(".")[1:]
    made = {
        f"alg {name}": f"{_part({'alg': name, 'typ': 'JWT', **kid})}.{body}.{signature}"
        for name in ("none", "None", "NONE", "nOnE", "", "RS256", "ES256", "PS256", "EdDSA", "HS384", "HS512")
        for signature in ("", tail)
    }
    made |= {
        "kid as key": jwt.encode(claims, kid["kid"] * 8, headers=kid),
        "an empty key": jwt.encode(claims, "\0" * 32, headers=kid),
        "HS384 by our key": jwt.encode(claims, key, algorithm="HS384", headers=kid),
        "HS512 by our key": jwt.encode(claims, key, algorithm="HS512", headers=kid),
        "another issuer": jwt.encode(claims | {"iss": "evil"}, key, headers=kid),
        "another audience": jwt.encode(claims | {"aud": "evil"}, key, headers=kid),
        "a list of audiences": jwt.encode(claims | {"aud": ["evil"]}, key, headers=kid),
        "another type": jwt.encode(claims | {"type": "admin"}, key, headers=kid),
        "expired": jwt.encode(claims | {"exp": 1}, key, headers=kid),
        "not yet": jwt.encode(claims | {"nbf": 2**40}, key, headers=kid),
        "a path as kid": jwt.encode(claims, "x" * 40, headers={"kid": "../../../dev/null"}),
        "SQL as kid": jwt.encode(claims, "x" * 40, headers={"kid": "' UNION SELECT 'x"}),
    }
    return made


def _part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def _catalogue() -> Any:
    from config.catalogue import get_catalogue  # noqa: PLC0415

    return get_catalogue()


def _report(attack: str, tries: int, accepted: Counter[str], clock: Clock) -> Outcome:
    count = accepted.total()
    found = f"{count:,} accepted" + (f": {dict(accepted)}" if accepted else "")
    return Outcome(attack, tries, "none accepted", found, count == 0, clock.seconds)
