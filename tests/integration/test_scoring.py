"""Completing actions: design sections 3 and 4, as far as PostgreSQL decides."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable

import pytest
from sqlalchemy import text

from config.catalogue import BOARD
from models.database import autocommit
from services import action_tokens, proofs, scoring, sessions
from services.errors import (
    AccountSuspended,
    ActionAlreadyCompleted,
    ActionDataInvalid,
    ActionKindMismatch,
    ActionNotFound,
    ActionTokenExpired,
    ActionTokenInvalid,
    InvalidToken,
    RateLimitExceeded,
    ServiceUnavailable,
    SuspiciousActivity,
    TokenAlreadyUsed,
)
from services.resources import Resources
from services.sessions import Player
from services.verify import verify
from tests.support.people import People

DAY = 86_400_000


def used(people: People, token: str) -> bool:
    digest = hashlib.sha256(token.encode()).digest()
    return bool(people.execute("SELECT used_at FROM action_tokens WHERE hash = :hash", hash=digest)[0][0])


def test_a_timed_completion_earns_the_catalogues_points_and_a_rank(people: People, player: Player) -> None:
    rival = people.join()
    people.complete(rival, "puzzle")
    first, second = people.complete(player, "reaction"), people.complete(player, "puzzle")
    assert (first.new_score, first.score_incr, first.rank) == (100, 100, 2)
    assert (second.new_score, second.score_incr, second.rank) == (600, 500, 1)
    assert people.top() == [(player.user_id, 600), (rival.user_id, 500)]


def test_a_completion_is_one_entry_one_standing_and_one_outbox_row(people: People, player: Player) -> None:
    people.complete(player, "typing", ms=7_000)
    entry = people.execute("SELECT kind, action_type, points, claimed_ms, elapsed_ms, seq FROM ledger_entries")[0]
    assert entry[:4] == ("timed", "typing", 250, 7_000)
    assert entry.elapsed_ms >= 60_000
    assert people.standing(player)[2:5:2] == (250, 1)
    assert people.execute("SELECT board, user_id FROM outbox") == [(BOARD, player.user_id)]


def test_the_token_is_opaque_and_kept_only_by_its_hash(resources: Resources, people: People, player: Player) -> None:
    token = people.token(player)
    payload = json.loads(resources.fernet.decrypt(token.encode()))
    assert sorted(payload) == ["actionType", "nonce", "timestamp", "userId"]
    assert bytes(people.execute("SELECT hash FROM action_tokens")[0][0]) == hashlib.sha256(token.encode()).digest()
    assert "reaction" not in token


def test_a_token_is_valid_for_five_minutes(people: People, player: Player) -> None:
    token = people.token(player, age_ms=0)
    lifetime = people.execute("SELECT expires_at - issued_at FROM action_tokens")[0][0]
    assert abs(lifetime.total_seconds() - 300) < 1
    people.age(token, 299_000)
    assert people.spend(player, token).new_score == 100


def test_an_expired_token_is_refused_and_earns_nothing(people: People, player: Player) -> None:
    token = people.token(player, age_ms=300_000)
    with pytest.raises(ActionTokenExpired):
        people.spend(player, token)
    assert not used(people, token)
    assert people.entries(player) == []


def test_a_token_forgotten_since_it_expired_is_still_called_expired(
    resources: Resources, people: People, player: Player, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = people.token(player)
    people.execute("DELETE FROM action_tokens")
    with pytest.raises(ActionTokenInvalid):
        people.spend(player, token)
    monkeypatch.setattr(action_tokens, "LIFETIME", -action_tokens.LIFETIME)
    with pytest.raises(ActionTokenExpired):
        people.spend(player, token)


def test_a_used_token_is_refused(people: People, player: Player) -> None:
    token = people.token(player)
    people.spend(player, token)
    with pytest.raises(TokenAlreadyUsed):
        people.spend(player, token)
    assert people.standing(player).score == 100


def test_a_used_token_stays_used_when_it_has_expired_too(people: People, player: Player) -> None:
    token = people.token(player)
    people.spend(player, token)
    people.execute("UPDATE action_tokens SET expires_at = now() - interval '1 hour'")
    with pytest.raises(TokenAlreadyUsed):
        people.spend(player, token)


def test_another_players_token_is_invalid_and_stays_unspent(
    resources: Resources, people: People, player: Player
) -> None:
    token, thief = people.token(player), people.join()
    with pytest.raises(ActionTokenInvalid):
        people.spend(thief, token)
    with pytest.raises(ActionTokenInvalid):
        action_tokens.open_token(resources, token, thief.user_id)
    assert people.spend(player, token).new_score == 100


@pytest.mark.parametrize("token", ["", "x", "gAAAAA", "\u00e9", "a" * 500])
def test_what_is_no_token_is_invalid(resources: Resources, player: Player, token: str) -> None:
    with pytest.raises(ActionTokenInvalid):
        scoring.complete_timed(resources, player, action_token=token, completion_time=5_000, checksum="", data={})


def test_a_changed_or_truncated_token_is_invalid(people: People, player: Player) -> None:
    token = people.token(player)
    for forged in (token[:-4], token[:20] + ("A" if token[20] != "A" else "B") + token[21:], token + "=", token + "A"):
        with pytest.raises(ActionTokenInvalid):
            people.spend(player, forged)
    assert people.spend(player, token).new_score == 100


def test_a_token_of_an_action_that_left_the_catalogue_is_invalid(
    resources: Resources, people: People, player: Player
) -> None:
    token = people.token(player)
    smaller = {name: action for name, action in resources.catalogue.items() if name != "reaction"}
    emptied = Resources(resources.settings, smaller, resources.database_deadline, resources.redis_deadline)
    with pytest.raises(ActionTokenInvalid):
        action_tokens.open_token(emptied, token, player.user_id)


def test_tokens_of_the_previous_key_are_still_opened(resources: Resources, people: People, player: Player) -> None:
    token = people.token(player)
    new = "zHxZ3cW2x9wTn3xO0pJ1mHn0w3T0yq0vQwJ0b4gq0nE="
    rotated = resources.settings.model_copy(update={"token_keys": (new, *resources.settings.token_keys)})
    opened = action_tokens.open_token(Resources(rotated, resources.catalogue, 5.0, 5.0), token, player.user_id)
    assert opened.action.action_type == "reaction"


SUSPICIOUS = [
    ("too_fast", {"ms": 999}, 1_000),
    ("too_fast", {"ms": -1}, 1_000),
    ("too_slow", {"ms": 60_001}, 60_000),
    ("too_slow", {"ms": 2**53 - 1}, 60_000),
    ("forged_checksum", {"ms": 5_000, "checksum": "0" * 64}, None),
    ("forged_checksum", {"ms": 5_000, "checksum": "\u00e9"}, None),
    ("claim_exceeds_clock", {"ms": 45_000}, 30_000),
]


@pytest.mark.parametrize(("rule", "claim", "threshold"), SUSPICIOUS)
def test_a_suspicious_completion_spends_the_token_and_leaves_evidence(
    people: People, player: Player, rule: str, claim: dict[str, object], threshold: float | None
) -> None:
    token = people.token(player, age_ms=30_000)
    with pytest.raises(SuspiciousActivity):
        people.spend(player, token, **claim)  # type: ignore[arg-type]
    assert used(people, token)
    assert people.entries(player) == []
    found = people.execute("SELECT rule, value, threshold, details FROM evidence")[0]
    assert (found.rule, found.value) == (rule, claim["ms"])
    assert found.threshold == (pytest.approx(threshold, abs=2_000) if threshold else None)
    assert found.details["claimedMs"] == claim["ms"]
    with pytest.raises(TokenAlreadyUsed):
        people.spend(player, token)


@pytest.mark.parametrize("ms", [1_000, 60_000])
def test_the_bounds_themselves_are_not_suspicious(people: People, player: Player, ms: int) -> None:
    assert people.spend(player, people.token(player, age_ms=61_000), ms).new_score == 100


def test_suspicions_join_one_open_case_and_flag_the_account_which_can_still_play(
    people: People, player: Player
) -> None:
    for ms in (1, 2, 3):
        with pytest.raises(SuspiciousActivity):
            people.complete(player, ms=ms)
    assert people.execute("SELECT status FROM review_cases") == [("open",)]
    assert people.execute("SELECT count(*) FROM evidence") == [(3,)]
    assert people.status(player) == "flagged"
    assert people.complete(player).new_score == 100


def test_rejected_completions_leave_no_evidence(people: People, player: Player) -> None:
    token = people.token(player, age_ms=300_000)
    with pytest.raises(ActionTokenExpired):
        people.spend(player, token, 1)
    with pytest.raises(ActionTokenInvalid):
        people.spend(people.join(), token, 1)
    assert people.execute("SELECT count(*) FROM evidence") == [(0,)]
    assert people.status(player) == "active"


def test_data_is_part_of_the_proof(people: People, player: Player) -> None:
    token = people.token(player)
    assert people.spend(player, token, data={"b": [1, "ü"], "a": None}).new_score == 100
    other = people.token(player)
    with pytest.raises(SuspiciousActivity):
        people.spend(player, other, data={"a": 1}, checksum=proofs.checksum(other, 5_000, {"a": 2}))


def test_a_once_action_pays_once_for_ever(resources: Resources, people: People, player: Player) -> None:
    def quiz(who: Player) -> int:
        return scoring.complete_once(resources, who, action_type="quiz", data={"answer": "redis"}).new_score

    assert quiz(player) == 50
    with pytest.raises(ActionAlreadyCompleted):
        quiz(player)
    assert quiz(people.join()) == 50
    assert scoring.complete_once(resources, player, action_type="guess", data={"number": 7}).new_score == 75
    assert list(verify(resources, BOARD)) == []


def test_a_once_action_that_is_done_says_so_whatever_the_data(resources: Resources, player: Player) -> None:
    def quiz(data: dict[str, object]) -> None:
        scoring.complete_once(resources, player, action_type="quiz", data=data)

    with pytest.raises(ActionDataInvalid):
        quiz({"answer": "flask"})
    quiz({"answer": "redis"})
    again: list[dict[str, object]] = [{"answer": "redis"}, {"answer": "flask"}, {}]
    for data in again:
        with pytest.raises(ActionAlreadyCompleted):
            quiz(data)
    with pytest.raises(ActionDataInvalid):
        scoring.complete_once(resources, player, action_type="guess", data={})


@pytest.mark.parametrize(
    ("action", "data", "field"),
    [
        ("quiz", {"answer": "flask"}, "data.answer"),
        ("quiz", {}, "data.answer"),
        ("quiz", {"answer": "redis", "more": 1}, "data.more"),
        ("guess", {"number": True}, "data.number"),
        ("guess", {"number": 101}, "data.number"),
        ("referral", {"code": "ABCD-1234\n"}, "data.code"),
    ],
)
def test_wrong_data_is_refused_and_the_action_can_be_tried_again(
    resources: Resources, people: People, player: Player, action: str, data: dict[str, object], field: str
) -> None:
    with pytest.raises(ActionDataInvalid) as caught:
        scoring.complete_once(resources, player, action_type=action, data=data)
    assert list(caught.value.errors or {}) == [field]
    assert people.entries(player) == []


def test_actions_are_told_apart_by_kind(resources: Resources, player: Player) -> None:
    with pytest.raises(ActionKindMismatch):
        scoring.complete_once(resources, player, action_type="reaction", data={})
    with pytest.raises(ActionNotFound):
        scoring.complete_once(resources, player, action_type="nothing", data={})
    with pytest.raises(ActionKindMismatch):
        action_tokens.timed_action(resources, "quiz")
    with pytest.raises(ActionNotFound):
        action_tokens.timed_action(resources, "nothing")


def test_a_suspended_player_earns_nothing_although_the_cache_says_active(
    resources: Resources, people: People, player: Player
) -> None:
    token = people.token(player)
    sessions.load(resources, player.user_id, player.session_id)
    people.execute("UPDATE users SET status = 'suspended'")
    assert sessions.authenticate(resources, player.user_id, player.session_id).status == "active"
    with pytest.raises(AccountSuspended):
        people.spend(player, token)
    with pytest.raises(AccountSuspended):
        scoring.complete_once(resources, player, action_type="quiz", data={"answer": "redis"})
    assert not used(people, token)


def test_a_revoked_session_earns_nothing_although_the_cache_says_active(
    resources: Resources, people: People, player: Player
) -> None:
    token = people.token(player)
    people.execute("UPDATE sessions SET revoked_at = now()")
    with pytest.raises(InvalidToken):
        people.spend(player, token)
    assert not used(people, token)


def test_anothers_session_earns_nothing(people: People, player: Player) -> None:
    rival = people.join()
    mixed = Player(player.user_id, rival.session_id, player.username, "player", "active")
    with pytest.raises(InvalidToken):
        people.spend(mixed, people.token(player))


def test_without_postgresql_a_completion_is_unavailable(
    without: Callable[[str], Resources], people: People, player: Player
) -> None:
    token = people.token(player)
    with pytest.raises(ServiceUnavailable) as caught:
        People(without("postgres")).spend(player, token)
    assert caught.value.retry_after == 1
    assert not used(people, token)


def test_without_redis_a_completion_counts_and_the_outbox_keeps_it(
    without: Callable[[str], Resources], people: People, player: Player
) -> None:
    people.complete(people.join(), "puzzle")
    token = people.token(player)
    completion = People(without("redis")).spend(player, token)
    assert (completion.new_score, completion.rank, completion.ring) == (100, 2, False)
    assert people.execute("SELECT count(*) FROM outbox WHERE user_id = :id", id=player.user_id) == [(1,)]


def test_a_score_over_the_largest_safe_integer_is_refused_and_nothing_is_half_done(
    resources: Resources, people: People, player: Player
) -> None:
    people.earn(player, 2**53 - 1 - 99)
    token = people.token(player)
    with pytest.raises(Exception, match="ck_standings_score"):
        people.spend(player, token)
    assert not used(people, token)
    assert len(people.entries(player)) == 1
    with autocommit(resources.engine) as connection:
        assert connection.execute(text("SELECT count(*) FROM outbox")).scalar_one() == 1


def test_the_ledger_refuses_what_redis_has_forgotten_to_refuse(people: People, player: Player) -> None:
    for _ in range(10):
        people.complete(player)
    token = people.token(player)
    with pytest.raises(RateLimitExceeded) as refusal:
        people.spend(player, token)
    assert refusal.value.retry_after == 60
    assert not used(people, token), "a rejected completion leaves the token unspent"
    assert people.standing(player)[2] == 1_000


@pytest.mark.parametrize(("number", "seconds"), [(10, 60), (100, 3_600), (500, 86_400)])
def test_each_window_of_the_ledger_opens_again(people: People, player: Player, number: int, seconds: int) -> None:
    people.execute(
        "INSERT INTO ledger_entries (user_id, seq, board, action_type, kind, points, token_hash, created_at, "
        "previous_hash, hash) SELECT :id, n, :board, 'reaction', 'timed', 1, sha256(int8send(n)), "
        "clock_timestamp() - make_interval(secs => :ago), '', '' FROM generate_series(1, :number) AS n",
        id=player.user_id,
        board=BOARD,
        ago=seconds - 10,
        number=number,
    )
    people.execute("UPDATE ledger_heads SET seq = :number WHERE user_id = :id", number=number, id=player.user_id)
    with pytest.raises(RateLimitExceeded):
        people.complete(player)
    people.execute("UPDATE ledger_heads SET seq = :number WHERE user_id = :id", number=number - 1, id=player.user_id)
    assert people.execute("SELECT is_over_limit(:id, :seq)", id=player.user_id, seq=number - 1)[0][0] is False


def test_reversals_use_up_no_call(people: People, player: Player) -> None:
    for _ in range(6):
        people.complete(player)
    people.execute(
        "SELECT append_entry(user_id, board, action_type, 'reversal', -points, NULL, id, NULL, NULL, NULL) "
        "FROM ledger_entries WHERE user_id = :id ORDER BY id LIMIT 4",
        id=player.user_id,
    )
    for _ in range(4):
        people.complete(player)
    with pytest.raises(RateLimitExceeded):
        people.complete(player)
