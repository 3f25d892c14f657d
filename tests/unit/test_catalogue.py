"""The catalogue: every rule of its own file and of the data of `once` actions."""

from __future__ import annotations

import re

import pytest

from config.catalogue import (
    CatalogueError,
    OnceAction,
    TimedAction,
    get_catalogue,
    parse_catalogue,
    points_ceiling,
)

TIMED = {"title": '"T"', "kind": '"timed"', "points": "1", "min_ms": "1_000", "max_ms": "300_000"}


def timed(action_type: str = "a", /, **changes: str | None) -> str:
    """A timed action as TOML; None leaves a line out."""
    fields = {**TIMED, **changes}
    return f"[action.{action_type}]\n" + "\n".join(
        f"{key} = {value}" for key, value in fields.items() if value is not None
    )


def once(rule: str) -> str:
    return f'[action.a]\ntitle = "T"\nkind = "once"\npoints = 1\n[action.a.data]\nfield = {rule}'


def refusal(rule: str, value: object) -> str | None:
    action = parse_catalogue(once(rule))["a"]
    assert isinstance(action, OnceAction)
    return action.refusals({"field": value}).get("field")


def test_ours_has_three_timed_actions_of_different_worth_and_bounds_and_three_once_actions() -> None:
    actions = get_catalogue().values()
    timed_ones = [action for action in actions if isinstance(action, TimedAction)]
    once_ones = [action for action in actions if isinstance(action, OnceAction)]
    assert len({action.points for action in timed_ones}) >= 3
    assert len({(action.min_ms, action.max_ms) for action in timed_ones}) >= 3
    assert (1_000, 300_000) in {(action.min_ms, action.max_ms) for action in timed_ones}
    assert {rule.type for action in once_ones for rule in action.data.values()} == {"choice", "integer", "text"}


@pytest.mark.parametrize(("low", "high"), [("1_000", "300_000"), ("1_000", "1_001"), ("299_999", "300_000")])
def test_bounds_within_1000_and_300000_are_taken(low: str, high: str) -> None:
    action = parse_catalogue(timed(min_ms=low, max_ms=high))["a"]
    assert isinstance(action, TimedAction)
    assert (action.min_ms, action.max_ms) == (int(low), int(high))


@pytest.mark.parametrize(
    "changes",
    [
        {"min_ms": "999"},
        {"max_ms": "300_001"},
        {"min_ms": "5_000", "max_ms": "5_000"},
        {"min_ms": "6_000", "max_ms": "5_000"},
        {"min_ms": "-1"},
        {"min_ms": "1000.5"},
        {"min_ms": '"1000"'},
        {"min_ms": None},
        {"max_ms": None},
        {"points": "0"},
        {"points": "-5"},
        {"points": "1_000_001"},
        {"points": "true"},
        {"points": "1.0"},
        {"points": None},
        {"title": '""'},
        {"title": '"' + "x" * 81 + '"'},
        {"title": None},
        {"kind": '"sometimes"'},
        {"kind": None},
        {"data": "{}"},
        {"bonus": "5"},
        {"board": "5"},
    ],
)
def test_a_timed_action_that_breaks_a_rule_is_refused(changes: dict[str, str | None]) -> None:
    with pytest.raises(CatalogueError, match=r"action\.a|'a'|\ba\b"):
        parse_catalogue(timed(**changes))


@pytest.mark.parametrize("name", ["A", "1a", '"a b"', '"a-b"', "x" * 33, '""', '"ü"'])
def test_an_action_type_is_a_short_lower_case_word(name: str) -> None:
    with pytest.raises(CatalogueError):
        parse_catalogue(timed(name))


