"""For all tests: no setting of this machine reaches them, Hypothesis takes its time, and one stack serves them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from cli.embedded import server

if TYPE_CHECKING:
    from tests.support.stack import Stack

# What names the browser is about this machine and sets nothing: see tests/support/browser.py.
for name in [name for name in os.environ if name.startswith("FAIRBOARD_") and name != "FAIRBOARD_TEST_BROWSER"]:
    del os.environ[name]

# Real servers take as long as they take, and fixtures that last for many examples are cleaned by the tests themselves.
settings.register_profile(
    "fairboard",
    deadline=None,
    max_examples=60,
    print_blob=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
settings.load_profile("fairboard")

# Each process of pytest-xdist draws from ports of its own: one that was killed has its port free for a moment.
own = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 2
server._given.update(port for port in range(2**16) if port % 2 != own)


PAGE = ("browser/", "test_fairboard_js", "test_embed", "test_cors")
"""Tests of the page and its client, which have a stack that nobody hurts."""


def pytest_itemcollected(item: pytest.Item) -> None:
    """Two stacks at most, each in one process of pytest-xdist: more of them would slow each other down."""
    if "stack" in getattr(item, "fixturenames", ()):
        group = "page" if any(part in item.nodeid for part in PAGE) else "stack"
        item.add_marker(pytest.mark.xdist_group(group))


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """A running Fairboard, which tests that hurt it heal again."""
    from tests.support.stack import running_stack  # noqa: PLC0415 -- unit tests do without

    with running_stack() as running:
        yield running
