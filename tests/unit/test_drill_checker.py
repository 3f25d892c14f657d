"""The judge of the drills sees each kind of harm in a history that has it, and none in one that is well."""

from __future__ import annotations

from dataclasses import replace

import pytest

from drills.checker import Demands, check, refusals
from drills.history import Attempt, Entry, History, Outcome, Request, Sighting, Silence, Truth
from drills.truth import all_shown

BOARD = ((7, 200), (8, 100))
DEMANDS = Demands(followers=2, crowd=frozenset({7, 8}))


def history() -> History:
    return History(
        attempts=[
            Attempt("a", 7, 0.0, 0.1, Outcome.OK, 200, score=100),
            Attempt("b", 7, 1.0, 2.0, Outcome.UNKNOWN, 503, "SERVICE_UNAVAILABLE"),
            Attempt("b", 7, 2.5, 2.6, Outcome.FAIL, 400, "TOKEN_ALREADY_USED"),
            Attempt("c", 8, 3.0, 3.1, Outcome.OK, 200, score=100),
            Attempt("d", 8, 4.0, 4.1, Outcome.UNKNOWN),
        ],
        sightings=[Sighting(0, 1, 1.0, 5, ((7, 100),)), Sighting(0, 1, 3.5, 6, BOARD), Sighting(1, 1, 3.6, 6, BOARD)],
        requests=[Request(7, 0.0, 0.1, 200), Request(8, 2.0, 2.1, 503, "SERVICE_UNAVAILABLE")],
    )


def truth() -> Truth:
    ledger = (Entry("a", 7, 100, 0.0), Entry("b", 7, 100, 1.0), Entry("c", 8, 100, 3.0))
    return Truth(ledger, {7: 200, 8: 100}, {7: 200, 8: 100}, BOARD)


def test_nothing_is_found_where_all_is_well() -> None:
    verdict = check(history(), truth(), DEMANDS)
    assert verdict.problems == ()
    assert (verdict.acknowledged, verdict.lost, verdict.duplicated, verdict.unexpected) == (
        3,
        frozenset(),
        frozenset(),
        frozenset(),
    )


def test_what_nobody_knows_may_be_in_the_ledger_or_not() -> None:
    whole = truth()
    there = replace(
        whole,
        ledger=(*whole.ledger, Entry("d", 8, 100, 4.0)),
        standings={7: 200, 8: 200},
        redis={7: 200, 8: 200},
        top=((7, 200), (8, 200)),
    )
    told = history()
    told.sightings += [Sighting(number, 1, 5.0, 7, there.top) for number in (0, 1)]
    assert check(told, there, DEMANDS).held


@pytest.mark.parametrize("token", ["a", "b", "c"])
def test_an_acknowledged_completion_that_is_gone_is_lost(token: str) -> None:
    whole = truth()
    verdict = check(
        history(), replace(whole, ledger=tuple(entry for entry in whole.ledger if entry.token != token)), DEMANDS
    )
    assert verdict.lost == {token}
    assert verdict.problems[0].startswith("I1: acknowledged and not in the ledger")


def test_an_entry_that_nobody_attempted_is_unexpected() -> None:
    whole = truth()
    verdict = check(history(), replace(whole, ledger=(*whole.ledger, Entry("x", 8, 0, 9.0))), DEMANDS)
    assert verdict.unexpected == {"x"}
    assert not verdict.held


def test_a_token_that_is_in_the_ledger_twice_is_duplicated() -> None:
    whole = truth()
    verdict = check(history(), replace(whole, ledger=(*whole.ledger, Entry("c", 8, 0, 3.0))), DEMANDS)
    assert verdict.duplicated == {"c"}
    assert not verdict.held


def test_a_token_that_was_paid_twice_is_duplicated() -> None:
    told = history()
    told.attempts.append(Attempt("c", 8, 3.2, 3.3, Outcome.OK, 200, score=100))
    assert check(told, truth(), DEMANDS).duplicated == {"c"}


def problems(told: History | None = None, whole: Truth | None = None, demands: Demands = DEMANDS) -> str:
    return "\n".join(check(told or history(), whole or truth(), demands).problems)


