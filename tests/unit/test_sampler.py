"""The sampler of a web process, when the process has run out of what a sample takes."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import cast

import gevent
import pytest

from services.resources import Resources, for_requests
from tests.support.nowhere import settings
from web import sampler
from web.sockets.hub import Hub
from web.sockets.loop import Loop


@contextmanager
def no_descriptors() -> Iterator[None]:
    """Nothing can be opened, as after too many sockets."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_sample_that_fails_is_not_the_last(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(sampler, "SECONDS", 0.001)
    resources = for_requests(settings())
    hub = Hub(cast(Resources, None), "global", nullcontext, Loop(io_uring=False))
    measuring = gevent.spawn(sampler._forever, resources, hub)
    gevent.sleep(0.01)
    with no_descriptors():
        gevent.sleep(0.01)
    assert "a sample failed" in caplog.text
    sampler.MEMORY.set(0)
    gevent.sleep(0.01)
    assert sampler.MEMORY._value.get() > 0
    measuring.kill()
    resources.engine.dispose()
