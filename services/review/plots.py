"""What the plots of a case show: a player's times, the gaps between them beside those of honest people, their hours."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from statistics import median
from typing import NamedTuple

from sqlalchemy import text

from models.database import DatabaseUnavailableError, autocommit
from services.errors import NotFound, ServiceUnavailable
from services.resources import Resources
from services.review.links import Link, links

MOST_TIMES = 1_000
SITTING_SECONDS = 900.0
"""A longer gap is a break between two sittings, and no part of anybody's pace."""
STEPS = 8
"""Bins to the octave."""
OCTAVES = 2
"""From a quarter of the median gap to four times it. What lies beyond is in the last bins."""
BINS = 2 * OCTAVES * STEPS + 1
DAYS = 14
HONEST = (
    *(0, 0, 0, 0, 0, 0, 1, 1, 1, 2, 2, 2, 13, 50, 133, 198, 187),
    *(145, 89, 52, 28, 14, 9, 7, 10, 10, 9, 7, 7, 3, 4, 3, 13),
)
"""Gaps of a real person in each bin, of 1,000: 13,500 gaps of at most 15 minutes between 14,366 solves, each divided by
the median of the 500 around it. The solves are `example.txt` of github.com/Somnia1337/csTimer-Analyzer-web, under the
Apache License 2.0.
"""

_TIMES = text("""
    WITH named AS (SELECT DISTINCT unnest(entries) AS id FROM evidence WHERE case_id = :case_id),
    times AS (
        SELECT l.id, l.action_type, l.claimed_ms, l.created_at FROM ledger_entries l
        WHERE l.user_id = :user_id AND l.kind = 'timed' ORDER BY l.seq DESC LIMIT :limit
    )
    SELECT t.id, t.action_type, t.claimed_ms, t.created_at, n.id IS NOT NULL
    FROM times t LEFT JOIN named n ON n.id = t.id
    ORDER BY t.id
""")
_HOURS = text("""
    SELECT date_trunc('hour', created_at AT TIME ZONE 'UTC'), count(*) FROM ledger_entries
    WHERE user_id = :user_id AND kind <> 'reversal' AND created_at >= :since GROUP BY 1
""")
_LAST = text("SELECT max(created_at) FROM ledger_entries WHERE user_id = :user_id AND kind <> 'reversal'")


class Time(NamedTuple):
    """One completion. `named`: the evidence rests on it."""

    entry: int
    action_type: str
    claimed_ms: int
    at: datetime
    named: bool


@dataclass(frozen=True)
class Gaps:
    """How many gaps lie in each bin, the bins being eighths of an octave around the median; None without a gap."""

    median_seconds: float | None
    number: int
    player: list[int]


@dataclass(frozen=True)
class Day:
    """Completions in each hour of a day of UTC."""

    day: date
    hours: list[int]


@dataclass(frozen=True)
class Plots:
    """All that is drawn of a case."""

    times: list[Time]
    gaps: Gaps
    days: list[Day]
    links: list[Link]


def plots(resources: Resources, case_id: int) -> Plots:
    """The data of a case's plots: the last 1,000 timed completions, and two weeks of hours up to the last completion.

    Raises NotFound or ServiceUnavailable.
    """
    try:
        with autocommit(resources.engine) as connection:
            user_id = connection.execute(
                text("SELECT user_id FROM review_cases WHERE id = :id"), {"id": case_id}
            ).scalar_one_or_none()
            if user_id is None:
                raise NotFound("There is no such case.")
            player = {"user_id": user_id, "case_id": case_id}
            times = [Time(*row) for row in connection.execute(_TIMES, player | {"limit": MOST_TIMES})]
            last = connection.execute(_LAST, player).scalar_one() or datetime.now(UTC)
            first = last.astimezone(UTC).date() - timedelta(days=DAYS - 1)
            since = datetime(first.year, first.month, first.day, tzinfo=UTC)
            counts = {row[0]: row[1] for row in connection.execute(_HOURS, player | {"since": since})}
            linked = links(connection, user_id)
    except DatabaseUnavailableError as error:
        raise ServiceUnavailable from error
    return Plots(times, gaps([time.at for time in times]), _days(first, counts), linked)


def gaps(moments: Sequence[datetime]) -> Gaps:
    """The gaps between moments that follow each other, by how they lie to their median."""
    within = [(later - earlier).total_seconds() for earlier, later in pairwise(moments)]
    within = [gap for gap in within if 0 < gap <= SITTING_SECONDS]
    bins = [0] * BINS
    if not within:
        return Gaps(None, 0, bins)
    middle = median(within)
    for gap in within:
        place = math.floor((math.log2(gap / middle) + OCTAVES) * STEPS + 0.5)
        bins[min(max(place, 0), BINS - 1)] += 1
    return Gaps(middle, len(within), bins)


def _days(first: date, counts: dict[datetime, int]) -> list[Day]:
    by_hour: Counter[tuple[date, int]] = Counter()
    for at, count in counts.items():
        by_hour[at.date(), at.hour] += count
    days = (first + timedelta(days=number) for number in range(DAYS))
    return [Day(day, [by_hour[day, hour] for hour in range(24)]) for day in days]