def test_an_acknowledgement_while_nothing_could_be_durable_is_false() -> None:
    told = history()
    told.silences.append(Silence(2.9, 3.9))
    assert problems(told).startswith("I1: acknowledged while")


def test_an_acknowledgement_that_arrives_after_the_silence_is_right() -> None:
    told = history()
    told.silences.append(Silence(2.9, 3.05))
    assert not problems(told)


def test_a_standing_that_is_not_the_sum() -> None:
    assert "I2: player 8" in problems(whole=replace(truth(), standings={7: 200, 8: 300}, redis={7: 200, 8: 300}))


def test_an_answer_with_another_score_than_the_ledger() -> None:
    told = history()
    told.attempts[0] = replace(told.attempts[0], score=200)
    assert "I2: player 7 was told 200" in problems(told)


@pytest.mark.parametrize("redis", [{7: 200}, {7: 100, 8: 100}])
def test_redis_that_is_not_postgresql(redis: dict[int, int]) -> None:
    assert "I3: player" in problems(whole=replace(truth(), redis=redis))


def test_more_completions_than_a_minute_allows() -> None:
    entries = tuple(Entry(f"e{number}", 9, 100, number * 5.0) for number in range(11))
    told = history()
    told.attempts += [Attempt(one.token, 9, one.at, one.at, Outcome.UNKNOWN) for one in entries]
    whole = truth()
    more = replace(whole, ledger=(*whole.ledger, *entries), standings={**whole.standings, 9: 1100})
    assert "I5: player 9: more than 10" in problems(told, more)
    allowed = replace(more, ledger=(*whole.ledger, *(replace(one, at=one.at * 1.2) for one in entries)))
    assert "I5" not in problems(told, allowed)


def test_an_answer_that_comes_late() -> None:
    told = history()
    told.attempts.append(Attempt("d", 8, 10.0, 16.0, Outcome.UNKNOWN))
    told.requests.append(Request(8, 10.0, 17.0))
    assert "I6: 2 answers later than 5.0 s, the latest after 7.0 s" in problems(told)
    assert "I6" not in problems(told, demands=replace(DEMANDS, answer_seconds=8.0))
    assert told.slowest() == pytest.approx(7.0)


def test_sockets_that_end_on_another_board() -> None:
    told = history()
    del told.sightings[-1]
    told.sightings.append(Sighting(1, 1, 3.6, 5, ((7, 100),)))
    assert "I7: follower 1 did not end" in problems(told)


@pytest.mark.parametrize("version", [5, 6])
def test_versions_that_do_not_grow(version: int) -> None:
    told = history()
    told.sightings.append(Sighting(0, 1, 4.0, version, BOARD, published=False))
    assert "twice or late" in problems(told)


def test_a_version_may_come_again_on_another_connection() -> None:
    told = history()
    told.sightings.append(Sighting(0, 2, 4.0, 6, BOARD, published=False))
    assert not problems(told)


def test_a_version_with_two_boards() -> None:
    told = history()
    told.sightings.insert(0, Sighting(2, 1, 1.0, 6, ((7, 100),)))
    assert "I7: version 6 named two boards" in problems(told)


def test_what_verify_finds_is_a_problem() -> None:
    assert problems(whole=replace(truth(), differences=("ledger: an entry was changed",))).startswith("verify:")


def test_the_outage_is_the_longest_time_without_a_success() -> None:
    told = History([Attempt("a", 7, 0.0, at, Outcome.OK) for at in (0.5, 1.0, 4.0, 4.2)])
    assert told.outage(0.8, 5.0) == pytest.approx(3.0)
    assert told.outage(4.1, 9.0) == pytest.approx(4.8)
    assert told.resumed(0.8, 5.0) == pytest.approx(4.0)


def test_tokens_that_are_given_out_hide_no_outage_of_completions() -> None:
    told = History(
        [
            Attempt("a", 7, 0.0, 1.0, Outcome.OK),
            Attempt("b", 7, 2.0, 5.0, Outcome.UNKNOWN),
            Attempt("b", 7, 8.9, 9.0, Outcome.FAIL, 400, "TOKEN_ALREADY_USED"),
        ],
        [Request(7, at, at + 0.1, 200) for at in (0.9, 3.4, 6.9, 9.4)] + [Request(7, 5.0, 5.5, 503)],
    )
    assert told.outage(0.5, 10.0) == pytest.approx(8.0)
    assert told.resumed(0.5, 10.0) == pytest.approx(9.0)
    assert told.outage_of_requests(0.5, 10.0) == pytest.approx(3.5)


