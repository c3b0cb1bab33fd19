"""Maximum mean discrepancy: a distance between two samples of points (statistics 6).

Owns the estimate. Its threshold comes from permutations, which a nightly job makes; the cost grows
with the square of the sample.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    Points = Sequence[Sequence[float]]


def mmd2(first: Points, second: Points, *, gamma: float) -> float:
    """Unbiased MMD^2 with the kernel exp(-gamma |x - y|^2): 0 on average for equal distributions.

    sum_(i != j) k(a_i, a_j) / (n (n - 1)) + the same of the second - 2 mean k(a_i, b_j); it may be
    negative. Source: Gretton et al. 2012, a kernel two-sample test.

    :raises ValueError: fewer than two points in a sample.
    """
    if len(first) < 2 or len(second) < 2:
        raise ValueError("an unbiased estimate needs two points in each sample")
    across = math.fsum(_kernel(a, b, gamma) for a in first for b in second)
    return (
        _within(first, gamma) + _within(second, gamma) - 2.0 * across / (len(first) * len(second))
    )


def median_gamma(first: Points, second: Points) -> float:
    """1 / (2 median^2) of the distances between all points: the usual choice of gamma.

    :raises ValueError: all points are the same.
    """
    points = [*first, *second]
    squares = sorted(_square(a, b) for i, a in enumerate(points) for b in points[:i])
    middle = squares[len(squares) // 2] if squares else 0.0
    if not middle > 0.0:
        raise ValueError("points that are all the same have no scale")
    return 1.0 / (2.0 * middle)


def _within(points: Points, gamma: float) -> float:
    n = len(points)
    pairs = math.fsum(_kernel(a, b, gamma) for i, a in enumerate(points) for b in points[:i])
    return 2.0 * pairs / (n * (n - 1))


def _kernel(a: Sequence[float], b: Sequence[float], gamma: float) -> float:
    return math.exp(-gamma * _square(a, b))


def _square(a: Sequence[float], b: Sequence[float]) -> float:
    return math.fsum((x - y) ** 2 for x, y in zip(a, b, strict=True))
