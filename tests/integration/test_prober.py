"""The prober: what it sees of a primary with a standby, and when it calls something lost."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from psycopg2 import extensions

from models import nodes
from models.database import use_deadline
from models.nodes import Nodes
from services import prober as probing
from services.prober import MISSES, Prober, Role, Watch
from services.resources import Resources
from tests.support.ground import Servers, make_settings, opened
from tests.support.stack import Stack


@pytest.fixture(autouse=True)
def deadline() -> Iterator[None]:
    use_deadline(0.5)
    yield
    extensions.set_wait_callback(None)
    nodes._silent.clear()


@pytest.fixture
def watched(servers: Servers, resources: Resources) -> Iterator[Resources]:
    """The tests' PostgreSQL beside a node that is away."""
    own = f"127.0.0.1:{servers.postgres.port}"
    url = servers.postgres.app_url.replace(own, f"127.0.0.1:1,{own}")
    with opened(make_settings(servers, database_url=url)) as watched:
        yield watched


def is_lost(prober: Prober) -> bool:
    return prober.primary_lost


def test_it_knows_the_primary_and_what_is_lost(servers: Servers, watched: Resources) -> None:
    seen: dict[str, str] = {}
    prober = Prober(watched, seen.__setitem__)
    assert (prober.primary, prober.primary_lost) == (None, False), "nothing was looked at"
    for _ in range(MISSES):
        prober.look_once()
    own = f"127.0.0.1:{servers.postgres.port}"
    assert seen == {"127.0.0.1:1": "lost", own: "primary", "redis": "up"}
    assert (prober.primary, prober.primary_lost) == (own, False)


def test_whatever_goes_wrong_the_watch_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """A look that surprises is no answer, and a report that fails is made again."""
    monkeypatch.setattr(probing, "PERIOD_SECONDS", 0.0)
    monkeypatch.setattr(probing, "LOST_PERIOD_SECONDS", 0.0)
    looks: Iterator[object] = iter([*["up"] * 2, *[ZeroDivisionError("a bug of ours")] * MISSES, "up", SystemExit()])
    seen: list[str] = []

    def look() -> Role:
        answer = next(looks)
        if isinstance(answer, BaseException):
            raise answer
        return "up"

    def report(name: str, role: Role) -> None:
        seen.append(role)
        if len(seen) == 1:
            raise OSError("no room on the disk")

    watch = Watch("what surprises", look, report)
    with pytest.raises(SystemExit):
        watch._run()
    assert seen == ["up", "up", "up", "lost", "up"]


def test_a_frozen_primary_is_lost_after_two_looks_and_not_tried_again(servers: Servers, watched: Resources) -> None:
    prober = Prober(watched)
    prober.look_once()
    Stack.freeze(servers.postgres)
    try:
        prober.look_once()
        assert not is_lost(prober), "once may be chance"
        prober.look_once()
        assert is_lost(prober)
        with pytest.raises(Exception, match="no node answered a moment ago"):
            Nodes(watched.settings.database_url, {}).connect()
    finally:
        Stack.thaw(servers.postgres)
    prober.look_once()
    assert prober.primary == f"127.0.0.1:{servers.postgres.port}"
    Nodes(watched.settings.database_url, {}).connect().close()
