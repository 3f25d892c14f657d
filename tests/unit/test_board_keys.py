"""How a player is written in Redis: members sort as the contract orders equal scores, and lose no microsecond."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given, strategies as st

from services.leaderboard.board import Standing, compact_json, rfc3339, script_arguments
from services.leaderboard.keys import LAST_MICROSECOND, MAX_USER_ID, BoardKeys, member, microseconds
from tests.support.people import user_id_of

users = st.integers(1, MAX_USER_ID)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
moments = st.integers(0, LAST_MICROSECOND).map(lambda micros: EPOCH + timedelta(microseconds=micros))


@given(st.lists(st.tuples(moments, users), unique=True, max_size=20))
def test_members_from_the_highest_are_who_was_first_then_the_lower_id(players: list[tuple[datetime, int]]) -> None:
    members = sorted((member(user, at) for at, user in players), reverse=True)
    assert [user_id_of(name) for name in members] == [user for _, user in sorted(players)]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 12)), unique=True, max_size=20))
def test_the_same_for_times_that_are_microseconds_apart(players: list[tuple[int, int]]) -> None:
    start = datetime(2026, 3, 1, 23, 59, 59, 999_998, tzinfo=UTC)
    members = {member(user, start + timedelta(microseconds=micros)): (micros, user) for micros, user in players}
    assert [members[name] for name in sorted(members, reverse=True)] == sorted(players)


@given(users, moments)
def test_the_player_of_a_member_is_the_one_it_was_made_of(user: int, at: datetime) -> None:
    assert user_id_of(member(user, at)) == user


@given(users, moments)
def test_bytes_order_as_text_does_because_members_have_one_length(user: int, at: datetime) -> None:
    name = member(user, at)
    assert len(name) == 16 + 1 + 12
    assert name.replace(":", "").isascii()
    assert name.replace(":", "").isdigit()


@given(moments)
def test_microseconds_are_exact(at: datetime) -> None:
    assert EPOCH + timedelta(microseconds=microseconds(at)) == at
    assert microseconds(at + timedelta(microseconds=1)) == microseconds(at) + 1


@given(moments, st.integers(-14, 14))
def test_microseconds_do_not_depend_on_the_time_zone(at: datetime, hours: int) -> None:
    assert microseconds(at.astimezone(timezone(timedelta(hours=hours)))) == microseconds(at)


def test_the_limits_of_members() -> None:
    assert member(MAX_USER_ID, EPOCH) == "9999999999999999:000000000000"
    last = EPOCH + timedelta(microseconds=LAST_MICROSECOND)
    assert member(1, last) == "0000000000000000:999999999998"


def test_keys_of_one_board_share_a_hash_tag_and_differ() -> None:
    keys = BoardKeys("global")
    names = [getattr(keys, name) for name in vars(BoardKeys) if isinstance(getattr(BoardKeys, name), property)]
    assert len(names) == len(set(names)) >= 12
    assert all(name.startswith("leaderboard:{global}:") for name in names)
    assert (keys.standings, keys.top10, keys.updates) == (
        "leaderboard:{global}:standings",
        "leaderboard:{global}:top10",
        "leaderboard:{global}:updates",
    )


def test_who_is_off_the_board_has_no_member() -> None:
    rows = [Standing(1, "a", 5, EPOCH, 3), Standing(2, "b", 0, EPOCH, 3), Standing(3, "c", 5, EPOCH, 3, hidden=True)]
    assert script_arguments(rows)[3::5] == [member(1, EPOCH), "", ""]
    assert script_arguments(rows)[:5] == [1, 3, 5, member(1, EPOCH), '"a"']


def test_times_are_shown_in_utc_with_milliseconds() -> None:
    assert rfc3339(datetime(2026, 1, 2, 3, 4, 5, 678_999, tzinfo=UTC)) == "2026-01-02T03:04:05.678Z"
    assert rfc3339(datetime(2026, 1, 2, 3, tzinfo=timezone(timedelta(hours=2)))) == "2026-01-02T01:00:00.000Z"


def test_json_on_the_board_is_compact_and_unescaped() -> None:
    assert compact_json({"a": ["ü", 1]}) == '{"a":["ü",1]}'
