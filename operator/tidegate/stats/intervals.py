"""Confidence sequences of rates, to look at and for the adaptive weight (statistics 1.4).

They hold at every look but assume a constant rate per arm: with drifting rates and moving weights
they fall to Simpson's paradox, the e-processes do not. So nothing is decided with them.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from tidegate.stats.eprocess import log_beta

if TYPE_CHECKING:
    from tidegate.stats.counts import Counts

_STEPS = 200
_CLOSE = 1e-14
"""A step so small, relative to the rate, is the last."""


class Interval(NamedTuple):
    """A closed interval; `upper` of a ratio may be +inf (leave it out of a status)."""

    lower: float
    upper: float


def rate_interval(counts: Counts, alpha: float, *, a: float = 0.5, b: float = 0.5) -> Interval:
    """Where the rate lies (0..1), at all times together with probability at least 1 - alpha.

    { p : lnB(a+k, b+n-k) - lnB(a, b) - k ln p - (n-k) ln(1-p) < ln(1/alpha) }; no requests, no
    knowledge. Source: Robbins 1970; Howard et al. 2021; prior-posterior ratio of Waudby-Smith &
    Ramdas.
    """
    bad, good = counts.bad, counts.n - counts.bad
    if counts.n <= 0.0:
        return Interval(0.0, 1.0)
    level = log_beta(a + bad, b + good) - log_beta(a, b) - math.log(1.0 / alpha)
    centre = bad / counts.n
    lower = 0.0 if bad <= 0.0 else _root(bad, good, level, inside=centre, outside=0.0)
    upper = 1.0 if good <= 0.0 else _root(bad, good, level, inside=centre, outside=1.0)
    return Interval(lower, upper)


def _root(bad: float, good: float, level: float, *, inside: float, outside: float) -> float:
    """The p between `inside` and `outside` where k ln p + (n-k) ln(1-p) falls to `level`.

    Newton steps kept inside a shrinking bracket, bisection whenever a step leaves it.
    """
    p = 0.5 * (inside + outside)
    for _ in range(_STEPS):
        if p in (inside, outside):
            break
        value = slope = 0.0
        if bad > 0.0:
            value, slope = bad * math.log(p), bad / p
        if good > 0.0 and p < 1.0:
            value, slope = value + good * math.log1p(-p), slope - good / (1.0 - p)
        elif good > 0.0:
            value = -math.inf
        if value > level:
            inside = p
        else:
            outside = p
        step = p + (level - value) / slope if slope != 0.0 else math.inf
        if abs(step - p) <= _CLOSE * p:
            return step
        between = min(inside, outside) < step < max(inside, outside)
        p = step if between else 0.5 * (inside + outside)
    return 0.5 * (inside + outside)


def difference_interval(
    candidate: Counts, stable: Counts, alpha: float, *, a: float = 0.5, b: float = 0.5
) -> Interval:
    """Where candidate's rate less stable's lies (-1..1): alpha / 2 to each arm. Always finite."""
    c = rate_interval(candidate, alpha / 2, a=a, b=b)
    s = rate_interval(stable, alpha / 2, a=a, b=b)
    return Interval(c.lower - s.upper, c.upper - s.lower)


def ratio_interval(
    candidate: Counts, stable: Counts, alpha: float, *, a: float = 0.5, b: float = 0.5
) -> Interval:
    """Where candidate's rate over stable's lies: alpha / 2 to each arm.

    The upper end is +inf when stable's rate may be 0, the lower 0 when stable's upper end is 0.
    """
    c = rate_interval(candidate, alpha / 2, a=a, b=b)
    s = rate_interval(stable, alpha / 2, a=a, b=b)
    return Interval(
        c.lower / s.upper if s.upper > 0.0 else 0.0,
        c.upper / s.lower if s.lower > 0.0 else math.inf,
    )
