"""Confidence sequences of a quantile from bucket counts, for people to look at (statistics 2.2).

Coarse by nature: a quantile can only be placed between two boundaries. Nothing is decided with it;
`latency` says what latency is judged by.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from tidegate.stats.eprocess import log_beta
from tidegate.stats.intervals import Interval

if TYPE_CHECKING:
    from collections.abc import Callable

    from tidegate.stats.latency import Histogram


def count_window(*, n: int, q: float, alpha: float, t_opt: float) -> tuple[int, int]:
    """Counts of requests below the true q-quantile that are credible after n, both ends included.

    { k : lnB(a+k, b+n-k) - lnB(a, b) - k ln q - (n-k) ln(1-q) < ln(1/alpha) }, with a and b such
    that the sequence is tightest near `t_opt` requests. Holds at all times together with
    probability at least 1 - alpha. Source: Howard & Ramdas 2022, sequential estimation of
    quantiles.
    """
    variance = q * (1.0 - q)
    level = math.log(1.0 / alpha)
    rho = variance * t_opt / (2.0 * level + math.log1p(2.0 * level))
    r = max(rho - variance, 0.001 * variance)
    a, b = r / (1.0 - q), r / q

    def credible(k: int) -> bool:
        log_e = log_beta(a + k, b + n - k) - log_beta(a, b)
        return log_e - k * math.log(q) - (n - k) * math.log1p(-q) < level

    centre = min(n, max(0, round(n * q)))
    return _last(credible, centre, 0), _last(credible, centre, n)


def _last(credible: Callable[[int], bool], inside: int, limit: int) -> int:
    """The furthest count towards `limit` that is still credible; the evidence is convex in it."""
    if credible(limit):
        return limit
    outside = limit
    while abs(outside - inside) > 1:
        middle = (inside + outside) // 2
        if credible(middle):
            inside = middle
        else:
            outside = middle
    return inside


def quantile_interval(
    histogram: Histogram, q: float, *, alpha: float, t_opt: float = 5000.0
) -> Interval:
    """Where the q-quantile lies, in the histogram's unit: above `lower`, at most `upper`.

    `upper` is +inf when it may lie above every finite boundary.
    """
    low, high = count_window(n=round(histogram.total), q=q, alpha=alpha, t_opt=t_opt)
    rows = list(zip(histogram.bounds_ms, histogram.cumulative, strict=True))
    lower = max((bound for bound, count in rows if count < low), default=0.0)
    upper = min((bound for bound, count in rows if count > high), default=math.inf)
    return Interval(lower, upper)
