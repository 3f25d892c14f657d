"""The analysis of one player as stored: incremental, idempotent, the same when computed anew."""

from __future__ import annotations

import gc
import json

import pytest

from services.anticheat import analysis, detector
from services.anticheat.analysis import GRACE_SECONDS, Finding, Look, analyse_player
from services.anticheat.events import WINDOW_SECONDS, Event, window_of
from services.anticheat.evidence import Verdict
from services.anticheat.recompute import recompute
from services.anticheat.state import PlayerState
from services.anticheat.stored import Step
from services.errors import NotFound
from services.reconcile import drain_outbox
from services.resources import Resources
from services.review.cases import get_case
from services.review.decisions import decide
from services.sessions import Player
from tests.support.histories import analyse, bot, evidence, hour, person, state_of
from tests.support.people import People, ranking, steady


def test_a_program_is_flagged_with_reasons_and_entries(resources: Resources, people: People, player: Player) -> None:
    people.have_played(player, bot(hour(3), 100))
    look = analyse(resources, player)
    assert (look.username, look.events, look.outcome) == (player.username, 100, "flag medium: regularity")
    found = evidence(people, player)
    assert {"steady_gaps", "steady_claims"} <= {row.rule for row in found}
    assert {(row.family, row.severity) for row in found} == {("A", "medium")}
    assert {"statistic", "percentile", "n", "eValue"} == set(found[0].details)
    assert set(found[0].entries) <= set(people.entries(player))
    assert people.execute("SELECT severity, held FROM review_cases") == [("medium", False)]
    assert people.status(player) == "active", "the player is told nothing"


def test_twice_and_late_changes_nothing(resources: Resources, people: People, player: Player) -> None:
    people.have_played(player, bot(hour(3), 100))
    analyse(resources, player)
    before = evidence(people, player), state_of(people, player).state
    assert analyse(resources, player).outcome == "flag medium: regularity"
    assert (evidence(people, player), state_of(people, player).state) == before
    people.execute("UPDATE anticheat_states SET state = NULL, seq = 0, window_id = -1")  # As if none had ever run.
    analyse(resources, player)
    assert (evidence(people, player), state_of(people, player).state) == before


def test_hour_by_hour_gives_the_same_bytes_as_all_at_once(resources: Resources, people: People, player: Player) -> None:
    events = person(hour(40), 600)
    for start in range(0, 600, 45):
        people.have_played(player, events[start : start + 45])
        analyse(resources, player)
    found = recompute(resources, player.username)
    assert found.as_dict()["stored"]["same_bytes"] is True
    assert found.window_id == max(window_of(event.submitted_at) for event in events)
    assert found.course.events == 600
    kept = bytes(state_of(people, player).state)
    people.execute("UPDATE anticheat_states SET state = :changed", changed=kept[:-1] + bytes([kept[-1] ^ 1]))
    assert recompute(resources, player.username).as_dict()["stored"]["same_bytes"] is False


def test_only_what_is_new_is_read(
    resources: Resources, people: People, player: Player, monkeypatch: pytest.MonkeyPatch
) -> None:
    people.have_played(player, person(hour(9), 200))
    assert analyse(resources, player).events == 200
    assert analyse(resources, player).events == 0
    people.have_played(player, person(hour(2), 10))
    assert analyse(resources, player).events == 10


def test_a_window_that_is_not_over_is_judged_and_not_kept(resources: Resources, people: People, player: Player) -> None:
    """Whatever the time is: the window of events that are to come is not over."""
    people.have_played(player, bot(hour(-1), 50))
    assert analyse(resources, player).outcome == "flag medium: regularity"
    row = state_of(people, player)
    assert (row.window_id, row.seq, PlayerState.from_bytes(bytes(row.state))) == (-1, 0, PlayerState())
    provisional = evidence(people, player)
    assert all(row.fingerprint.endswith(":medium") for row in provisional)
    people.have_played(player, bot(hour(-1) + 1_510, 10))
    assert analyse(resources, player).events == 60
    assert evidence(people, player) == provisional


def test_a_window_is_over_a_little_after_its_end() -> None:
    end = 11 * WINDOW_SECONDS
    assert not analysis.is_over(10, end + GRACE_SECONDS - 1)
    assert analysis.is_over(10, end + GRACE_SECONDS)


