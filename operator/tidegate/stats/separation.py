"""Can a classifier tell two samples apart? A two-sample test by its scores (statistics 6).

Owns the area under the curve and its test. It trains nothing: the scores are of rows that the
classifier has not seen. For a nightly job, not for the control loop.
"""

from __future__ import annotations

import math
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from tidegate.stats.special import normal_tail

if TYPE_CHECKING:
    from collections.abc import Sequence


class Separation(NamedTuple):
    """Area under the curve (0..1, 0.5 is chance), its z-score, and the one-sided p-value."""

    auc: float
    z: float
    p: float


def separation(labels: Sequence[int], scores: Sequence[float]) -> Separation | None:
    """C2ST: P(a score of sample 1 is above one of sample 0), ties counting half.

    z = (AUC - 1/2) / sqrt((n1 + n0 + 1) / (12 n1 n0)), the null of Mann-Whitney. None unless both
    labels occur. Source: Lopez-Paz & Oquab, revisiting classifier two-sample tests.

    :raises ValueError: lengths differ, or a score is NaN.
    """
    if len(labels) != len(scores) or any(map(math.isnan, scores)):
        raise ValueError("need one score a label, and none of them NaN")
    ones = sum(1 for label in labels if label)
    zeros = len(labels) - ones
    if not ones or not zeros:
        return None
    below = won = 0.0
    ranked = sorted(zip(scores, labels, strict=True), key=lambda pair: pair[0])
    for _, same in groupby(ranked, key=lambda pair: pair[0]):
        tied = [label for _, label in same]
        here = sum(1 for label in tied if label)
        won += here * (below + (len(tied) - here) / 2.0)
        below += len(tied) - here
    auc = won / (ones * zeros)
    z = (auc - 0.5) / math.sqrt((ones + zeros + 1.0) / (12.0 * ones * zeros))
    return Separation(auc, z, normal_tail(z))