@pytest.mark.parametrize(
    "rule",
    [
        '{type = "choice", of = ["one"], answer = "one"}',
        '{type = "choice", of = ["one", "two"], answer = "three"}',
        '{type = "choice", of = ["one", "two"]}',
        '{type = "choice", of = ["one", 2], answer = "one"}',
        '{type = "integer", min = 1}',
        '{type = "integer", min = "1", max = 2}',
        '{type = "integer", min = 1, max = 2, step = 1}',
        '{type = "text", pattern = "["}',
        '{type = "text"}',
        '{type = "text", pattern = "a", max_length = 0}',
        '{type = "text", pattern = "a", max_length = 1001}',
        '{type = "number", min = 1, max = 2}',
        "{}",
        "5",
    ],
)
def test_a_data_rule_that_makes_no_sense_is_refused(rule: str) -> None:
    with pytest.raises(CatalogueError):
        parse_catalogue(once(rule))


def test_an_integer_rule_that_nothing_meets_is_refused() -> None:
    with pytest.raises(CatalogueError):
        parse_catalogue(once('{type = "integer", min = 2, max = 1}'))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[action]",
        "action = 5",
        "[action]\na = 5",
        "[action.a",
        "[[action]]",
        "\x00",
        "[other.a]\nx = 1",
        timed() + "\n[settings]\nx = 1",
        timed() + "\n" + timed(),
        '[action.a]\ntitle = "T"\nkind = "once"\npoints = 1',
        '[action.a]\ntitle = "T"\nkind = "once"\npoints = 1\ndata = {}',
    ],
)
def test_what_is_no_catalogue_is_refused(text: str) -> None:
    with pytest.raises(CatalogueError, match="catalogue of actions"):
        parse_catalogue(text)


CHOICE = '{type = "choice", of = ["a", "b"], answer = "b"}'
INTEGER = '{type = "integer", min = 1, max = 100}'
TEXT = '{type = "text", pattern = "[A-Z]{4}-[0-9]{4}"}'


@pytest.mark.parametrize(("rule", "value"), [(CHOICE, "b"), (INTEGER, 1), (INTEGER, 100), (TEXT, "ABCD-1234")])
def test_data_that_meet_the_rule_are_taken(rule: str, value: object) -> None:
    assert refusal(rule, value) is None


@pytest.mark.parametrize(
    ("rule", "value"),
    [
        *((CHOICE, value) for value in ("a", "c", "B", "", 1, None, ["b"], {"b": 1})),
        *((INTEGER, value) for value in (0, 101, True, False, 1.0, "1", None, [1], 10**400)),
        *(
            (TEXT, value)
            for value in ("abcd-1234", "ABCD-1234\n", " ABCD-1234", "ABCD-12345", "", 5, None, "ABCD-١٢٣٤")
        ),
    ],
)
def test_data_that_break_the_rule_are_refused(rule: str, value: object) -> None:
    assert refusal(rule, value)


def test_a_text_may_be_as_long_as_its_rule_says() -> None:
    rule = '{type = "text", pattern = ".*", max_length = 5}'
    assert refusal(rule, "x" * 5) is None
    assert refusal(rule, "x" * 6)


def test_every_field_is_asked_for_and_no_other_taken() -> None:
    action = parse_catalogue(once(INTEGER) + f"\nsecond = {CHOICE}")["a"]
    assert isinstance(action, OnceAction)
    assert action.refusals({"field": 5, "second": "b"}) == {}
    assert action.refusals({"field": 500, "third": 1}) == {
        "third": "is not a field of this action",
        "field": "must be a whole number from 1 to 100",
        "second": "is missing",
    }


def test_a_refusal_does_not_give_the_answer_away() -> None:
    wrong = refusal('{type = "choice", of = ["red", "blue"], answer = "blue"}', "red")
    assert wrong
    assert not re.search("red|blue", wrong)


@pytest.mark.parametrize(
    ("actions", "ceiling"),
    [
        (timed(points="7"), 70),  # As many as the limits let through.
        (timed(points="7", min_ms="25_000"), 42),  # In two tabs each: begun before the minute, and two more.
        (timed(points="7", min_ms="25_000") + "\n" + timed("b", points="2"), 6 * 7 + 4 * 2),
        (once(CHOICE), 0),
    ],
)
def test_what_a_minute_can_pay_at_most(actions: str, ceiling: int) -> None:
    assert points_ceiling(parse_catalogue(actions).values()) == ceiling