def test_two_families_are_high_and_hold_the_player(resources: Resources, people: People, player: Player) -> None:
    """By the clock, and for eight hours without a break."""
    other = people.join()
    people.complete(other)
    people.have_played(player, bot(hour(10), 800, 36.0))
    drain_outbox(resources)
    assert [user for user, _ in ranking(resources)] == [player.user_id, other.user_id]
    look = analyse(resources, player)
    assert (look.verdict.severity, look.outcome) == ("high", "flag high: regularity, endurance")
    assert people.execute("SELECT severity, held FROM review_cases") == [("high", True)]
    drain_outbox(resources)
    assert [user for user, _ in ranking(resources)] == [other.user_id]
    assert people.status(player) == "active"


def test_a_case_has_what_was_shown_before_there_was_a_case(
    resources: Resources, people: People, player: Player
) -> None:
    """Steady, but as people may be: no remark. Once there is a case it is one of the reasons."""
    people.have_played(player, steady(hour(7), 50))
    assert analyse(resources, player).outcome == "clean"
    assert evidence(people, player) == []
    people.have_played(player, bot(hour(3), 100))
    assert analyse(resources, player).outcome == "flag medium: regularity"
    before = evidence(people, player)
    assert f"steady_gaps:{window_of(hour(7))}" in {row.fingerprint for row in before}
    people.execute("UPDATE anticheat_states SET state = NULL, seq = 0, window_id = -1")
    analyse(resources, player)
    assert evidence(people, player) == before


def test_a_case_tells_each_rule_once_with_all_that_it_found(
    resources: Resources, people: People, player: Player
) -> None:
    people.have_played(player, bot(hour(5), 300))
    analyse(resources, player)
    rows = [row for row in evidence(people, player) if row.rule == "steady_gaps"]
    assert len(rows) == 3
    file = get_case(resources, people.execute("SELECT id FROM review_cases")[0][0])
    rules = [reason.rule for reason in file.evidence]
    assert (sorted(rules), file.case.reasons) == (sorted(set(rules)), len(rules))
    (told,) = [reason for reason in file.evidence if reason.rule == "steady_gaps"]
    assert list(told.entries) == sorted({entry for row in rows for entry in row.entries})
    assert len(told.entries) > len(rows[0].entries)
    assert told.details["eValue"] == max(row.details["eValue"] for row in rows)
    assert told.created_at < told.last_at


