"""Accounts on real servers: names are unique without regard to case, logins tell nothing, guessing is slowed down."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from argon2 import PasswordHasher

from services import accounts, passwords, sessions
from services.errors import (
    AccountSuspended,
    InvalidCredentials,
    InvalidRequest,
    InvalidToken,
    RateLimitExceeded,
    ServiceUnavailable,
    UsernameTaken,
)
from services.leaderboard.keys import BoardKeys
from services.resources import Resources
from services.sessions import Player
from tests.support.ground import opened
from tests.support.people import PASSWORD, People

HERE, THERE = "192.0.2.1", "2001:db8::1"


@pytest.fixture(autouse=True)
def cheap_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hashes that take a millisecond; the parameters themselves have a test of their own."""
    monkeypatch.setattr(passwords, "HASHER", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    passwords._decoy.cache_clear()


def register(resources: Resources, username: str = "Ada", password: str = PASSWORD, address: str = HERE) -> int:
    return accounts.register(resources, username=username, password=password, address=address).user_id


def log_in(
    resources: Resources, username: str = "Ada", password: str = PASSWORD, address: str = HERE
) -> accounts.Login:
    return accounts.log_in(resources, username=username, password=password, address=address)


def test_a_registered_player_can_log_in_and_act(resources: Resources) -> None:
    user_id = register(resources)
    login = log_in(resources)
    assert (login.player.user_id, login.player.username, login.player.role) == (user_id, "Ada", "player")
    assert sessions.authenticate(resources, user_id, login.player.session_id) == login.player
    assert sessions.rotate(resources, user_id, login.player.session_id, login.refresh_id) != login.refresh_id


@pytest.mark.parametrize("other", ["ada", "ADA", "\uff21da", "\u1d2cDA"])
def test_a_name_is_taken_in_whatever_case_or_width(resources: Resources, other: str) -> None:
    register(resources)
    with pytest.raises(UsernameTaken):
        register(resources, other)


@pytest.mark.parametrize("typed", ["ADA", "ada", "\uff21da"])
def test_a_name_can_be_typed_in_any_case_and_is_shown_as_registered(resources: Resources, typed: str) -> None:
    register(resources)
    assert log_in(resources, typed).player.username == "Ada"


@pytest.mark.parametrize(
    ("username", "password", "field"),
    [("ab", PASSWORD, "username"), ("ada", "short", "password"), ("ada", "password1", "password")],
)
def test_what_is_refused_names_its_field(
    resources: Resources, people: People, username: str, password: str, field: str
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        register(resources, username, password)
    assert list(caught.value.errors or {}) == [field]
    assert people.execute("SELECT count(*) FROM users") == [(0,)]


def test_the_password_is_kept_as_argon2id_only(resources: Resources, people: People) -> None:
    register(resources)
    stored = people.execute("SELECT password_hash FROM users")[0][0]
    assert stored.startswith("$argon2id$")
    assert PASSWORD not in stored


@pytest.mark.parametrize(
    ("username", "password"), [("Ada", "a wrong passphrase"), ("nobody", PASSWORD), ("", ""), ("Ada", "")]
)
def test_a_failed_login_does_not_tell_why(resources: Resources, username: str, password: str) -> None:
    register(resources)
    with pytest.raises(InvalidCredentials) as caught:
        log_in(resources, username, password)
    assert caught.value.detail == InvalidCredentials.detail


def test_an_unknown_name_takes_the_same_steps_as_a_wrong_password(
    resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(resources)
    steps: list[tuple[str, str]] = []
    verify = passwords._verify

    def watched(password: str, password_hash: str | None) -> bool:
        compared = password_hash or passwords._decoy(passwords.HASHER)
        steps.append((password, compared.rpartition("$")[0].rpartition("$")[0]))
        return verify(password, password_hash)

    monkeypatch.setattr(passwords, "_verify", watched)
    for name in ("Ada", "nobody"):
        with pytest.raises(InvalidCredentials):
            log_in(resources, name, "a wrong passphrase")
    assert len(steps) == 2
    assert steps[0] == steps[1], "another password, or a hash that is cheaper to compare with"


def test_the_decoys_own_password_opens_nothing(resources: Resources) -> None:
    with pytest.raises(InvalidCredentials):
        log_in(resources, "nobody", "no account has this password")


def test_a_suspended_player_is_told_only_with_the_right_password(resources: Resources, people: People) -> None:
    register(resources)
    people.execute("UPDATE users SET status = 'suspended'")
    with pytest.raises(InvalidCredentials):
        log_in(resources, password="a wrong passphrase")
    with pytest.raises(AccountSuspended):
        log_in(resources)
    assert people.execute("SELECT count(*) FROM sessions") == [(0,)]


def test_a_weaker_hash_is_replaced_at_the_next_login(
    resources: Resources, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(resources)
    (before,) = people.execute("SELECT password_hash FROM users")
    log_in(resources)
    assert people.execute("SELECT password_hash FROM users") == [before]
    monkeypatch.setattr(passwords, "HASHER", PasswordHasher(time_cost=2, memory_cost=8, parallelism=1))
    log_in(resources)
    assert people.execute("SELECT password_hash FROM users") != [before]
    log_in(resources)


def test_one_name_is_guessed_at_ten_times_a_minute_from_one_address(resources: Resources) -> None:
    register(resources)
    for _ in range(10):
        with pytest.raises(InvalidCredentials):
            log_in(resources, password="a wrong passphrase")
    with pytest.raises(RateLimitExceeded) as caught:
        log_in(resources, "ADA")
    assert 0 < (caught.value.retry_after or 0) <= 60
    log_in(resources, address=THERE)  # The owner is not locked out elsewhere.


def test_one_name_is_guessed_at_a_hundred_times_a_minute_from_all_addresses_together(resources: Resources) -> None:
    register(resources)
    for n in range(100):
        with pytest.raises(InvalidCredentials):
            log_in(resources, password="a wrong passphrase", address=f"192.0.2.{n}")
    with pytest.raises(RateLimitExceeded):
        log_in(resources, address=THERE)


def test_guesses_from_everywhere_keep_nobody_out_who_was_in_before(resources: Resources) -> None:
    register(resources)
    log_in(resources)
    for n in range(2, 102):
        with pytest.raises(InvalidCredentials):
            log_in(resources, password="a wrong passphrase", address=f"192.0.2.{n}")
    with pytest.raises(RateLimitExceeded):
        log_in(resources, address=THERE)
    log_in(resources)
    for _ in range(10):
        with pytest.raises(InvalidCredentials):
            log_in(resources, password="a wrong passphrase")
    with pytest.raises(RateLimitExceeded):
        log_in(resources)  # Who shares the owner's address guesses no faster than anybody.


def test_an_address_is_known_to_the_name_that_logged_in_only(resources: Resources) -> None:
    register(resources)
    register(resources, "Bob")
    log_in(resources)
    for n in range(2, 102):
        with pytest.raises(InvalidCredentials):
            log_in(resources, "Bob", password="a wrong passphrase", address=f"192.0.2.{n}")
    with pytest.raises(RateLimitExceeded):
        log_in(resources, "Bob")


def test_good_logins_use_none_of_the_guesses(resources: Resources) -> None:
    register(resources)
    for _ in range(20):
        log_in(resources)


@pytest.fixture
def limited(resources: Resources) -> Iterator[Resources]:
    """Resources with a limit of three calls from one address."""
    with opened(resources.settings.model_copy(update={"auth_address_limit": 3})) as limited:
        yield limited


def test_one_address_may_register_so_many_times_a_minute(limited: Resources) -> None:
    for n in range(3):
        register(limited, f"player {n}")
    with pytest.raises(RateLimitExceeded):
        register(limited, "player 3")
    assert register(limited, "player 3", address=THERE)
    log_in(limited, "player 0")  # The two are counted apart.


def test_one_name_may_be_asked_for_so_many_times_a_minute_from_all_addresses_together(resources: Resources) -> None:
    """In whatever case. What is refused for another reason counts nothing, and the first to ask has the name."""
    with opened(resources.settings.model_copy(update={"auth_name_limit": 1})) as limited:
        for n in range(20):
            with pytest.raises(InvalidRequest):
                register(limited, password="short", address=f"192.0.2.{n}")
        assert register(limited)
        for n in range(9):
            with pytest.raises(UsernameTaken):
                register(limited, "ADA" if n % 2 else "ada", address=f"192.0.2.{n}")
        with pytest.raises(RateLimitExceeded) as caught:
            register(limited, address=THERE)
        assert 0 < (caught.value.retry_after or 0) <= 60
        assert register(limited, "Grace")
        log_in(limited)  # The two are counted apart.


def test_one_address_may_log_in_so_many_times_a_minute(limited: Resources) -> None:
    register(limited)
    for _ in range(3):
        log_in(limited)
    with pytest.raises(RateLimitExceeded):
        log_in(limited)
    log_in(limited, address=THERE)


def test_an_address_limit_of_nought_is_none(resources: Resources) -> None:
    with opened(resources.settings.model_copy(update={"auth_address_limit": 0, "auth_name_limit": 0})) as unlimited:
        for n in range(70):
            register(unlimited, f"player {n}")
        log_in(unlimited, "player 0")


def test_a_profile_has_a_rank_from_the_first_point_on(resources: Resources, people: People, player: Player) -> None:
    assert accounts.profile(resources, player, "global") == accounts.Profile(
        player.user_id, player.username, "player", "active", 0, None
    )
    people.complete(people.join(), "puzzle")
    people.complete(player)
    profile = accounts.profile(resources, player, "global")
    assert (profile.score, profile.rank) == (100, 2)


def test_the_rank_is_counted_only_where_redis_does_not_have_the_player_at_this_place(
    monkeypatch: pytest.MonkeyPatch, without: Callable[[str], Resources], resources: Resources, people: People
) -> None:
    first, second = people.several(2)
    people.complete(first, "puzzle")
    people.complete(second)
    resources.redis.set(BoardKeys("global").loaded, 1)
    with monkeypatch.context() as patch:
        patch.setattr(accounts, "rank", None)  # Not called.
        assert [accounts.profile(resources, one, "global").rank for one in (first, second)] == [1, 2]
    assert accounts.profile(without("redis"), second, "global").rank == 2
    people.earn(second, 10_000)  # Redis has not heard of it.
    assert accounts.profile(resources, second, "global").rank == 1
    resources.redis.delete(BoardKeys("global").loaded)
    assert accounts.profile(resources, first, "global").rank == 2


def test_an_account_has_so_many_sessions_and_loses_the_oldest(
    monkeypatch: pytest.MonkeyPatch, resources: Resources, people: People, player: Player
) -> None:
    monkeypatch.setattr(sessions, "MOST_OPEN", 3)
    stranger = people.join()
    begun = [player, *(log_in(resources, player.username, password=PASSWORD).player for _ in range(2))]
    for one in (*begun, stranger):
        sessions.authenticate(resources, one.user_id, one.session_id)
    begun.append(log_in(resources, player.username, password=PASSWORD).player)
    with pytest.raises(InvalidToken):
        sessions.authenticate(resources, player.user_id, player.session_id)
    for one in (*begun[1:], stranger):
        sessions.authenticate(resources, one.user_id, one.session_id)


@pytest.mark.parametrize("server", ["postgres", "redis"])
def test_without_a_server_accounts_are_unavailable(
    without: Callable[[str], Resources], resources: Resources, people: People, server: str
) -> None:
    away = without(server)
    with pytest.raises(ServiceUnavailable):
        register(away)
    with pytest.raises(ServiceUnavailable):
        log_in(away)
    assert people.execute("SELECT count(*) FROM users") == [(0,)]
