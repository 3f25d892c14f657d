"""Sessions: rotation, theft, revocation that outlives Redis, and a cache that cannot bring a dead session back."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import Any

import pytest
from redis import Redis

from config.catalogue import BOARD
from models.database import DatabaseUnavailableError
from services import sessions
from services.errors import AccountSuspended, InvalidToken, ServiceUnavailable
from services.reconcile import sweep
from services.redis_client import QuickConnection
from services.resources import Resources
from services.review.decisions import decide
from services.sessions import Player
from tests.support.ground import Servers, opened
from tests.support.people import People


def authenticate(resources: Resources, player: Player) -> Player:
    return sessions.authenticate(resources, player.user_id, player.session_id)


def rotate(resources: Resources, player: Player, refresh_id: uuid.UUID) -> uuid.UUID:
    return sessions.rotate(resources, player.user_id, player.session_id, refresh_id)


def revoke(resources: Resources, player: Player) -> None:
    sessions.revoke(resources, player.user_id, player.session_id)


@pytest.fixture
def refresh_id(people: People, player: Player) -> uuid.UUID:
    """The player's unspent refresh token."""
    found: uuid.UUID = people.execute("SELECT refresh_id FROM sessions")[0][0]
    return found


def test_a_session_is_read_from_postgresql_once_and_then_from_redis(
    without: Callable[[str], Resources], resources: Resources, player: Player
) -> None:
    away = without("postgres")
    with pytest.raises(ServiceUnavailable):
        authenticate(away, player)
    assert authenticate(resources, player) == player
    assert authenticate(away, player) == player


def test_a_session_works_without_redis(without: Callable[[str], Resources], player: Player) -> None:
    assert authenticate(without("redis"), player) == player


def test_a_username_with_bars_survives_the_cache(resources: Resources, people: People) -> None:
    player = people.join("a|b||c")
    assert authenticate(resources, player) == authenticate(resources, player) == player


@pytest.mark.parametrize("which", ["session", "user"])
def test_what_was_never_issued_is_invalid(resources: Resources, people: People, player: Player, which: str) -> None:
    user_id, session_id = (
        (player.user_id, uuid.uuid4()) if which == "session" else (people.join().user_id, player.session_id)
    )
    for _ in range(2):
        with pytest.raises(InvalidToken):
            sessions.authenticate(resources, user_id, session_id)


def test_an_expired_session_is_invalid(resources: Resources, people: People, player: Player) -> None:
    people.execute("UPDATE sessions SET expires_at = now()")
    with pytest.raises(InvalidToken):
        authenticate(resources, player)


def test_no_session_is_cached_for_longer_than_it_lives(resources: Resources, people: People, player: Player) -> None:
    key = sessions.session_key(player.user_id, player.session_id)
    authenticate(resources, player)
    assert 290_000 < resources.redis.pttl(key) <= 300_000
    resources.redis.delete(key)
    people.execute("UPDATE sessions SET expires_at = now() + interval '60 seconds'")
    authenticate(resources, player)
    assert 0 < resources.redis.pttl(key) <= 60_000


def test_rotation_spends_the_old_refresh_token(resources: Resources, player: Player, refresh_id: uuid.UUID) -> None:
    second = rotate(resources, player, refresh_id)
    third = rotate(resources, player, second)
    assert len({refresh_id, second, third}) == 3
    with pytest.raises(InvalidToken):
        rotate(resources, player, second)


def test_a_spent_refresh_token_within_the_grace_ends_nothing(
    resources: Resources, player: Player, refresh_id: uuid.UUID
) -> None:
    second = rotate(resources, player, refresh_id)
    with pytest.raises(InvalidToken):
        rotate(resources, player, refresh_id)
    assert authenticate(resources, player) == player
    rotate(resources, player, second)


def test_a_spent_refresh_token_after_the_grace_ends_the_session(
    resources: Resources, people: People, player: Player, refresh_id: uuid.UUID
) -> None:
    second = rotate(resources, player, refresh_id)
    people.execute("UPDATE sessions SET rotated_at = now() - :grace", grace=sessions.ROTATION_GRACE)
    with pytest.raises(InvalidToken):
        rotate(resources, player, refresh_id)
    with pytest.raises(InvalidToken):
        authenticate(resources, player)
    with pytest.raises(InvalidToken):
        rotate(resources, player, second)