def test_what_was_decided_is_not_brought_up_again(
    resources: Resources, people: People, player: Player, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A version that finds more computes everything anew; the case that follows is about what came after."""
    analyst = people.join(role="analyst")
    people.have_played(player, bot(hour(5), 100))
    analyse(resources, player)
    decide(resources, analyst, people.execute("SELECT id FROM review_cases")[0][0], "clear", "a switch")
    known = len(evidence(people, player))
    real = Finding.fingerprint
    monkeypatch.setattr(Finding, "fingerprint", lambda self, severity: f"new {real(self, severity)}")
    people.execute("UPDATE anticheat_states SET state = NULL, seq = 0, window_id = -1")
    again = person(hour(-1), 20)
    people.have_played(player, [event._replace(submitted_at=event.submitted_at + 1_200 * n, issued_at=None)
                                for n in range(3) for event in again])  # fmt: skip
    assert analyse(resources, player).outcome == "flag high: replay"
    new = evidence(people, player)[known:]
    assert {int(row.fingerprint.split(":")[1]) for row in new} == {window_of(hour(-1))}


def test_a_mark_that_came_after_the_last_window_counts(resources: Resources, people: People, player: Player) -> None:
    """Found with others today, while their own last hour is three hours old and not looked at yet."""
    other = people.join()
    for who in (player, other):
        people.have_played(who, bot(hour(3), 60))
    details = json.dumps({"percentile": 1e-12, "eValue": 1e9})
    people.execute(
        "SELECT add_evidence(:id, 'in_step', 'In step.', 9, 6, '{}', CAST(:details AS jsonb), 'one', 'F', 'medium')",
        id=player.user_id,
        details=details,
    )
    assert analyse(resources, other).outcome == "flag medium: regularity"
    assert analyse(resources, player).outcome == "flag high: regularity, groups"


def test_computing_anew_holds_one_window_at_a_time(
    resources: Resources, people: People, player: Player, monkeypatch: pytest.MonkeyPatch
) -> None:
    people.have_played(player, person(hour(60), 600))
    alive = []

    def merge(earlier: Verdict, later: Verdict) -> Verdict:
        alive.append(sum(type(thing) is Step for thing in gc.get_objects()))  # isinstance would wake lazy objects.
        return detector.merge(earlier, later)

    monkeypatch.setattr("services.anticheat.recompute.merge", merge)
    assert recompute(resources, player.username).course.events == 600
    assert len(alive) > 5
    assert max(alive) <= 2


def test_a_state_of_other_thresholds_is_neither_equal_nor_changed(
    resources: Resources, people: People, player: Player, monkeypatch: pytest.MonkeyPatch
) -> None:
    people.have_played(player, person(hour(5), 100))
    analyse(resources, player)
    monkeypatch.setattr("services.anticheat.state.DIGEST", 1)
    assert recompute(resources, player.username).as_dict()["stored"]["same_bytes"] is None
    assert analyse(resources, player).events == 100
    assert recompute(resources, player.username).as_dict()["stored"]["same_bytes"] is True


def test_a_person_is_left_alone(resources: Resources, people: People, player: Player) -> None:
    people.have_played(player, person(hour(12), 400))
    assert analyse(resources, player).outcome == "clean"
    assert people.execute("SELECT FROM review_cases") == []


def test_who_was_cleared_is_not_flagged_for_the_same_again(
    resources: Resources, people: People, player: Player
) -> None:
    analyst = people.join(role="analyst")
    people.have_played(player, bot(hour(5), 100))
    analyse(resources, player)
    case = people.execute("SELECT id FROM review_cases")[0][0]
    decide(resources, analyst, case, "clear", "a disabled player with a switch")
    known = len(evidence(people, player))
    people.have_played(player, bot(hour(-1), 100))
    assert analyse(resources, player).outcome == "clean"
    assert len(evidence(people, player)) == known
    assert people.execute("SELECT status FROM review_cases") == [("cleared",)]
    assert recompute(resources, player.username).as_dict()["stored"]["same_bytes"] is True


def clear_at(people: People, case: int, at: float | None = None) -> float:
    """An analyst clears a case, now or at another moment. Gives the moment."""
    rows = people.execute(
        """WITH closed AS (UPDATE review_cases SET status = 'cleared', held = false WHERE id = :case)
        INSERT INTO decisions (case_id, decided_by, decision, note, created_at)
        VALUES (:case, :by, 'clear', 'nothing in it', coalesce(to_timestamp(:at), clock_timestamp()))
        RETURNING extract(epoch FROM created_at)::float8""",
        case=case,
        by=people.join(role="analyst").user_id,
        at=at,
    )
    return float(rows[0][0])


@pytest.mark.parametrize("later", [1.0, 2 * WINDOW_SECONDS], ids=["the same hour", "two hours later"])
def test_a_clearing_covers_what_came_before_it_and_no_more(
    resources: Resources, people: People, player: Player, later: float
) -> None:
    """A bot that begins after the decision, in its hour or in another, is a bot."""
    at = clear_at(people, people.suspect(player, family="C"), hour(3) + 300) + later
    people.have_played(player, bot(at, 60))
    assert analyse(resources, player).outcome == "flag medium: regularity"
    assert {row.family for row in evidence(people, player)[1:]} == {"A"}
    assert people.execute("SELECT status FROM review_cases ORDER BY id") == [("cleared",), ("open",)]


def test_a_clearing_cuts_its_hour_in_two(resources: Resources, people: People, player: Player) -> None:
    """The gaps of before go on and are cleared; that times are copied is new."""
    start = hour(3)
    people.have_played(player, bot(start, 40))
    assert analyse(resources, player).outcome == "flag medium: regularity"
    before = len(evidence(people, player))
    clear_at(people, people.execute("SELECT id FROM review_cases")[0][0], start + 1_230)
    people.have_played(player, bot(start + 1_230, 20))
    people.execute("UPDATE anticheat_states SET state = NULL, seq = 0, window_id = -1")
    assert analyse(resources, player).outcome == "clean"
    copied = [person(start + 2_000 + 700 * n, 15) for n in range(2)]
    people.have_played(player, [event for part in copied for event in part])
    people.execute("UPDATE anticheat_states SET state = NULL, seq = 0, window_id = -1")
    assert analyse(resources, player).outcome == "flag high: replay"
    new = evidence(people, player)[before:]
    assert "C" in {row.family for row in new}
    assert all(":after 1230.000000" in row.fingerprint for row in new)
    assert set(people.entries(player)[:40]).isdisjoint(entry for row in new for entry in row.entries)
    assert recompute(resources, player.username).as_dict()["stored"]["same_bytes"] is True


@pytest.mark.parametrize("state", [b"", b"\x00" * 50, b"\xff" * 4_000], ids=["empty", "short", "long"])
def test_a_state_of_another_version_is_computed_anew(
    resources: Resources, people: People, player: Player, state: bytes
) -> None:
    people.have_played(player, person(hour(5), 100))
    analyse(resources, player)
    kept = state_of(people, player).state
    people.execute("UPDATE anticheat_states SET state = :state", state=state)
    assert analyse(resources, player).events == 100
    assert state_of(people, player).state == kept


def odd(kind: str) -> list[Event]:
    start = hour(5)
    plain = person(start, 60)
    return {
        "one event": plain[:1],
        "equal times": [event._replace(submitted_at=start, issued_at=start - 20) for event in plain],
        "zero gaps": [event._replace(submitted_at=start + n // 10) for n, event in enumerate(plain)],
        "clock steps back": [*plain, *person(start - 3 * WINDOW_SECONDS, 60, 2), *person(start + 4_000, 60, 3)],
        "clock steps ahead": [*plain, *person(start + 2 * WINDOW_SECONDS, 60, 2), *person(start + 4_000, 60, 3)],
        "no time at all": [event._replace(claimed_ms=0) for event in plain],
        "a crowd in one window": [
            event._replace(submitted_at=start + n / 10, issued_at=start + n / 10 - 1)
            for n, event in enumerate(person(start, 20_000))
        ],
    }[kind]


@pytest.mark.parametrize(
    "kind",
    [
        "one event", "equal times", "zero gaps", "clock steps back", "clock steps ahead", "no time at all",
        "a crowd in one window",
    ],
)  # fmt: skip
def test_odd_histories_have_a_defined_result(resources: Resources, people: People, player: Player, kind: str) -> None:
    events = odd(kind)
    people.have_played(player, events[:50])
    analyse(resources, player)
    if events[50:]:
        people.have_played(player, events[50:])
    assert not analyse(resources, player).outcome.startswith("failed")
    assert recompute(resources, player.username).as_dict()["stored"]["same_bytes"] is True


def test_a_newcomer(resources: Resources, people: People, player: Player) -> None:
    assert analyse(resources, player) == Look(player.username, "clean", analyse(resources, player).verdict, 0)
    assert recompute(resources, player.username).course.events == 0
    people.complete(player)
    assert analyse(resources, player).events == 1


def test_nobody(resources: Resources) -> None:
    with pytest.raises(NotFound):
        analyse_player(resources, 999_999_999)
    with pytest.raises(NotFound):
        recompute(resources, "nobody of that name")


def test_refusals_count_for_family_g(resources: Resources, people: People, player: Player) -> None:
    people.have_played(player, person(hour(3), 60))
    people.execute(
        "INSERT INTO refusals (user_id, at, code, recorded_at) "
        "SELECT :id, t, 'ACTION_TOKEN_INVALID', t FROM generate_series(1, 60) AS n, "
        "LATERAL (SELECT to_timestamp(:at) + n * interval '20 s') AS s (t)",
        id=player.user_id,
        at=hour(3),
    )
    assert analyse(resources, player).outcome == "flag medium: refusals"
    assert recompute(resources, player.username).as_dict()["stored"]["same_bytes"] is True
    assert json.dumps(recompute(resources, player.username).as_dict())
