"""The attacks of `make attack`, small. Their full sizes and what they found are in docs/attacks.md."""

from __future__ import annotations

from config.settings import Settings
from services.resources import Resources
from tests.attacks import mutations, races
from tests.attacks.outcome import Outcome


def assert_held(outcome: Outcome) -> None:
    assert outcome.held, outcome.found
    assert outcome.tries


def test_no_mutation_of_an_access_token_is_accepted() -> None:
    assert_held(mutations.access_tokens(5_000))


def test_no_mutation_of_an_action_token_is_accepted() -> None:
    assert_held(mutations.tokens_of_actions(10_000))


def test_no_token_pays_twice_in_two_processes(settings: Settings, resources: Resources) -> None:
    assert_held(races.replays(settings, resources, 200))


def test_no_burst_from_two_processes_gets_over_a_limit(settings: Settings, resources: Resources) -> None:
    assert_held(races.bursts(settings, resources, 50))