def test_an_error_of_the_server_itself_is_a_problem_whatever_came_of_it() -> None:
    told = history()
    told.attempts.append(Attempt("d", 8, 5.0, 5.1, Outcome.UNKNOWN, 500, "INTERNAL_ERROR"))
    told.requests.append(Request(8, 5.0, 5.1, 500, "INTERNAL_ERROR"))
    assert check(told, truth(), DEMANDS).problems == (
        "I8: complete: 500 INTERNAL_ERROR, 1 times",
        "I8: request: 500 INTERNAL_ERROR, 1 times",
    )


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_page_of_a_proxy_does_not_say_what_is_away(status: int) -> None:
    told = history()
    told.requests += [Request(8, 5.0, 5.1, status), Request(8, 6.0, 6.1, status)]
    assert problems(told) == f"I8: request: {status}, 2 times"


@pytest.mark.parametrize(("status", "code"), [(400, "ACTION_TOKEN_EXPIRED"), (401, "INVALID_TOKEN"), (413, "")])
def test_whoever_was_refused_for_good_is_not_paid(status: int, code: str) -> None:
    told = history()
    told.attempts[2] = replace(told.attempts[2], player=9, status=status, code=code)
    assert problems(told) == "I9: refused for good and in the ledger: 1, such as b"
    told.attempts.append(Attempt("b", 9, 2.7, 2.8, Outcome.FAIL, 400, "TOKEN_ALREADY_USED"))
    assert not problems(told), "the last word counts"


def test_a_limit_is_no_word_about_the_token() -> None:
    told = history()
    told.attempts[2] = replace(told.attempts[2], status=429, code="RATE_LIMIT_EXCEEDED")
    assert not problems(told)


def test_a_fault_has_nobody_refused_who_is_honest() -> None:
    told = history()
    told.attempts.append(Attempt("e", 8, 5.0, 5.1, Outcome.FAIL, 400, "SUSPICIOUS_ACTIVITY"))
    told.requests += [Request(7, 5.0, 5.1, 401, "INVALID_TOKEN"), Request(7, 6.0, 6.1, 401, "INVALID_TOKEN")]
    told.requests += [Request(7, 7.0, 7.1, 429, "RATE_LIMIT_EXCEEDED"), Request(9, 7.0, 7.1, 403, "FORBIDDEN")]
    suspected, invalid = (
        "I9: honest players refused: complete: 400 SUSPICIOUS_ACTIVITY, 1 times",
        "I9: honest players refused: request: 401 INVALID_TOKEN, 2 times",
    )
    assert problems(told) == f"{suspected}\n{invalid}"
    assert problems(told, demands=replace(DEMANDS, refused=frozenset({"SUSPICIOUS_ACTIVITY"}))) == invalid
    assert refusals(told, DEMANDS.crowd).total() == 3


def test_everybody_learns_what_became_of_a_completion() -> None:
    told = history()
    told.pending |= {"d": 8, "e": 8, "f": 7}
    assert problems(told) == "I9: 2 clients never learned what became of their completion, such as d, e, f"


def test_a_follower_that_was_shown_nothing() -> None:
    assert problems(demands=replace(DEMANDS, followers=3)) == (
        "I7: follower 2 received no update\nI7: follower 2 did not end on the board that PostgreSQL has"
    )


def test_a_first_board_is_no_update() -> None:
    told = history()
    told.sightings[-1] = replace(told.sightings[-1], published=False)
    assert problems(told) == "I7: follower 1 received no update"


def test_sockets_have_not_converged_while_one_follower_sees_nothing() -> None:
    scores = [score for _, score in BOARD]
    assert all_shown(history(), scores, 2)
    assert not all_shown(history(), scores, 3)
    assert not all_shown(history(), [300, 100], 2)
