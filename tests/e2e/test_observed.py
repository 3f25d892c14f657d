"""Fairboard seen from outside: one completion in the log and in a trace, from the request to the frame."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.processes import open_folder
from tests.support.collector import Collector, Span, collecting
from tests.support.players import Player, completion_body, sign_up
from tests.support.sockets import Wire
from tests.support.stack import Stack, wait_for

pytestmark = pytest.mark.xdist_group("page")
RECOMPUTED = 'fairboard_tasks_total{outcome="success",task="leaderboard.recompute"}'
PARTS = ("web", "leaderboard", "maintenance", "beat")
TRIES = 4


class Observed(Stack):
    """A stack that logs JSON and traces."""

    def __init__(self, folder: Path, collector: Collector) -> None:
        self.collector = collector
        super().__init__(folder)

    def _settings(self) -> dict[str, str]:
        return super()._settings() | {
            "FAIRBOARD_LOG_FORMAT": "json",
            "FAIRBOARD_OTLP_ENDPOINT": self.collector.url,
            "FAIRBOARD_WEB_WORKERS": "1",
            "OTEL_BSP_SCHEDULE_DELAY": "200",
        }

    def lines(self, part: str, **wanted: object) -> list[dict[str, Any]]:
        """The lines of a part's log whose fields, dots being underscores, are these."""
        lines = [json.loads(line) for line in self.parts[part].text().splitlines() if line.startswith("{")]
        names = {name.replace("_", "."): value for name, value in wanted.items()}
        return [line for line in lines if names.items() <= line.items()]


@pytest.fixture(scope="module")
def observed() -> Iterator[Observed]:
    with open_folder() as folder, collecting() as collector, Observed(folder, collector) as stack:
        yield stack


@pytest.fixture(scope="module")
def player(observed: Observed) -> Iterator[Player]:
    made = sign_up(observed)
    yield made
    made.close()


def complete(player: Player, **headers: str) -> str:
    """Complete an action, and return the correlation id of the answer."""
    body = completion_body(player.ripe_token())
    answer = player.http.post("/api/actions/complete", headers=player.headers | headers, json=body)
    assert answer.status_code == 200, answer.text
    return str(answer.headers["X-Request-Id"])


def seen_on_the_board(observed: Observed, name: str) -> tuple[str, int]:
    """The correlation id of a completion that put somebody new on the board, so that its frame comes at once,

    and the version of that frame. The sweep publishes as well, and may be the first to: then another one tries.
    """
    for number in range(TRIES):
        asked, version = _put_on_the_board(observed, **{"X-Request-Id": f"{name}-{number}"})
        told = {"log_logger": "web.sockets.hub", "fairboard_board_version": version}
        (frame, *_) = wait_for(lambda told=told: observed.lines("web", **told))  # type: ignore[misc]
        if frame["correlation.id"] == asked:
            return asked, version
    pytest.fail("no frame names the request that caused it")


def _put_on_the_board(observed: Observed, **headers: str) -> tuple[str, int]:
    newcomer = sign_up(observed)
    try:
        with Wire(observed, newcomer.access) as wire:
            wire.expect("connected")
            wire.join()
            asked = complete(newcomer, **headers)
            return asked, wire.expect("leaderboard:update")["version"]
    finally:
        newcomer.close()


def test_a_request_id_goes_from_the_request_through_the_task_to_the_frame(observed: Observed) -> None:
    name, version = seen_on_the_board(observed, "seen-from-outside")
    asked = observed.lines("web", log_logger="fairboard.access", correlation_id=name)
    assert [(line["http.request.method"], line["http.route"]) for line in asked] == [("POST", "/api/actions/complete")]
    assert asked[0]["http.response.status_code"] == 200
    assert asked[0]["user.id"].isdigit()
    assert asked[0]["event.duration"] > 0
    done = wait_for(lambda: observed.lines("leaderboard", log_logger="workers.base", correlation_id=name))
    assert done[0]["celery.task.name"] == "leaderboard.recompute"
    assert observed.lines("leaderboard", log_logger="celery.app.trace", correlation_id=name)
    frame = wait_for(lambda: observed.lines("web", log_logger="web.sockets.hub", correlation_id=name))
    assert frame[0]["fairboard.board.version"] == version


def test_every_line_of_every_part_is_json(observed: Observed, player: Player) -> None:
    complete(player)
    for part in PARTS:
        lines = [line for line in observed.parts[part].text().splitlines() if re.match(r"\S", line)]
        told = [line for line in lines if re.search(r"INFO|WARNING|ERROR|Traceback", line) and not line.startswith("{")]
        assert told == [], part
        assert observed.lines(part, service_name={"web": "web", "beat": "beat"}.get(part, "worker")), part


