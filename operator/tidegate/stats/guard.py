"""A guard: does one arm by itself break an absolute limit (statistics 1.5)?

Owns the one-sample test of "the rate is at most the limit" and the incomplete beta function that it
needs. Whether a broken guard means rollback or a common cause is not decided here.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from tidegate.stats.eprocess import log_beta

if TYPE_CHECKING:
    from tidegate.stats.counts import Counts

_TINY = 1e-300
_MAX_TERMS = 200_000


def guard_log_e(counts: Counts, limit: float, *, a: float = 1.0, b: float | None = None) -> float:
    """Log-e (nats) against "the share of bad requests is at most `limit`", from cumulative counts.

    Mixture over Beta(a, b) truncated to (limit, 1), by default a = 1 and b = 1/limit - 1:

        lnB(a+k, b+n-k) + ln Q(p0; a+k, b+n-k) - lnB(a, b) - ln Q(p0; a, b)
            - k ln p0 - (n-k) ln(1-p0)

    with Q the upper regularised incomplete beta function. It is kept in log space throughout: Q
    falls below 1e-300 within some 10,000 clean requests, and a floor there would let a healthy
    arm break its guard. Source: Robbins 1970; Howard, Ramdas, McAuliffe & Sekhon 2021.

    :raises ValueError: the limit is not in (0, 1).
    """
    if not 0.0 < limit < 1.0:
        raise ValueError(f"the limit of a guard must be in (0, 1), got {limit}")
    if b is None:
        b = 1.0 / limit - 1.0
    bad, good = counts.bad, counts.n - counts.bad
    return (
        _log_upper(limit, a + bad, b + good, bad, good)
        - log_beta(a, b)
        - log_upper_beta(limit, a, b)
    )


def log_upper_beta(x: float, a: float, b: float) -> float:
    """ln Q(x; a, b), the upper regularised incomplete beta function, exact far into the tail."""
    return _log_upper(x, a, b, 0.0, 0.0) - log_beta(a, b)


def _log_upper(x: float, a: float, b: float, bad: float, good: float) -> float:
    """ln of the integral of p^(a-1) (1-p)^(b-1) over (x, 1), less bad ln(x) + good ln(1-x).

    What is taken off cancels in the branch of many good requests, where both terms are huge.
    """
    ln_x, ln_y = math.log(x), math.log1p(-x)
    edge = (a - bad) * ln_x + (b - good) * ln_y
    if 1.0 - x < (b + 1.0) / (a + b + 2.0):
        return edge - math.log(b) + math.log(_continued_fraction(1.0 - x, b, a))
    whole = log_beta(a, b) - bad * ln_x - good * ln_y
    lower = edge - math.log(a) + math.log(_continued_fraction(x, a, b))
    return whole + math.log1p(-min(math.exp(min(lower - whole, 0.0)), 1.0 - 1e-16))


def _continued_fraction(x: float, a: float, b: float) -> float:
    """The continued fraction of the incomplete beta function (Lentz's method, Thompson's form).

    I_x(a, b) = x^a (1-x)^b / (a B(a, b)) times this; it converges for x < (a+1) / (a+b+2), in about
    sqrt(max(a, b)) terms. Source: Press et al., Numerical Recipes 6.4; DLMF 8.17.22.
    """
    c = 1.0
    d = _inverse(1.0 - (a + b) * x / (a + 1.0))
    value = d
    for m in range(1, _MAX_TERMS):
        even = m * (b - m) * x / ((a + 2 * m - 1.0) * (a + 2 * m))
        d = _inverse(1.0 + even * d)
        c = _kept_off_zero(1.0 + even / c)
        value *= d * c
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1.0))
        d = _inverse(1.0 + odd * d)
        c = _kept_off_zero(1.0 + odd / c)
        change = d * c
        value *= change
        if abs(change - 1.0) < 1e-14:
            break
    return value


def _kept_off_zero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY


def _inverse(value: float) -> float:
    return 1.0 / _kept_off_zero(value)
