"""Passwords: length rather than composition, Argon2id with parameters that are written down."""

from __future__ import annotations

import gevent
import pytest
from argon2 import Type, extract_parameters

from services import passwords
from services.errors import Crowded

LONG = "a passphrase that is long enough"


@pytest.mark.parametrize(
    "password",
    ["abcdefgz", "        x.", LONG, "ünïcödé!", "🚀🛰🌍🌑⭐☄🌌🔭", "x y z x y z", "a" * 254 + "bc", "<>&\"'--;"],
)
def test_any_characters_will_do(password: str) -> None:
    assert passwords.refusal(password, "ada", 8) is None


@pytest.mark.parametrize(
    ("password", "reason"),
    [
        ("1234567", "at least 8"),
        ("", "at least 8"),
        ("ab" + "c" * 255, "at most 256"),
        ("password1", "first that anyone would try"),
        ("PassWord1", "first that anyone would try"),
        ("12345678", "first that anyone would try"),
        ("fairboard1", "first that anyone would try"),
        ("aaaaaaaaaaaa", "first that anyone would try"),
        ("abababababab", "first that anyone would try"),
        ("ada lovelace", "username"),
        ("ADA LOVELACE", "username"),
    ],
)
def test_what_is_refused_says_why(password: str, reason: str) -> None:
    refusal = passwords.refusal(password, "Ada Lovelace", 8)
    assert refusal
    assert reason in refusal


def test_the_least_length_is_a_setting() -> None:
    assert passwords.refusal("twelve chars", "ada", 12) is None
    assert passwords.refusal("eleven char", "ada", 12) == "must have at least 12 characters"


def test_more_than_the_three_thousand_commonest_of_those_that_are_long_enough_are_refused() -> None:
    common = [password for password in passwords._common_passwords() if len(password) >= 8]
    assert len(common) > 3_000
    assert all(password == password.casefold() for password in common)
    assert all(passwords.refusal(password, "ada", 8) for password in common)


def test_hashes_are_argon2id_with_owasps_least_parameters() -> None:
    parameters = extract_parameters(passwords.hash_password(LONG))
    assert parameters.type is Type.ID
    assert (parameters.memory_cost, parameters.time_cost, parameters.parallelism) == (19_456, 2, 1)


def test_a_hash_fits_its_password_only() -> None:
    hashed = passwords.hash_password(LONG)
    assert passwords.hash_password(LONG) != hashed, "the salt is new each time"
    assert passwords.verify_password(LONG, hashed)
    assert not passwords.verify_password(LONG + " ", hashed)
    assert not passwords.needs_rehash(hashed)


@pytest.mark.parametrize("broken", ["", "x", "$argon2id$broken", "$2b$12$abcdefghijklmnopqrstuv"])
def test_a_broken_hash_fits_nothing(broken: str) -> None:
    assert not passwords.verify_password(LONG, broken)


def test_an_unknown_account_fits_nothing_not_even_the_decoys_password() -> None:
    assert not passwords.verify_password(LONG, None)
    assert not passwords.verify_password("no account has this password", None)


def test_a_crowd_is_sent_away_before_it_waits_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "MAX_WAITING", 3)
    crowd = [gevent.spawn(passwords.verify_password, "x", None) for _ in range(10)]
    gevent.joinall(crowd)
    refused = [one for one in crowd if isinstance(one.exception, Crowded)]
    assert len(refused) == 7
    assert [one.value for one in crowd if one not in refused] == [False] * 3
    assert passwords.verify_password("x", None) is False


def test_the_decoy_costs_as_much_as_a_real_hash() -> None:
    assert extract_parameters(passwords._decoy(passwords.HASHER)) == extract_parameters(passwords.hash_password(LONG))