def test_the_grace_is_for_the_last_token_that_was_spent(
    resources: Resources, player: Player, refresh_id: uuid.UUID
) -> None:
    """Else a thief who refreshes every nine seconds is never noticed."""
    second = rotate(resources, player, refresh_id)
    third = rotate(resources, player, second)
    with pytest.raises(InvalidToken):
        rotate(resources, player, second)
    assert authenticate(resources, player) == player
    with pytest.raises(InvalidToken):
        rotate(resources, player, refresh_id)
    with pytest.raises(InvalidToken):
        authenticate(resources, player)
    with pytest.raises(InvalidToken):
        rotate(resources, player, third)


def test_the_grace_goes_on_while_keys_are_rotated(resources: Resources, player: Player, refresh_id: uuid.UUID) -> None:
    second = rotate(resources, player, refresh_id)
    keys = ("n" * 40, *resources.settings.jwt_secret)
    with opened(resources.settings.model_copy(update={"jwt_secret": keys})) as renewed:
        with pytest.raises(InvalidToken):
            rotate(renewed, player, refresh_id)
        third = rotate(renewed, player, second)
        assert third != rotate(renewed, player, third)
    assert authenticate(resources, player) == player


def test_a_token_of_a_former_version_has_its_grace(
    resources: Resources, people: People, player: Player, refresh_id: uuid.UUID
) -> None:
    """Those were made at random, so nobody knows what came before the last one."""
    people.execute("UPDATE sessions SET refresh_id = gen_random_uuid(), rotated_at = now()")
    with pytest.raises(InvalidToken):
        rotate(resources, player, refresh_id)
    assert authenticate(resources, player) == player


def test_races_do_not_fill_the_log(
    resources: Resources, player: Player, refresh_id: uuid.UUID, caplog: pytest.LogCaptureFixture
) -> None:
    second = rotate(resources, player, refresh_id)
    for _ in range(40):
        with pytest.raises(InvalidToken):
            rotate(resources, player, refresh_id)
    assert caplog.text.count("spent twice") < 30
    rotate(resources, player, second)
    with pytest.raises(InvalidToken):
        rotate(resources, player, refresh_id)
    assert "ended=True" in caplog.text


def test_a_refresh_token_that_was_never_issued_ends_no_fresh_session(
    resources: Resources, player: Player, refresh_id: uuid.UUID
) -> None:
    with pytest.raises(InvalidToken):
        rotate(resources, player, uuid.uuid4())
    assert rotate(resources, player, refresh_id) != refresh_id


def test_an_expired_session_is_not_rotated(
    resources: Resources, people: People, player: Player, refresh_id: uuid.UUID
) -> None:
    authenticate(resources, player)
    people.execute("UPDATE sessions SET expires_at = now()")
    with pytest.raises(InvalidToken):
        rotate(resources, player, refresh_id)


def test_a_suspended_player_is_not_rotated(
    resources: Resources, people: People, player: Player, refresh_id: uuid.UUID
) -> None:
    people.execute("UPDATE users SET status = 'suspended'")
    with pytest.raises(AccountSuspended):
        rotate(resources, player, refresh_id)


def test_revocation_ends_one_session_at_once(resources: Resources, people: People, player: Player) -> None:
    authenticate(resources, player)
    other = people.join()
    revoke(resources, player)
    with pytest.raises(InvalidToken):
        authenticate(resources, player)
    assert authenticate(resources, other) == other


def test_revocation_outlives_a_flush_of_redis(resources: Resources, player: Player, refresh_id: uuid.UUID) -> None:
    authenticate(resources, player)
    revoke(resources, player)
    resources.redis.flushall()
    with pytest.raises(InvalidToken):
        authenticate(resources, player)
    with pytest.raises(InvalidToken):
        rotate(resources, player, refresh_id)


def test_revoking_twice_is_harmless(resources: Resources, people: People, player: Player) -> None:
    revoke(resources, player)
    (before,) = people.execute("SELECT revoked_at FROM sessions")
    revoke(resources, player)
    assert people.execute("SELECT revoked_at FROM sessions") == [before]


