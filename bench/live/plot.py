"""The plot, as SVG written by hand: a panel for each figure, a bar for each server at each number of sockets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from bench.live.report import BARE, FAIRBOARD, SOCKETIO, Rounds, value

WIDTH, HEIGHT, MARGIN = 300, 250, 24
TOP, BASE = 64, 222
SERVERS = (FAIRBOARD, SOCKETIO, BARE)
STYLE = """
  text { font: 12px system-ui, sans-serif; fill: #24292f }
  .title { font-weight: 600; font-size: 13px }
  .small { font-size: 10.5px; fill: #57606a }
  .axis { stroke: #8c959f }
  .s0 { fill: #0969da } .s1 { fill: #bc4c00 } .s2 { fill: #8c959f }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .small { fill: #9da7b3 } .axis { stroke: #6e7681 }
    .s0 { fill: #58a6ff } .s1 { fill: #f0883e } .s2 { fill: #6e7681 }
  }
"""


@dataclass(frozen=True)
class Panel:
    """One figure: which field, times what, and who is shown."""

    title: str
    field: str
    scale: float
    servers: Sequence[str] = SERVERS


PANELS = (
    Panel("To the last client, p50, ms", "last_p50", 1000),
    Panel("CPU per broadcast, ms", "cpu", 1000),
    Panel("Memory per connection, KiB", "own", 1 / 1024, SERVERS[:2]),
)


def svg(rounds: Rounds) -> str:
    """The whole picture."""
    sizes = sorted({size for (_, size), own in rounds.items() if own})
    width = len(PANELS) * (WIDTH + MARGIN) + MARGIN
    panels = [
        f'<g transform="translate({MARGIN + place * (WIDTH + MARGIN)} 0)">{_panel(panel, rounds, sizes)}</g>'
        for place, panel in enumerate(PANELS)
    ]
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {HEIGHT}" width="{width}" height="{HEIGHT}" '
        'role="img" aria-label="Fairboard, Socket.IO and a bare loop of send, by number of sockets">'
    )
    return "\n".join([head, f"<style>{STYLE}</style>", _legend(rounds), *panels, "</svg>", ""])


def _legend(rounds: Rounds) -> str:
    there = [server for server in SERVERS if any(name == server and own for (name, _), own in rounds.items())]
    parts = []
    for place, server in enumerate(there):
        left = MARGIN + place * 110
        parts.append(f'<rect class="s{SERVERS.index(server)}" x="{left}" y="12" width="12" height="12" rx="2"/>')
        parts.append(f'<text x="{left + 18}" y="22">{escape(server)}</text>')
    return "".join(parts)


def _panel(panel: Panel, rounds: Rounds, sizes: Sequence[int]) -> str:
    values = {
        (server, size): value(own, panel.field) * panel.scale
        for (server, size), own in rounds.items()
        if own and server in panel.servers
    }
    most = max(values.values(), default=1.0) or 1.0
    parts = [f'<text class="title" x="0" y="48">{escape(panel.title)}</text>']
    parts.append(f'<line class="axis" x1="0" x2="{WIDTH}" y1="{BASE}" y2="{BASE}"/>')
    group = WIDTH / max(1, len(sizes))
    for place, size in enumerate(sizes):
        parts.append(
            f'<text class="small" x="{(place + 0.5) * group:.0f}" y="{BASE + 16}" text-anchor="middle">{size:,}</text>'
        )
        parts += _bars(panel, values, most, size, place * group, group)
    return "".join(parts)


def _bars(
    panel: Panel, values: dict[tuple[str, int], float], most: float, size: int, left: float, group: float
) -> list[str]:
    wide, parts = group * 0.84 / len(panel.servers), []
    for place, server in enumerate(panel.servers):
        if (number := values.get((server, size))) is None:
            continue
        tall = max(0.0, number) / most * (BASE - TOP - 14)
        x = left + group * 0.08 + place * wide
        parts.append(
            f'<rect class="s{SERVERS.index(server)}" x="{x:.1f}" y="{BASE - tall:.1f}" width="{wide - 2:.1f}" '
            f'height="{tall:.1f}" rx="2"/>'
            f'<text class="small" x="{x + wide / 2 - 1:.1f}" y="{BASE - tall - 4:.1f}" text-anchor="middle">'
            f"{_short(number)}</text>"
        )
    return parts


def _short(number: float) -> str:
    return f"{number:.0f}" if number >= 10 else f"{number:.1f}"
