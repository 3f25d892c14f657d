"""Accounts: who may play, under which name, and how they log in."""

from __future__ import annotations

import hashlib
import logging
import re
import unicodedata
import uuid
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from models.database import DatabaseUnavailableError, autocommit, transaction
from services import passwords, rate_limits, sessions
from services.errors import AccountSuspended, InvalidCredentials, InvalidRequest, ServiceUnavailable, UsernameTaken
from services.leaderboard.board import Standing, rank_by_redis, rank_if_shown
from services.leaderboard.standings import rank
from services.resources import Resources
from services.sessions import Origin, Player

log = logging.getLogger(__name__)

MIN_NAME, MAX_NAME = 3, 32
ALL_ADDRESSES = 10
"""How many times the limit of one address all addresses together may guess at one name."""
KNOWN_SECONDS = 30 * 86_400
"""How long an address is remembered from which the owner of a name has logged in."""
ROLES = ("player", "analyst", "admin")
_REFUSED_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Control and format characters (they could reorder or hide text), halves of pairs, private and unassigned ones."""
_INVISIBLE = re.compile(
    "[\u2800\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U0001d159\U000e0000-\U000e0fff]"
)
"""What else shows nothing (Unicode's Default_Ignorable_Code_Point): it would make two names that look the same."""


_ALIKE = frozenset(
    {
        *("LATIN", "GREEK", "CYRILLIC", "ARMENIAN", "CHEROKEE", "COPTIC", "LISU", "CANADIAN", "DESERET", "OSAGE"),
        *("TIFINAGH", "WARANG", "CARIAN", "LYCIAN", "LYDIAN", "OLD", "RUNIC", "GOTHIC", "ELBASAN", "MEDEFAIDRIN"),
    }
)
"""Scripts with letters that look the same as those of another, by the first word of Unicode's names of their letters.

`OLD` stands for Old Italic and its like.
"""
_APART = frozenset({"LATIN", "GREEK", "CYRILLIC"})
"""Scripts beside which no other one's letters and digits are taken: of many, some look like an o."""
_BESIDE_LATIN = (
    frozenset({"CJK", "IDEOGRAPHIC", "HIRAGANA", "KATAKANA"}),
    frozenset({"CJK", "IDEOGRAPHIC", "BOPOMOFO"}),
    frozenset({"CJK", "IDEOGRAPHIC", "HANGUL"}),
)
"""What is written together with Latin all the same (Unicode's UTS 39, highly restrictive)."""
_COMMON = frozenset({"DIGIT", "COMBINING", "MODIFIER", "DINGBAT", "NEGATIVE"})
"""First words of names of letters, marks and numbers that belong to no script."""

_STILL_VALID = text("SELECT id FROM users WHERE id = :id AND password_hash = :hash FOR NO KEY UPDATE")
_RENEW_HASH = text("UPDATE users SET password_hash = :new WHERE id = :id AND password_hash = :old")


@dataclass(frozen=True, slots=True)
class Account:
    """A new account."""

    user_id: int
    username: str


@dataclass(frozen=True, slots=True)
class Login:
    """A session that has just begun."""

    player: Player
    refresh_id: uuid.UUID


@dataclass(frozen=True, slots=True)
class Profile:
    """A player's own view. `rank` is None before the first point."""

    user_id: int
    username: str
    role: str
    status: str
    score: int
    rank: int | None


def clean_username(username: str) -> str:
    """The username in NFC. Raises InvalidRequest that says what is wrong with it."""
    name = unicodedata.normalize("NFC", username)
    if not MIN_NAME <= len(name) <= MAX_NAME:
        raise InvalidRequest(errors={"username": f"must have {MIN_NAME} to {MAX_NAME} characters"})
    if name != name.strip() or re.search(r"\s\s|[^\S ]", name):
        raise InvalidRequest(errors={"username": "may have plain spaces, one at a time, and none at the ends"})
    if re.search("[\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u20d0-\u20ff]{3}", name) or "mmmm" in _marks(name):
        raise InvalidRequest(errors={"username": "must not pile up marks"})
    if _INVISIBLE.search(name) or any(unicodedata.category(letter) in _REFUSED_CATEGORIES for letter in name):
        raise InvalidRequest(errors={"username": "must not contain control or invisible characters"})
    if len(_ALIKE & {unicodedata.name(letter, "").partition(" ")[0] for letter in username_key(name)}) > 1:
        raise InvalidRequest(errors={"username": "must not mix alphabets whose letters look alike"})
    if _mixes(username_key(name)):
        raise InvalidRequest(errors={"username": "must not mix Latin, Greek or Cyrillic with another script"})
    return name


def _marks(name: str) -> str:
    """The name with an m for each mark that takes no room of its own. Tibetan and Burmese have three on one letter."""
    return "".join("m" if unicodedata.category(letter) in {"Mn", "Me"} else " " for letter in name)


def _mixes(key: str) -> bool:
    """Whether one of `_APART` is beside another script that is not written together with it."""
    scripts = {_script(letter) for letter in key if unicodedata.category(letter)[0] in "LMN"} - _COMMON
    own = scripts & _APART
    together = _BESIDE_LATIN if "LATIN" in scripts else (frozenset(),)
    return bool(own) and not any(scripts - own <= group for group in together)


def _script(letter: str) -> str:
    """By the first word of its name. The ideographic zero is an o beside Latin, so it stands for itself."""
    return letter if letter == "\u3007" else re.split("[ -]", unicodedata.name(letter, ""))[0]


def username_key(username: str) -> str:
    """The username as it is compared: compatibility forms and case folded away (Unicode, toNFKC_Casefold)."""
    folded = unicodedata.normalize("NFKC", username).casefold()
    return unicodedata.normalize("NFKC", folded)


def register(resources: Resources, *, username: str, password: str, address: str) -> Account:
    """Create a player. Raises InvalidRequest, UsernameTaken, RateLimitExceeded or ServiceUnavailable."""
    name = clean_username(username)
    refusal = passwords.refusal(password, name, resources.settings.password_min_length)
    if refusal:
        raise InvalidRequest(errors={"password": refusal})
    rate_limits.count_address(resources, "register", address)
    # From all addresses: who asks first has the name, so nobody is kept from one that is free.
    limit = resources.settings.auth_name_limit * ALL_ADDRESSES
    rate_limits.count(resources, f"register:{_digest(name)}", ((limit, 60),))
    account = create_user(resources, username=name, password=password)
    log.info("registered: user=%s address=%s", account.user_id, address)
    return account


def create_user(resources: Resources, *, username: str, password: str, role: str = "player") -> Account:
    """Create an account of any role. Raises UsernameTaken or ServiceUnavailable."""
    name = clean_username(username)
    parameters = {
        "username": name,
        "key": username_key(name),
        "hash": passwords.hash_password(password),
        "role": role,
    }
    insert = text(
        "WITH u AS (INSERT INTO users (username, username_key, password_hash, role) "
        "VALUES (:username, :key, :hash, :role) RETURNING id), "
        "head AS (INSERT INTO ledger_heads (user_id) SELECT id FROM u) SELECT id FROM u"
    )
    try:
        with autocommit(resources.engine) as connection:
            return Account(connection.execute(insert, parameters).scalar_one(), name)
    except IntegrityError as error:
        if "uq_users_username_key" in str(error.orig):
            raise UsernameTaken from error
        raise
    except DatabaseUnavailableError as error:
        raise ServiceUnavailable from error


def log_in(resources: Resources, *, username: str, password: str, address: str, user_agent: str = "") -> Login:
    """Begin a session. Raises InvalidCredentials, AccountSuspended, RateLimitExceeded or ServiceUnavailable.

    An unknown name takes the same steps and the same time as a wrong password.
    """
    rate_limits.count_address(resources, "login", address)
    attempts = _attempts(resources, username, address)
    for key, limit in attempts:
        rate_limits.count(resources, key, ((limit, 60),))
    try:
        row = _find(resources, username)
        if not passwords.verify_password(password, row.password_hash if row else None) or not row:
            log.warning("login failed: name and address=%s", _place(username, address))
            raise InvalidCredentials
        for key, _ in attempts:
            rate_limits.forgive(resources, key)
        rate_limits.remember(resources, _place(username, address), KNOWN_SECONDS)
        log.info("login: user=%s address=%s status=%s", row.id, address, row.status)
        if row.status == "suspended":
            raise AccountSuspended
        came_from = sessions.origin(resources, address, user_agent)
        login = _begin(resources, row, came_from) or _begin_again(resources, username, password, came_from)
        _renew_hash(resources, row, password)
    except DatabaseUnavailableError as error:
        raise ServiceUnavailable from error
    return login


def profile(resources: Resources, player: Player, board: str) -> Profile:
    """A player's score as PostgreSQL has it, and the rank that goes with it. Raises ServiceUnavailable.

    Redis tells the rank if it has the player at this very place: in PostgreSQL it would have to be counted.
    """
    query = text(
        "SELECT u.username, u.role, u.status, s.score, s.reached_at, s.version, s.hidden FROM users u "
        "LEFT JOIN standings s ON s.user_id = u.id AND s.board = :board WHERE u.id = :user_id"
    )
    try:
        with autocommit(resources.engine) as connection:
            row = connection.execute(query, {"board": board, "user_id": player.user_id}).one()
        place = None
        if row.score:
            standing = Standing(player.user_id, row.username, row.score, row.reached_at, row.version, row.hidden)
            place = _rank(resources, board, standing)
    except DatabaseUnavailableError as error:
        raise ServiceUnavailable from error
    return Profile(player.user_id, row.username, row.role, row.status, row.score or 0, place)


def _rank(resources: Resources, board: str, standing: Standing) -> int:
    user_id, score, reached_at = standing.user_id, standing.score, standing.reached_at
    if standing.hidden:
        known = rank_if_shown(resources, board, standing)
    else:
        known = rank_by_redis(resources, board, user_id=user_id, score=score, reached_at=reached_at)
    if known is not None:
        return known
    with autocommit(resources.engine) as connection:
        return rank(connection, board, user_id=user_id, score=score, reached_at=reached_at)


@dataclass(frozen=True, slots=True)
class _Row:
    id: int
    username: str
    password_hash: str
    role: str
    status: str


def _find(resources: Resources, username: str) -> _Row | None:
    query = text("SELECT id, username, password_hash, role, status FROM users WHERE username_key = :key")
    with autocommit(resources.engine) as connection:
        row = connection.execute(query, {"key": username_key(username)}).one_or_none()
    return _Row(*row) if row else None


def _begin(resources: Resources, row: _Row, came_from: Origin) -> Login | None:
    """Open a session. None if the password was changed, or its hash renewed, since it was looked at.

    A change that comes now waits for this session, and then ends it with all others.
    """
    lifetime = timedelta(seconds=resources.settings.refresh_token_seconds)
    with transaction(resources.engine) as connection:
        if connection.execute(_STILL_VALID, {"id": row.id, "hash": row.password_hash}).one_or_none() is None:
            return None
        session_id, refresh_id = sessions.open_session(connection, row.id, lifetime, came_from)
        too_many = sessions.end_oldest(connection, row.id)
    with suppress(ServiceUnavailable):  # The cache may let them act for a few minutes more.
        sessions.forget_ended(resources, row.id, too_many)
    return Login(Player(row.id, session_id, row.username, row.role, row.status), refresh_id)


def _begin_again(resources: Resources, username: str, password: str, came_from: Origin) -> Login:
    """The hash is another one since. Raises InvalidCredentials if it is of another password."""
    row = _find(resources, username)
    if row and passwords.verify_password(password, row.password_hash) and (login := _begin(resources, row, came_from)):
        return login
    raise InvalidCredentials


def _renew_hash(resources: Resources, row: _Row, password: str) -> None:
    """Hash a password anew that was hashed more cheaply than is done today, unless it was changed meanwhile.

    Who could not have it done now is logged in all the same; the next login does it.
    """
    if passwords.needs_rehash(row.password_hash):
        with suppress(ServiceUnavailable, DatabaseUnavailableError), autocommit(resources.engine) as connection:
            renewed = {"id": row.id, "old": row.password_hash, "new": passwords.hash_password(password)}
            connection.execute(_RENEW_HASH, renewed)


def _attempts(resources: Resources, username: str, address: str) -> list[tuple[str, int]]:
    """What counts an attempt: name and address together, so that one stranger does not lock the owner out elsewhere;

    and, far more generously, the name alone, so that many addresses do not guess without end. These lock out nobody
    either who comes from where the owner was before.
    """
    limit, place = resources.settings.auth_name_limit, _place(username, address)
    own = (f"login:{place}", limit)
    if came_in_from(resources, username, address):
        return [own]
    return [own, (f"login:{_digest(username)}", limit * ALL_ADDRESSES)]


def came_in_from(resources: Resources, username: str, address: str) -> bool:
    """Whether the owner of a name has logged in from an address before. Raises ServiceUnavailable."""
    return rate_limits.is_remembered(resources, _place(username, address))


def _place(username: str, address: str) -> str:
    return f"{_digest(username)}:{address}"


def _digest(username: str) -> str:
    return hashlib.sha256(username_key(username).encode()).hexdigest()[:32]
