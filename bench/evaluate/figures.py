"""The pictures of the evaluation, as SVG that needs nothing to be drawn."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 900, 420, 60, 45, 30
COLOURS = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#8c564b", "#17becf", "#7f7f7f")


def detection(curves: Mapping[str, Sequence[int | None]], most: int = 3_000) -> str:
    """The share of cheats flagged against events of cheating, from 5 to `most`, on a logarithmic axis."""
    plot = WIDTH - LEFT - 290
    parts = _frame("Share of cheats flagged, against completions since the first cheat", plot)
    for ticks in (5, 10, 30, 100, 300, 1_000, 3_000):
        x = LEFT + plot * math.log(ticks / 5) / math.log(most / 5)
        parts.append(_text(x, HEIGHT - BOTTOM + 18, str(ticks), "middle"))
    for number, (name, values) in enumerate(curves.items()):
        colour, dash = COLOURS[number % len(COLOURS)], ("none", "6 3", "2 3", "8 2 2 2")[number // len(COLOURS) % 4]
        points = []
        for pixel in range(0, plot + 1, 4):
            limit = 5 * math.exp(math.log(most / 5) * pixel / plot)
            share = sum(1 for value in values if value is not None and value <= limit) / max(len(values), 1)
            points.append(f"{LEFT + pixel},{_y(share):.1f}")
        style = f'fill="none" stroke="{colour}" stroke-width="1.6" stroke-dasharray="{dash}"'
        parts.append(f'<polyline {style} points="{" ".join(points)}"/>')
        y = TOP + 10 + number * 14
        parts.append(f'<line {style} x1="{LEFT + plot + 15}" x2="{LEFT + plot + 45}" y1="{y}" y2="{y}"/>')
        parts.append(_text(LEFT + plot + 50, y + 4, name))
    return _page(parts)


def families(
    honest: Mapping[str, Sequence[float]], cheats: Mapping[str, Sequence[float]], names: Mapping[str, str]
) -> str:
    """The final R of each family, honest players above and cheats below, as cumulative shares of players."""
    plot = WIDTH - LEFT - 290
    parts = _frame("Share of players whose R is at most so much (full: honest, dashed: cheats until flagged)", plot)
    for power in range(0, 10, 1):
        parts.append(_text(LEFT + plot * power / 9, HEIGHT - BOTTOM + 18, f"1e{power}", "middle"))
    flag = LEFT + plot * 5 / 9
    parts.append(
        f'<line x1="{flag}" x2="{flag}" y1="{TOP}" y2="{HEIGHT - BOTTOM}" stroke="#000" stroke-dasharray="2 2"/>'
    )
    for number, family in enumerate(sorted(honest)):
        for values, dash in ((honest[family], "none"), (cheats.get(family, ()), "5 3")):
            style = f'fill="none" stroke="{COLOURS[number]}" stroke-width="1.6" stroke-dasharray="{dash}"'
            points = []
            for pixel in range(0, plot + 1, 4):
                limit = 10 ** (9 * pixel / plot)
                share = sum(1 for value in values if value <= limit) / max(len(values), 1)
                points.append(f"{LEFT + pixel},{_y(share):.1f}")
            parts.append(f'<polyline {style} points="{" ".join(points)}"/>')
        y = TOP + 10 + number * 16
        parts.append(f'<rect x="{LEFT + plot + 15}" y="{y - 6}" width="24" height="6" fill="{COLOURS[number]}"/>')
        parts.append(_text(LEFT + plot + 46, y, f"{family} {names[family]}"))
    return _page(parts)


def _frame(title: str, plot: int) -> list[str]:
    parts = [_text(LEFT, 18, title)]
    for tenths in range(0, 11, 2):
        y = _y(tenths / 10)
        parts.append(f'<line x1="{LEFT}" x2="{LEFT + plot}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>')
        parts.append(_text(LEFT - 8, y + 4, f"{tenths * 10} %", "end"))
    return parts


def _y(share: float) -> float:
    return TOP + (HEIGHT - TOP - BOTTOM) * (1 - share)


def _text(x: float, y: float, text: str, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="#222">{escape(text)}</text>'


def _page(parts: Sequence[str]) -> str:
    box = f'viewBox="0 0 {WIDTH} {HEIGHT}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {box} font-family="sans-serif" font-size="11">'
    return "\n".join((head, '<rect width="100%" height="100%" fill="#fff"/>', *parts, "</svg>\n"))
