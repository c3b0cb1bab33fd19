"""What a model's quality should be by its own calibrated scores, before labels arrive (6).

Blind to concept drift: never a reason to promote, and worth showing only while the calibration on
the last matured labels holds. It decides nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

# An expected calibration error above this makes the estimate not worth showing.
WORST_CALIBRATION = 0.05


@dataclass(frozen=True, slots=True)
class Performance:
    """Expected quality, each 0..1; NaN where there is nothing to divide by."""

    accuracy: float
    precision: float
    recall: float
    f1: float
    accuracy_error: float


def expected_performance(scores: Sequence[float], threshold: float = 0.5) -> Performance | None:
    """CBPE: quality expected of predicting 1 at `threshold` and above, from calibrated scores.

    TP = sum of s at or above the threshold, FP = sum of 1 - s there, FN and TN likewise below;
    accuracy, precision, recall and F1 from these, and the standard error of the accuracy
    sqrt(sum s (1 - s)) / n. None without scores. Source: confidence-based performance estimation,
    NannyML.

    :raises ValueError: a score is not in 0..1.
    """
    if not scores:
        return None
    if not all(0.0 <= s <= 1.0 for s in scores):
        raise ValueError("scores must be probabilities in 0..1")
    high = [s for s in scores if s >= threshold]
    low = [s for s in scores if s < threshold]
    hit, missed = math.fsum(high), math.fsum(low)
    right = hit + len(low) - missed
    return Performance(
        accuracy=right / len(scores),
        precision=_share(hit, len(high)),
        recall=_share(hit, hit + missed),
        f1=_share(2.0 * hit, len(high) + hit + missed),
        accuracy_error=math.sqrt(math.fsum(s * (1.0 - s) for s in scores)) / len(scores),
    )


def calibration_error(scores: Sequence[float], labels: Sequence[int], *, bins: int = 10) -> float:
    """Expected calibration error, 0..1: |mean score - share of ones| a bin, weighted by its size.

    Bins are of equal width. NaN without scores.

    :raises ValueError: lengths differ.
    """
    if len(scores) != len(labels):
        raise ValueError("need one label a score")
    sums = [0.0] * bins
    for score, label in zip(scores, labels, strict=True):
        sums[min(int(score * bins), bins - 1)] += score - label
    return _share(math.fsum(map(abs, sums)), len(scores))


def _share(part: float, whole: float) -> float:
    return part / whole if whole > 0.0 else math.nan
