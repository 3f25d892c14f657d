"""Ask a running Prometheus for everything that the dashboard and the alerts ask for, and draw the dashboard.

    python -m deploy.dashboard --prometheus http://127.0.0.1:9090 --picture docs/images/dashboard.svg

It says for each panel how much came back, and ends with 1 if a panel is empty or a rule cannot be evaluated. The
picture is drawn here, after the layout that Grafana would use; Grafana itself takes no part.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import yaml

HERE = Path(__file__).parent
STEP = 5
COLUMN, GRID, GAP = 50, 34, 8
"""Pixels of Grafana's grid, which is 24 wide, and between two panels."""
COLOURS = ("#3274d9", "#56a64b", "#f2a73b", "#e02f44", "#8f3bb8", "#00a2a2", "#b877d9", "#705da0", "#c15c17", "#6e7681")
STYLE = """
  text { font: 11px system-ui, sans-serif; fill: #d8d9da } .title { font-weight: 600; font-size: 12px }
  .row { font-weight: 600; font-size: 14px } .big { font-weight: 600; font-size: 30px; fill: #73bf69 }
  .small { font-size: 10px; fill: #8e9297 } .panel { fill: #181b1f; stroke: #2c3235 } .axis { stroke: #2c3235 }
"""


class Series(NamedTuple):
    """One line of a panel."""

    label: str
    points: list[tuple[float, float]]


def main() -> None:
    """Ask, tell, draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prometheus", default="http://127.0.0.1:9090")
    parser.add_argument("--minutes", type=float, default=5.0, help="how far back")
    parser.add_argument("--picture", type=Path)
    options = parser.parse_args()
    panels = json.loads((HERE / "grafana/dashboards/fairboard.json").read_text("utf-8"))["panels"]
    with httpx.Client(base_url=options.prometheus, timeout=20) as client:
        found = {panel["id"]: ask(client, panel, options.minutes) for panel in panels if "id" in panel}
        broken = [rule for rule in rules() if not evaluates(client, rule)]
    for panel in (panel for panel in panels if "id" in panel):
        points = sum(len(series.points) for series in found[panel["id"]])
        print(
            f"{'ok   ' if points else 'EMPTY'} {panel['title']:32} {len(found[panel['id']]):3} series {points:5} points"
        )
    print(f"{len(rules()) - len(broken)} of {len(rules())} alert rules can be evaluated {broken or ''}")
    if options.picture:
        options.picture.write_text(draw(panels, found), encoding="utf-8")
    sys.exit(1 if broken or not all(found.values()) else 0)


def rules() -> list[dict[str, Any]]:
    """The alert rules."""
    groups = yaml.safe_load((HERE / "prometheus/alerts.yml").read_text("utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def evaluates(client: httpx.Client, rule: dict[str, Any]) -> bool:
    """Whether Prometheus takes the expression."""
    return bool(client.get("/api/v1/query", params={"query": rule["expr"]}).json()["status"] == "success")


def ask(client: httpx.Client, panel: dict[str, Any], minutes: float) -> list[Series]:
    """All series of a panel, without points that are not numbers."""
    found, now = [], time.time()
    for target in panel["targets"]:
        query = target["expr"].replace("$__rate_interval", "1m")
        parameters = {"query": query, "start": now - 60 * minutes, "end": now, "step": STEP}
        answer = client.get("/api/v1/query_range", params=parameters).json()
        if answer["status"] != "success":
            raise SystemExit(f"{panel['title']}: {answer.get('error')}")
        for row in answer["data"]["result"]:
            points = [(at, float(value)) for at, value in row["values"] if value not in ("NaN", "+Inf", "-Inf")]
            found += [Series(label(target["legendFormat"], row["metric"]), points)] if points else []
    return found


def label(form: str, metric: dict[str, str]) -> str:
    """The legend's text."""
    for name, value in metric.items():
        form = form.replace("{{" + name + "}}", value)
    return form


def draw(panels: list[dict[str, Any]], found: dict[int, list[Series]]) -> str:
    """The dashboard as SVG."""
    width = 24 * COLUMN
    height = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in panels) * GRID
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">'
    back = f'<rect width="{width}" height="{height}" fill="#111217"/>'
    return "\n".join([head, f"<style>{STYLE}</style>", back, *(_panel(panel, found) for panel in panels), "</svg>", ""])


def _panel(panel: dict[str, Any], found: dict[int, list[Series]]) -> str:
    grid = panel["gridPos"]
    left, top = grid["x"] * COLUMN, grid["y"] * GRID
    if panel["type"] == "row":
        return f'<text class="row" x="{left + 6}" y="{top + 22}">{escape(panel["title"])}</text>'
    wide, tall = grid["w"] * COLUMN - GAP, grid["h"] * GRID - GAP
    inside = _stat if panel["type"] == "stat" else _chart
    unit = panel["fieldConfig"]["defaults"]["unit"]
    return (
        f'<g transform="translate({left + GAP // 2} {top})"><rect class="panel" width="{wide}" height="{tall}" rx="3"/>'
        f'<text class="title" x="10" y="18">{escape(panel["title"])}</text>'
        f"{inside(found[panel['id']], wide, tall, unit)}</g>"
    )


def _stat(series: list[Series], wide: int, tall: int, unit: str) -> str:
    value = series[0].points[-1][1] if series else 0.0
    middle = f'x="{wide / 2}" y="{tall / 2 + 22}"'
    return f'<text class="big" text-anchor="middle" {middle}>{written(value, unit)}</text>'


def _chart(series: list[Series], wide: int, tall: int, unit: str) -> str:
    left, right, top, base = 56, wide - 10, 30, tall - 40
    every = [point for one in series for point in one.points]
    most = max((value for _, value in every), default=0) or 1.0
    first, last = min(at for at, _ in every), max(at for at, _ in every)
    parts = []
    for share in (0, 0.5, 1):
        y = base - share * (base - top)
        parts.append(f'<line class="axis" x1="{left}" x2="{right}" y1="{y:.0f}" y2="{y:.0f}"/>')
        parts.append(
            f'<text class="small" text-anchor="end" x="{left - 6}" y="{y + 3:.0f}">{written(most * share, unit)}</text>'
        )
    along, end, line = (right - left) / max(1.0, last - first), float(left), tall - 22
    for place, one in enumerate(sorted(series, key=lambda one: -one.points[-1][1])):
        colour = COLOURS[place % len(COLOURS)]
        path = " ".join(
            f"{left + (at - first) * along:.1f},{base - v / most * (base - top):.1f}" for at, v in one.points
        )
        parts.append(f'<polyline fill="none" stroke="{colour}" stroke-width="1.5" points="{path}"/>')
        if end + 5.6 * len(one.label) + 12 > right and line < tall - 9:
            end, line = left, tall - 9
        if end + 5.6 * len(one.label) + 12 < right:
            parts.append(f'<rect x="{end:.0f}" y="{line - 5}" width="8" height="3" fill="{colour}"/>')
            parts.append(f'<text class="small" x="{end + 12:.0f}" y="{line}">{escape(one.label)}</text>')
            end += 26 + 5.6 * len(one.label)
    return "".join(parts)


def written(value: float, unit: str) -> str:
    """A number as people read it."""
    if unit == "s":
        return f"{value * 1000:.3g} ms" if value < 1 else f"{value:.3g} s"
    if unit == "bytes":
        return f"{value / 2**20:.3g} MiB"
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.2g}"


if __name__ == "__main__":
    main()