def test_an_id_or_a_path_of_a_stranger_forges_no_line(observed: Observed, player: Player) -> None:
    forged = player.http.get('/"%0a{"forged":1}', headers={"X-Request-Id": 'x"} {"forged":1'})
    assert forged.status_code == 404
    assert re.fullmatch(r"[0-9a-f]{16}", forged.headers["X-Request-Id"])
    assert forged.headers["X-Request-Id"] == forged.headers["X-Correlation-Id"]
    lines = observed.lines("web", correlation_id=forged.headers["X-Request-Id"])
    assert [(line["http.route"], line["error.code"]) for line in lines] == [("unknown", "NOT_FOUND")]
    assert "forged" not in observed.web.text()


def test_no_secret_is_in_any_log(observed: Observed, player: Player) -> None:
    complete(player)
    secrets = [player.access, player.refresh, *(part for part in observed.fairboard.values() if len(part) > 30)]
    secrets += [observed.settings.jwt_secret[0], observed.settings.token_keys[0], "a passphrase that is long enough"]
    for part in PARTS:
        assert not [secret for secret in secrets if secret in observed.parts[part].text()], part


def test_one_trace_has_the_request_its_sql_its_task_and_its_frame(observed: Observed) -> None:
    asked, _ = seen_on_the_board(observed, "traced")
    (line,) = observed.lines("web", log_logger="fairboard.access", correlation_id=asked)
    trace = line["trace.id"]

    def whole() -> list[Span]:
        spans = observed.collector.of_trace(trace)
        return spans if {"leaderboard:update", "run/leaderboard.recompute"} <= {span.name for span in spans} else []

    spans = {span.name: span for span in wait_for(whole, what=f"trace {trace}")}
    request, task = spans["POST /api/actions/complete"], spans["run/leaderboard.recompute"]
    sql = next(span for span in spans.values() if span.attributes.get("db.system.name") == "postgresql")
    assert (request.service, task.service, sql.service) == ("fairboard-web", "fairboard-worker", "fairboard-web")
    assert request.parent == ""
    assert sql.parent == request.id
    assert "complete_timed" in sql.attributes["db.query.text"]
    assert spans["apply_async/leaderboard.recompute"].parent == request.id
    assert task.parent == spans["apply_async/leaderboard.recompute"].id
    assert spans["leaderboard:update"].parent in {span.id for span in observed.collector.of_trace(trace)}
    assert "eyJ" not in str(observed.collector.spans), "no token is in any span"


def test_sqlalchemys_statements_have_spans_too(observed: Observed, player: Player) -> None:
    asked = player.get("/api/leaderboard?limit=20").headers["X-Request-Id"]
    (line,) = observed.lines("web", log_logger="fairboard.access", correlation_id=asked)
    spans = wait_for(lambda: observed.collector.of_trace(line["trace.id"]))
    assert {"GET /api/leaderboard", "SELECT fairboard"} <= {span.name for span in spans}, spans


def test_a_stranger_does_not_choose_the_trace(observed: Observed, player: Player) -> None:
    chosen = "0af7651916cd43dd8448eb211c80319c"
    answer = player.http.get("/api/me", headers=player.headers | {"traceparent": f"00-{chosen}-b7ad6b7169203331-01"})
    (line,) = observed.lines("web", log_logger="fairboard.access", correlation_id=answer.headers["X-Request-Id"])
    assert line["trace.id"] != chosen


def test_metrics_tell_of_tasks_beat_sockets_and_the_board(observed: Observed, player: Player) -> None:
    seen_on_the_board(observed, "measured")

    def told() -> dict[str, float]:
        lines = httpx.get(f"{observed.url}/metrics", timeout=10).text.splitlines()
        found = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
        numbers = {name: float(value) for name, value in found.items()}
        return numbers if numbers.get(RECOMPUTED, 0) and numbers.get("fairboard_commit_to_frame_seconds_count") else {}

    found = wait_for(told, what="metrics of a task")
    for name in (
        "fairboard_beat_seen_timestamp_seconds",
        "fairboard_board_version",
        "fairboard_board_players",
        'fairboard_points_total{kind="timed"}',
        'fairboard_database_connections{state="max"}',
        "fairboard_web_resident_bytes",
        "fairboard_event_loop_lag_seconds_count",
        'fairboard_task_seconds_bucket{le="+Inf",task="leaderboard.recompute"}',
    ):
        assert found[name] > 0, name
    assert found["fairboard_requests_in_progress"] == 1, "this one"
    assert found['fairboard_socket_closes_total{code="none"}'] > 0
