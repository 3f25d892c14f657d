"""How fast something grows, and how sure that is."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from itertools import combinations, pairwise
from typing import NamedTuple

Point = tuple[float, float]
"""When, in hours, and how much."""
SURE = 2.576
"""Normal deviates either way: 99 of 100 intervals hold the true slope."""
MOST_ALIKE = 0.9
"""More likeness of neighbours than this cannot be told from a trend."""


class Rise(NamedTuple):
    """What is gained in an hour, and the lower end of the interval in which that is all but certain to lie."""

    an_hour: float
    least: float


def rise(points: Sequence[Point]) -> Rise:
    """The median of the slopes between all pairs of points, and the lower end of its interval of 99 %.

    P. K. Sen, Estimates of the regression coefficient based on Kendall's tau, JASA 63 (1968), pages 1379 to 1389: one
    wild sample in four does not move it. His interval takes samples for independent. Memory resembles what it was a
    minute ago, as it does in a sawtooth, so the variance is made larger by what neighbours have in common, as
    K. H. Hamed and A. R. Rao do for the test of Mann and Kendall (Journal of Hydrology 204, 1998, pages 182 to 196),
    here for the next neighbour alone.
    """
    slopes = sorted((after[1] - before[1]) / (after[0] - before[0]) for before, after in combinations(points, 2))
    slope, count = statistics.median(slopes), len(points)
    alike = _likeness([amount - slope * at for at, amount in points])
    variance = count * (count - 1) * (2 * count + 5) / 18 * (1 + alike) / (1 - alike)
    first = math.floor((len(slopes) - SURE * math.sqrt(variance)) / 2)
    return Rise(slope, slopes[first] if first >= 0 else -math.inf)


def _likeness(values: Sequence[float]) -> float:
    """The correlation of each value with the next, from none to `MOST_ALIKE`."""
    middle = statistics.fmean(values)
    around = [value - middle for value in values]
    whole = sum(value * value for value in around)
    shared = sum(one * other for one, other in pairwise(around))
    return min(max(shared / whole, 0.0), MOST_ALIKE) if whole else 0.0
