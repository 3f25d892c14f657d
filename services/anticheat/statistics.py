"""Statistics of small arrays. NumPy's own medians and quantiles take 0.1 ms each, and there are dozens."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Kinds = npt.NDArray[np.uint8]


def median(values: Floats) -> float:
    """The median of at least one value."""
    ordered = np.sort(values)
    middle = len(ordered) // 2
    return float(ordered[middle]) if len(ordered) % 2 else float(ordered[middle - 1] + ordered[middle]) / 2


def quantile(ordered: Floats, share: float) -> float:
    """A quantile of values in order, between neighbours in proportion."""
    place = share * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return float(ordered[low] + (ordered[high] - ordered[low]) * (place - low))


def less_median(values: Floats, kinds: Kinds) -> Floats:
    """Values less the median of their kind."""
    out = values.copy()
    for kind in np.flatnonzero(np.bincount(kinds)) if len(kinds) else ():
        own = kinds == kind
        out[own] -= median(values[own])
    return out


def variation(values: Floats) -> float:
    """Standard deviation over mean; 0 for values that are all nought."""
    mean = float(values.sum()) / len(values)
    apart = values - mean
    return math.sqrt(float(apart @ apart) / len(values)) / mean if mean > 0 else 0.0


def over_median(values: Floats, low: float, high: float) -> float:
    """The distance of two quantiles over the median (`low` = 0 stands for nought itself); 0 for a median of 0."""
    ordered = np.sort(values)
    middle = quantile(ordered, 0.5)
    bottom = quantile(ordered, low) if low else 0.0
    return (quantile(ordered, high) - bottom) / middle if middle > 0 else 0.0


def l_moments(values: Floats) -> tuple[float, float]:
    """L-skewness and L-kurtosis (Hosking 1990) of at least four values.

    Uniform 0 and 0, normal 0 and 0.12, exponential 1/3 and 1/6; 0 and 0 where all are equal.
    """
    ordered = np.sort(values)
    n, place = len(ordered), np.arange(len(ordered), dtype=np.float64)
    b0, b1 = float(ordered.sum()) / n, float(place @ ordered) / (n * (n - 1))
    falling = place * (place - 1)
    b2 = float(falling @ ordered) / (n * (n - 1) * (n - 2))
    b3 = float((falling * (place - 2)) @ ordered) / (n * (n - 1) * (n - 2) * (n - 3))
    scale = 2 * b1 - b0
    if scale <= 1e-9 * max(b0, 1e-9):
        return 0.0, 0.0
    return (6 * b2 - 6 * b1 + b0) / scale, (20 * b3 - 30 * b2 + 12 * b1 - b0) / scale


def correlation(one: Floats, other: Floats) -> float:
    """Spearman's rank correlation; 0 where one of them does not vary."""
    x, y = (values - values.mean() for values in (ranks(one), ranks(other)))
    size = math.sqrt(float(x @ x) * float(y @ y))
    return float(x @ y) / size if size > 0 else 0.0


def ranks(values: Floats) -> Floats:
    """Ranks from 0, equal values sharing the mean of theirs."""
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    mean: Floats = np.cumsum(count) - (count + 1) / 2
    return mean[place]
