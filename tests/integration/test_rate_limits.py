"""Sliding limits compared with a model that is too simple to be wrong: a list of times, looked through each time."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import example, given, strategies as st

from services import rate_limits, sessions
from services.errors import AccountSuspended, InvalidToken, RateLimitExceeded, ServiceUnavailable
from services.rate_limits import PLAYER_LIMITS, Window
from services.resources import Resources
from services.sessions import Player
from tests.support.people import People

SECOND = 1_000_000
TINY: tuple[Window, ...] = ((3, 10), (5, 60), (8, 600))


def wait(times: list[int], limits: tuple[Window, ...], now: int) -> int:
    """Microseconds until every window has room for one more call; the model."""
    waits = [0]
    for limit, seconds in limits:
        inside = sorted(time for time in times if time > now - seconds * SECOND)
        if len(inside) >= limit:
            waits.append(inside[-limit] + seconds * SECOND - now)
    return max(waits)


def refusal(call: Callable[[], object]) -> int | None:
    """The seconds to wait, or None where the call was let in."""
    try:
        call()
    except RateLimitExceeded as error:
        return error.retry_after
    return None


@dataclass
class Account:
    """One limited account: what Redis holds beside all calls that were ever let in."""

    resources: Resources
    key: str
    limits: tuple[Window, ...]
    times: list[int] = field(default_factory=list)

    def now(self) -> int:
        seconds, micros = self.resources.redis.time()
        return int(seconds) * SECOND + int(micros)

    def remembered(self) -> list[int]:
        return [int(time) for time in self.resources.redis.lrange(self.key, 0, -1)]

    def pass_time(self, micros: int) -> None:
        """As Redis counts by its own clock, the calls are made to be longer ago."""
        older = [time - micros for time in self.remembered()]
        self.resources.redis.delete(self.key)
        if older:
            self.resources.redis.rpush(self.key, *older)
        self.times = [time - micros for time in self.times]

    def call(self, count: Callable[[], object]) -> None:
        """Call and compare. Where the model changes its mind while Redis is at it, either answer is right."""
        expected, before = wait(self.times, self.limits, self.now()), self.remembered()
        retry_after = refusal(count)
        if retry_after:
            least = wait(self.times, self.limits, self.now())
            assert expected > 0, "refused although every window has room"
            assert math.ceil(least / SECOND) <= retry_after <= math.ceil(expected / SECOND)
            assert self.remembered() == before, "a refused call was counted"
        else:
            assert wait(self.times, self.limits, self.now()) == 0, "let in although a window is full"
            self.times.append(self.remembered()[-1])


@given(st.lists(st.one_of(st.just(0), st.integers(0, 12 * SECOND), st.integers(0, 700 * SECOND)), max_size=40))
@example([0] * 12)
@example([0, 0, 0, 10 * SECOND, 0, 50 * SECOND, 0, 0, 10 * SECOND, 0, 0])
def test_all_three_windows_are_exact(resources: Resources, passes: list[int]) -> None:
    resources.redis.flushdb()
    account = Account(resources, "ratelimit:{exact}", TINY)
    for micros in passes:
        account.pass_time(micros)
        account.call(lambda: rate_limits.count(resources, "exact", TINY))


@given(history=st.lists(st.integers(1, 90_000 * SECOND), max_size=520), burst=st.integers(0, 12))
@example(history=[], burst=10)
@example(history=[60 * SECOND + 10**9 * n for n in range(90)], burst=10)
@example(history=[3_601 * SECOND + SECOND * n for n in range(499)], burst=2)
def test_a_players_limits_are_10_a_minute_100_an_hour_and_500_a_day(
    resources: Resources, people: People, history: list[int], burst: int
) -> None:
    resources.redis.flushdb()
    player = people.join()
    account = Account(resources, f"ratelimit:{{{player.user_id}}}:complete", PLAYER_LIMITS)
    account.times = sorted(account.now() - ago for ago in history)
    if history:
        resources.redis.rpush(account.key, *account.times[-500:])
    for _ in range(burst + 1):
        account.call(lambda: rate_limits.admit(resources, player.user_id, player.session_id, "complete"))


def admit(resources: Resources, player: Player, call: str = "complete") -> Player:
    return rate_limits.admit(resources, player.user_id, player.session_id, call)


def refused(resources: Resources, player: Player, call: str = "complete") -> int:
    with pytest.raises(RateLimitExceeded) as caught:
        admit(resources, player, call)
    assert caught.value.retry_after
    return caught.value.retry_after


def test_ten_calls_a_minute_and_the_eleventh_waits_at_most_sixty_seconds(resources: Resources, player: Player) -> None:
    for _ in range(10):
        assert admit(resources, player) == player
    assert 55 <= refused(resources, player) <= 60


def test_a_clock_that_is_set_back_bars_nobody_until_it_has_caught_up(resources: Resources, player: Player) -> None:
    account = Account(resources, f"ratelimit:{{{player.user_id}}}:complete", PLAYER_LIMITS)
    for _ in range(10):
        admit(resources, player)
    account.pass_time(-600 * SECOND)
    for _ in range(10):
        admit(resources, player)
    assert 55 <= refused(resources, player) <= 60


def test_refused_calls_do_not_count(resources: Resources, player: Player) -> None:
    account = Account(resources, f"ratelimit:{{{player.user_id}}}:complete", PLAYER_LIMITS)
    for _ in range(10):
        admit(resources, player)
    for _ in range(200):
        refused(resources, player)
    account.pass_time(60 * SECOND)
    for _ in range(10):
        admit(resources, player)
    assert len(account.remembered()) == 20


def test_requesting_and_completing_have_accounts_of_their_own(resources: Resources, player: Player) -> None:
    for _ in range(10):
        admit(resources, player, "complete")
    for _ in range(10):
        admit(resources, player, "request")
    refused(resources, player, "complete")
    refused(resources, player, "request")


def test_every_player_has_limits_of_their_own_over_all_their_sessions(
    resources: Resources, people: People, player: Player
) -> None:
    for _ in range(10):
        admit(resources, player)
    admit(resources, people.join())
    people.execute("UPDATE sessions SET user_id = :id", id=player.user_id)
    for (session_id,) in people.execute("SELECT id FROM sessions"):
        with pytest.raises(RateLimitExceeded):
            rate_limits.admit(resources, player.user_id, session_id, "complete")


@pytest.mark.parametrize(("limit", "seconds"), PLAYER_LIMITS)
def test_retry_after_is_at_least_one_second_and_at_most_the_window(
    resources: Resources, player: Player, limit: int, seconds: int
) -> None:
    account = Account(resources, f"ratelimit:{{{player.user_id}}}:complete", PLAYER_LIMITS)
    oldest = account.now() - seconds * SECOND + 10 * SECOND
    resources.redis.rpush(account.key, *(oldest + n for n in range(limit)))
    assert 1 <= refused(resources, player) <= (60 if seconds == 60 else 10)
    account.pass_time(10 * SECOND - 200_000)
    assert refused(resources, player) == 1 or account.now() - oldest > seconds * SECOND


def test_what_is_remembered_is_bounded_and_forgotten_after_a_day(resources: Resources, player: Player) -> None:
    account = Account(resources, f"ratelimit:{{{player.user_id}}}:complete", PLAYER_LIMITS)
    resources.redis.rpush(account.key, *(account.now() - 86_400 * SECOND + n for n in range(-600, 0)))
    admit(resources, player)
    assert len(account.remembered()) == 500
    assert 86_300 < resources.redis.ttl(account.key) <= 86_400


def test_a_limit_of_nought_is_no_limit(resources: Resources) -> None:
    for _ in range(100):
        rate_limits.count(resources, "free", ((0, 60),))
    assert resources.redis.keys() == resources.redis.keys("leaderboard:*")


def test_forgiving_takes_the_newest_call_back(resources: Resources) -> None:
    for _ in range(50):
        rate_limits.count(resources, "name", ((3, 60),))
        rate_limits.forgive(resources, "name")
    for _ in range(3):
        rate_limits.count(resources, "name", ((3, 60),))
    with pytest.raises(RateLimitExceeded):
        rate_limits.count(resources, "name", ((3, 60),))


def test_without_redis_nobody_is_let_in(without: Callable[[str], Resources], player: Player) -> None:
    away = without("redis")
    with pytest.raises(ServiceUnavailable):
        admit(away, player)
    with pytest.raises(ServiceUnavailable):
        rate_limits.count(away, "somebody", ((10, 60),))
    rate_limits.forgive(away, "somebody")


def test_a_redis_that_takes_no_writes_calls_no_session_invalid(resources: Resources, player: Player) -> None:
    resources.redis.config_set("min-replicas-to-write", 1)
    try:
        with pytest.raises(ServiceUnavailable):
            admit(resources, player)
    finally:
        resources.redis.config_set("min-replicas-to-write", 0)
    assert admit(resources, player) == player


def test_without_postgresql_a_known_session_is_let_in_and_an_unknown_one_is_not(
    without: Callable[[str], Resources], resources: Resources, people: People, player: Player
) -> None:
    admit(resources, player)
    away = without("postgres")
    assert admit(away, player) == player
    with pytest.raises(ServiceUnavailable):
        admit(away, people.join())


def test_the_account_is_checked_before_the_limit(resources: Resources, people: People, player: Player) -> None:
    for _ in range(10):
        admit(resources, player)
    people.execute("UPDATE users SET status = 'suspended'")
    resources.redis.delete(sessions.session_key(player.user_id, player.session_id))
    with pytest.raises(AccountSuspended):
        admit(resources, player)
    sessions.revoke(resources, player.user_id, player.session_id)
    with pytest.raises(InvalidToken):
        admit(resources, player)


def test_who_may_not_act_is_not_counted(resources: Resources, player: Player) -> None:
    sessions.revoke(resources, player.user_id, player.session_id)
    for _ in range(20):
        with pytest.raises(InvalidToken):
            admit(resources, player)
    assert not resources.redis.exists(f"ratelimit:{{{player.user_id}}}:complete")
