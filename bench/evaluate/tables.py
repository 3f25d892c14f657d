"""The figures in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bench.evaluate.measure import Cheats, Honest


def honest_table(rows: Sequence[Honest]) -> str:
    """Honest players, and all simulated ones together."""
    lines = [
        "| honest players | number | player-days | completions | flagged | low | in 10,000 days, bound | flagged for |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        why = ", ".join(f"{rule} {count}" for rule, count in row.flags.most_common()) or "-"
        rate = row.flagged / max(row.days, 1) * 10_000
        lines.append(
            f"| {row.name} | {row.players:,} | {row.days:,} | {row.events:,} | {row.flagged} | {row.low} "
            f"| {rate:.2f}, {row.bound():.2f} | {why} |"
        )
    return "\n".join(lines)


def total(rows: Sequence[Honest]) -> Honest:
    """All rows in one."""
    whole = Honest("all simulated")
    for row in rows:
        whole.players += row.players
        whole.days += row.days
        whole.events += row.events
        whole.low += row.low
        whole.flags.update(row.flags)
    return whole


def cheats_table(rows: Sequence[Cheats]) -> str:
    """One line per kind, misses in bold."""
    lines = [
        "| # | cheats | target | found in it | at all | early | median completions, days | points banked | first by |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        kind, (events, days) = row.kind, row.typical()
        aim = f"{kind.target:.1%} in {kind.within:g} {kind.unit}" if kind.target else "none: nobody can"
        share = row.detected()
        found = f"{share:.1%}" if share >= kind.target else f"**{share:.1%}**"
        taken = "-" if events is None or days is None else f"{events:g}, {days:.2f}"
        why = ", ".join(rule for rule, _ in row.rules.most_common(3)) or "-"
        banked = sorted(row.banked)[len(row.banked) // 2] if row.banked else 0
        lines.append(
            f"| {kind.number} | {kind.name} | {aim} | {found} | {row.detected(1e9):.1%} | {row.early} | {taken} "
            f"| {banked:,} | {why} |"
        )
    return "\n".join(lines)


Count = tuple[int, int, int]


def crowds_table(rows: Mapping[str, Count], copies: Count, long_ones: tuple[int, int]) -> str:
    """Farms, classes and copies."""
    lines = ["| # | who | found | honest ones accused |", "|---|---|---|---|"]
    for name, (hits, number, named) in rows.items():
        label = f"farm, accounts {name}" if name != "school class" else "honest: a school class on one address"
        lines.append(f"| 12 | {label} | {hits} of {number} | {named} |")
    lines.append(f"| 7 | exact replay of another's 60 times | {copies[0]} of {copies[1]} | {copies[2]} |")
    lines.append(f"| 7 | exact replay of 600 to 1,500 own times, within 10 | {long_ones[0]} of {long_ones[1]} | - |")
    return "\n".join(lines)
