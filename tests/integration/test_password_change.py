"""A new password: for whoever knows the old one, once, and the other sessions end."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import pairwise

import pytest
from argon2 import PasswordHasher

from services import accounts, passwords, sessions
from services.errors import InvalidCredentials, InvalidRequest, InvalidToken, RateLimitExceeded, ServiceUnavailable
from services.password_change import change_password as change_from
from services.resources import Resources
from services.sessions import Player
from tests.support.ground import opened
from tests.support.people import PASSWORD, People
from tests.support.race import Race, outcome

NEW = "another passphrase that is long enough"
HERE = "192.0.2.1"
THERE = "192.0.2.2"
change_password = partial(change_from, address=HERE)


@pytest.fixture(autouse=True)
def cheap_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hashes that take a millisecond."""
    monkeypatch.setattr(passwords, "HASHER", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    passwords._decoy.cache_clear()


def log_in(resources: Resources, name: str, password: str) -> Player:
    return accounts.log_in(resources, username=name, password=password, address=HERE).player


def test_the_new_one_opens_and_the_old_one_does_not(resources: Resources, player: Player) -> None:
    change_password(resources, player, current=PASSWORD, new=NEW)
    assert log_in(resources, player.username, NEW).user_id == player.user_id
    with pytest.raises(InvalidCredentials):
        log_in(resources, player.username, PASSWORD)


def test_all_other_sessions_end_and_this_one_goes_on(resources: Resources, people: People, player: Player) -> None:
    others = [log_in(resources, player.username, PASSWORD) for _ in range(2)]
    stranger = people.join()
    for one in (player, *others, stranger):
        sessions.authenticate(resources, one.user_id, one.session_id)
    change_password(resources, player, current=PASSWORD, new=NEW)
    for one in (player, stranger):
        assert sessions.authenticate(resources, one.user_id, one.session_id).user_id == one.user_id
    for one in others:
        with pytest.raises(InvalidToken):
            sessions.authenticate(resources, one.user_id, one.session_id)
    resources.redis.flushall()
    for one in others:
        with pytest.raises(InvalidToken):
            sessions.authenticate(resources, one.user_id, one.session_id)


def test_a_wrong_current_one_changes_nothing_and_is_guessed_at_ten_times(resources: Resources, player: Player) -> None:
    other = log_in(resources, player.username, PASSWORD)
    for _ in range(10):
        with pytest.raises(InvalidCredentials):
            change_password(resources, player, current="a guess of a thief", new=NEW)
    with pytest.raises(RateLimitExceeded):
        change_password(resources, player, current=PASSWORD, new=NEW)
    sessions.authenticate(resources, other.user_id, other.session_id)
    log_in(resources, player.username, PASSWORD)


def test_guesses_of_one_session_keep_no_other_from_the_change(resources: Resources, player: Player) -> None:
    thief = log_in(resources, player.username, PASSWORD)
    for _ in range(10):
        with pytest.raises(InvalidCredentials):
            change_password(resources, thief, current="a guess of a thief", new=NEW)
    with pytest.raises(RateLimitExceeded):
        change_password(resources, thief, current="a guess of a thief", new=NEW)
    change_password(resources, player, current=PASSWORD, new=NEW)
    with pytest.raises(InvalidToken):
        sessions.authenticate(resources, thief.user_id, thief.session_id)


def test_guesses_of_many_sessions_count_together_but_not_where_the_owner_was(
    resources: Resources, player: Player
) -> None:
    with opened(resources.settings.model_copy(update={"auth_name_limit": 1})) as limited:
        *thieves, late, owner = [log_in(limited, player.username, PASSWORD) for _ in range(12)]
        for thief in thieves:
            with pytest.raises(InvalidCredentials):
                change_from(limited, thief, current="a guess of a thief", new=NEW, address=THERE)
        with pytest.raises(RateLimitExceeded):
            change_from(limited, late, current=PASSWORD, new=NEW, address=THERE)
        change_password(limited, owner, current=PASSWORD, new=NEW)


def test_changes_that_are_right_count_too(resources: Resources, player: Player) -> None:
    """Each costs two hashes, and a process has two threads for them."""
    known = [PASSWORD, *(f"passphrase number {n} of eleven" for n in range(11))]
    for old, new in pairwise(known[:-1]):
        change_password(resources, player, current=old, new=new)
    with pytest.raises(RateLimitExceeded):
        change_password(resources, player, current=known[-2], new=known[-1])


def test_one_address_changes_so_many_passwords_a_minute(resources: Resources, people: People) -> None:
    with opened(resources.settings.model_copy(update={"auth_address_limit": 3})) as limited:
        for player in people.several(3):
            change_password(limited, player, current=PASSWORD, new=NEW)
        with pytest.raises(RateLimitExceeded):
            change_password(limited, people.join(), current=PASSWORD, new=NEW)
        change_from(limited, people.join(), current=PASSWORD, new=NEW, address=THERE)


@pytest.mark.parametrize("new", ["short", "password1", "x" * 257, PASSWORD])
def test_a_weak_new_one_is_refused_before_anything_is_compared(resources: Resources, player: Player, new: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        change_password(resources, player, current=PASSWORD, new=new)
    assert list(caught.value.errors or {}) == ["newPassword"]


def test_of_several_changes_at_once_one_counts(resources: Resources, race: Race, player: Player) -> None:
    new = [f"passphrase number {n} of four" for n in range(4)]
    results = race.each(change_to, [(player, one) for one in new])
    assert sorted(map(str, results)) == ["INVALID_CREDENTIALS"] * 3 + ["None"]
    log_in(resources, player.username, new[results.index(None)])


def change_to(resources: Resources, player: Player, new: str) -> object:
    """Change a password; None where it worked."""
    return outcome(lambda: change_password(resources, player, current=PASSWORD, new=new))


@pytest.mark.parametrize("server", ["postgres", "redis"])
def test_without_a_server_nothing_changes(
    without: Callable[[str], Resources], resources: Resources, player: Player, server: str
) -> None:
    with pytest.raises(ServiceUnavailable):
        change_password(without(server), player, current=PASSWORD, new=NEW)
    log_in(resources, player.username, PASSWORD)


def test_a_login_that_is_under_way_does_not_outlive_the_change(
    monkeypatch: pytest.MonkeyPatch, resources: Resources, player: Player
) -> None:
    """The thief's old password was right when it was looked at, and is not any more when the session begins."""
    verify = passwords.verify_password

    def verify_slowly(password: str, password_hash: str | None) -> bool:
        found = verify(password, password_hash)
        monkeypatch.setattr(passwords, "verify_password", verify)
        change_password(resources, player, current=PASSWORD, new=NEW)
        return found

    monkeypatch.setattr(passwords, "verify_password", verify_slowly)
    with pytest.raises(InvalidCredentials):
        log_in(resources, player.username, PASSWORD)
    log_in(resources, player.username, NEW)


def test_a_login_beside_one_that_renews_the_hash_is_let_in(
    monkeypatch: pytest.MonkeyPatch, resources: Resources, player: Player
) -> None:
    verify, row = passwords.verify_password, accounts._find(resources, player.username)
    assert row is not None
    monkeypatch.setattr(passwords, "HASHER", PasswordHasher(time_cost=2, memory_cost=8, parallelism=1))

    def verify_slowly(password: str, password_hash: str | None) -> bool:
        found = verify(password, password_hash)
        accounts._renew_hash(resources, row, PASSWORD)
        return found

    monkeypatch.setattr(passwords, "verify_password", verify_slowly)
    assert log_in(resources, player.username, PASSWORD).user_id == player.user_id


def test_a_hash_that_is_renewed_does_not_bring_an_old_password_back(
    monkeypatch: pytest.MonkeyPatch, resources: Resources, player: Player
) -> None:
    row = accounts._find(resources, player.username)
    assert row is not None
    change_password(resources, player, current=PASSWORD, new=NEW)
    monkeypatch.setattr(passwords, "HASHER", PasswordHasher(time_cost=2, memory_cost=8, parallelism=1))
    accounts._renew_hash(resources, row, PASSWORD)
    log_in(resources, player.username, NEW)


def test_a_change_ends_in_the_cache_what_ended_while_redis_was_away(
    without: Callable[[str], Resources], resources: Resources, player: Player
) -> None:
    thief = log_in(resources, player.username, PASSWORD)
    sessions.authenticate(resources, thief.user_id, thief.session_id)
    with pytest.raises(ServiceUnavailable):
        sessions.revoke(without("redis"), thief.user_id, thief.session_id)
    change_password(resources, player, current=PASSWORD, new=NEW)
    with pytest.raises(InvalidToken):
        sessions.authenticate(resources, thief.user_id, thief.session_id)
