"""Family C: times that came before, exactly or in their shape. Nobody plays the same quarter of an hour twice.

What came before a reviewer cleared the player is not compared with: it has been judged.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from services.anticheat.history import History, Judged, silence, too_few
from services.anticheat.statistics import Floats, ranks
from services.anticheat.thresholds import P_TELLING, TABLE

NEAR = 5
STRIDE = 8
AROUND = 9
LOOK_BACK = 32
"""Events of earlier windows that a run may have begun in."""
MOST_ROWS = 160


def judge(history: History) -> list[Judged]:
    """All rules of the family."""
    scores = _scores(history)
    return [
        _repeated(history),
        _shape(history, "repeated_shape", 40, scores),
        _shape(history, "repeated_shape_long", 80, scores),
    ]


def _repeated(history: History) -> Judged:
    rule, n = "repeated_times", history.uncleared
    if n < 2 * TABLE[rule].least:
        return silence(rule, f"needs {2 * TABLE[rule].least} completions, has {n}")
    tokens = (np.frombuffer(history.state.claims, "<u2") + (history.kinds.astype(np.uint32) << 16))[-n:]
    run, lag = longest_repeat(tokens, min(history.fresh + LOOK_BACK, MOST_ROWS))
    chance = coincidence(tokens)
    log_p = math.log(n * n / 2) + run * math.log(chance) if run > 1 else 0.0
    p = math.exp(min(max(log_p, -700.0), 0.0))
    need = math.ceil((math.log(P_TELLING) - math.log(n * n / 2)) / math.log(chance)) if chance < 1 else n
    reason = (
        f"{run} claimed times in a row are the same as {lag} completions earlier; for this player's times, "
        f"{need} in a row would already be beyond chance."
    )
    return history.finding(rule, run, run, reason, p)


def longest_repeat(tokens: npt.NDArray[np.uint32], rows: int) -> tuple[int, int]:
    """The longest run that ends in the last `rows` tokens and equals an earlier run, and how much earlier it was.

    The two may touch but not overlap. Equal tokens in a row, as rounds that ran out, count as one.
    """
    n = len(tokens)
    changed = np.diff(tokens, prepend=tokens[:1]) != 0
    _, place, count = np.unique(tokens, return_inverse=True, return_counts=True)
    again = count[place] > 1
    run = np.zeros(n + 1, np.int64)
    best, lag = 0, 0
    for row in range(max(1, n - rows), n):
        if not again[row]:
            run[:] = 0
            continue
        longer = np.maximum(run[:row] + changed[row], 1) * (tokens[:row] == tokens[row])
        run[1 : row + 1] = longer
        whole = np.minimum(longer, row - np.arange(row))
        if (top := int(whole.max())) > best:
            best, lag = top, row - int(whole.argmax())
    return best, lag


def coincidence(tokens: npt.NDArray[np.uint32] | npt.NDArray[np.uint64]) -> float:
    """How often two single times of this player are the same: over all pairs, or near each other if that is more."""
    n = len(tokens)
    _, counts = np.unique(tokens, return_counts=True)
    pairs = float((counts * (counts - 1)).sum()) / 2
    near = sum(int((tokens[lag:] == tokens[:-lag]).sum()) for lag in range(1, NEAR + 1))
    return min(max((pairs + 1) / (n * (n - 1) / 2 + 1), (near + 1) / (NEAR * (n - NEAR) + 1)), 1.0)


def _scores(history: History) -> Floats | None:
    """Ranks of the times less the level around them, so that good days and learning are not taken for a replay.

    None where a third of the times are the same: a few odd ones would decide alone.
    """
    values = history.levelled[len(history.levelled) - history.uncleared :]
    if len(values) < TABLE["repeated_shape"].least or np.unique(values, return_counts=True)[1].max() > len(values) / 3:
        return None
    level = np.convolve(values, np.ones(AROUND), "same") / np.convolve(np.ones(len(values)), np.ones(AROUND), "same")
    scores = ranks(values - level)
    centred: Floats = scores - scores.mean()
    return centred


def _shape(history: History, rule: str, m: int, scores: Floats | None) -> Judged:
    n = history.uncleared
    if n < TABLE[rule].least:
        return too_few(rule, n, "completions")
    if scores is None:
        return silence(rule, "a third of the claimed times are the same")
    ends = range(n, max(n - min(history.fresh, MOST_ROWS), 2 * m - 1), -STRIDE)
    value = _likest(scores, m, ends)
    reason = f"{m} claimed times in a row rise and fall as {m} earlier ones do (rank correlation {value:.2f})."
    return history.finding(rule, value, m, reason)


def _likest(scores: Floats, m: int, ends: range) -> float:
    """The highest correlation of any m scores that end at one of `ends` with m that end before those begin."""
    sums = np.cumsum(np.concatenate(([0.0], scores)))
    squares = np.cumsum(np.concatenate(([0.0], scores * scores)))
    spread = squares[m:] - squares[:-m] - (sums[m:] - sums[:-m]) ** 2 / m
    # Scores that do not vary have a spread of nought but for rounding, and are like no others.
    varies = spread > 1e-6 * max(float(squares[-1]) / len(scores), 1e-9)
    scale = np.where(varies, 1 / np.sqrt(np.where(varies, spread, 1.0)), 0.0)
    best = 0.0
    for end in ends:
        start = end - m
        last = (scores[start:end] - (sums[end] - sums[start]) / m) * scale[start]
        products = np.correlate(scores[:start], last, "valid") * scale[: start - m + 1]
        best = max(best, float(products.max()))
    return best
