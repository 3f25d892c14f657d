"""Metrics, their table, the alerts, the runbooks and the dashboard are held to each other."""

from __future__ import annotations

import ast
import json
import re
from html import escape
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.processes import ROOT

DOCS = Path(ROOT, "docs")
PROMETHEUS = Path(ROOT, "deploy", "prometheus")
DASHBOARD = Path(ROOT, "deploy", "grafana", "dashboards", "fairboard.json")
RUNBOOKS = sorted(page for page in (DOCS / "runbooks").glob("*.md") if page.name != "README.md")
KINDS = {"Counter": "counter", "Gauge": "gauge", "Histogram": "histogram"}
NAME = re.compile(r"\bfairboard_[a-z_]+\b")
SUFFIXES = ("_bucket", "_count", "_sum")


def metrics() -> dict[str, str]:
    """Every metric that the code makes, with its kind."""
    found = {}
    for path in Path(ROOT, "web").rglob("*.py"):
        for call in (node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Call)):
            maker = call.func.id.removesuffix("MetricFamily") if isinstance(call.func, ast.Name) else ""
            if maker in KINDS and call.args and isinstance(call.args[0], ast.Constant):
                name = str(call.args[0].value)
                found[f"{name}_total" if maker == "Counter" else name] = KINDS[maker]
    return found


def without_suffix(name: str) -> str:
    """The metric that a series belongs to."""
    return next((name.removesuffix(end) for end in SUFFIXES if name.endswith(end)), name)


def alerts() -> list[dict[str, Any]]:
    groups = yaml.safe_load((PROMETHEUS / "alerts.yml").read_text("utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    return [panel for panel in json.loads(DASHBOARD.read_text("utf-8"))["panels"] if panel["type"] != "row"]


def test_every_metric_is_in_the_table_and_the_other_way_round() -> None:
    text = (DOCS / "operations.md").read_text("utf-8")
    rows = dict(re.findall(r"^\| `(fairboard_\w+)` \| (\w+) \|", text, re.MULTILINE))
    assert len(rows) > 20
    assert rows == metrics()


@pytest.mark.parametrize("name", sorted(metrics()))
def test_names_follow_prometheus_conventions(name: str) -> None:
    kind = metrics()[name]
    assert name.endswith("_total") == (kind == "counter")
    assert kind != "histogram" or name.endswith(("_seconds", "_bytes"))
    assert not re.search(r"_(milliseconds|ms|minutes|kib)\b", name)


def test_alerts_ask_for_metrics_that_exist() -> None:
    for rule in alerts():
        asked = {without_suffix(name) for name in NAME.findall(rule["expr"])}
        assert asked or rule["expr"].startswith("up{"), rule["alert"]
        assert asked <= set(metrics()), rule["alert"]


def test_every_alert_has_a_runbook_and_every_runbook_an_alert() -> None:
    pages = {page.stem for page in RUNBOOKS}
    assert {rule["alert"] for rule in alerts()} == pages
    for rule in alerts():
        notes = rule["annotations"]
        assert notes["runbook_url"].endswith(f"docs/runbooks/{rule['alert']}.md")
        assert notes["summary"]
        assert rule["labels"]["severity"] in ("page", "ticket")


def test_every_alert_has_figures_that_raise_it() -> None:
    """`make check-monitoring` has promtool find out whether they do."""
    tests = yaml.safe_load((PROMETHEUS / "tests" / "alerts.yml").read_text("utf-8"))["tests"]
    assert [test["name"] for test in tests] == [rule["alert"] for rule in alerts()]
    for test in tests:
        assert test["alert_rule_test"][0]["exp_alerts"], test["name"]


def test_further_cases_of_an_alert_bear_its_name() -> None:
    for test in yaml.safe_load((PROMETHEUS / "tests" / "further.yml").read_text("utf-8"))["tests"]:
        assert {one["alertname"] for one in test["alert_rule_test"]} == {test["name"].partition(",")[0]}


@pytest.mark.parametrize("page", RUNBOOKS, ids=lambda page: page.stem)
def test_a_runbook_says_what_to_do(page: Path) -> None:
    text = page.read_text("utf-8")
    for heading in ("What it means", "What players notice", "First look", "Mend", "Afterwards"):
        assert f"## {heading}\n" in text, heading


def test_the_dashboard_asks_for_metrics_that_exist() -> None:
    for panel in panels():
        assert panel["targets"], panel["title"]
        for target in panel["targets"]:
            asked = {without_suffix(name) for name in NAME.findall(target["expr"])}
            assert asked, panel["title"]
            assert asked <= set(metrics()), panel["title"]


def test_the_picture_is_of_the_dashboard_as_it_is() -> None:
    picture = (DOCS / "images" / "dashboard.svg").read_text("utf-8")
    assert [panel["title"] for panel in panels() if escape(panel["title"]) not in picture] == []


def test_the_dashboard_has_the_golden_signals_of_http_sockets_and_tasks() -> None:
    rows = [panel["title"] for panel in json.loads(DASHBOARD.read_text("utf-8"))["panels"] if panel["type"] == "row"]
    assert rows[1:4] == ["HTTP", "Sockets", "Tasks"]
    assert len({panel["id"] for panel in panels()}) == len(panels())


def test_prometheus_reads_the_alerts() -> None:
    assert yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text("utf-8"))["rule_files"] == ["alerts*.yml"]