def test_the_mark_of_a_revoked_session_outlives_its_access_tokens(resources: Resources, player: Player) -> None:
    revoke(resources, player)
    life = resources.redis.ttl(sessions.session_key(player.user_id, player.session_id))
    assert life >= resources.settings.access_token_seconds - 1


@pytest.mark.parametrize("server", ["redis", "postgres"])
def test_a_revocation_that_cannot_reach_a_server_says_so(
    without: Callable[[str], Resources], player: Player, server: str
) -> None:
    with pytest.raises(ServiceUnavailable):
        revoke(without(server), player)


def test_rotation_without_postgresql_spends_nothing(
    without: Callable[[str], Resources], resources: Resources, player: Player, refresh_id: uuid.UUID
) -> None:
    with pytest.raises((ServiceUnavailable, DatabaseUnavailableError)):
        rotate(without("postgres"), player, refresh_id)
    assert rotate(resources, player, refresh_id) != refresh_id


class HeldConnection(QuickConnection):
    """A connection that is slow to write: it waits until it is let go."""

    def __init__(self, redis: Redis) -> None:
        super().__init__(redis)
        self.reached, self.go_on = Event(), Event()

    def call(self, *commands: tuple[Any, ...]) -> list[Any]:
        """As ever, but late."""
        if commands[0][0] == "SET":
            self.reached.set()
            assert self.go_on.wait(20)
        return super().call(*commands)


def test_a_slow_reader_cannot_bring_a_revoked_session_back(resources: Resources, player: Player) -> None:
    """It read PostgreSQL before the revocation and writes to the cache after it."""
    with opened(resources.settings) as slow, ThreadPoolExecutor() as threads:
        slow.__dict__["quick"] = held = HeldConnection(slow.redis)
        reader = threads.submit(sessions.load, slow, player.user_id, player.session_id)
        assert held.reached.wait(20)
        revoke(resources, player)
        held.go_on.set()
        assert reader.result(timeout=20) == player, "it saw the session while that was alive"
    with pytest.raises(InvalidToken):
        authenticate(resources, player)


def test_overwriting_the_cache_brings_no_revoked_session_back(resources: Resources, player: Player) -> None:
    """A decision of the review that listed the sessions before one of them was revoked."""
    revoke(resources, player)
    later = {player.session_id: datetime.now(UTC) + timedelta(days=1)}
    sessions.refresh_cache(resources, player.user_id, later, sessions.cache_value("active", "player", "x"))
    with pytest.raises(InvalidToken):
        authenticate(resources, player)


def test_what_a_decision_tells_the_cache_lives_no_longer_than_the_session(
    resources: Resources, people: People, analyst: Player, player: Player
) -> None:
    key = sessions.session_key(player.user_id, player.session_id)
    people.execute("UPDATE sessions SET expires_at = now() + interval '20 s' WHERE id = :id", id=player.session_id)
    decide(resources, analyst, people.suspect(player), "clear", "an honest one")
    assert 0 < resources.redis.pttl(key) <= 20_000


def test_what_ended_does_not_come_back_with_an_older_redis(
    servers: Servers, resources: Resources, people: People, analyst: Player, player: Player
) -> None:
    """A replica that lagged behind takes over, or an older file is loaded: its cache knows of no end."""
    suspended, bystander = people.join(), people.join()
    everybody = (player, suspended, bystander)
    for one in everybody:
        authenticate(resources, one)
    keys = [sessions.session_key(one.user_id, one.session_id) for one in everybody]
    older: Any = resources.redis.mget(keys)
    revoke(resources, player)
    decide(resources, analyst, people.suspect(suspended), "confirm", "a bot")
    for key, value in zip(keys, older, strict=True):
        resources.redis.set(key, value, ex=sessions.CACHE_SECONDS)
    assert authenticate(resources, player) == player, "this is what is to be mended"
    servers.redis.stop()
    servers.redis.start()
    assert sweep(resources, BOARD) is not None
    with pytest.raises(InvalidToken):
        authenticate(resources, player)
    with pytest.raises(AccountSuspended):
        authenticate(resources, suspended)
    assert authenticate(resources, bystander) == bystander
