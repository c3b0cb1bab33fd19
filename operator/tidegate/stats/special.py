"""Tails of the normal and chi-square distributions, in log space where they get small.

Owns what the standard library lacks. It knows no metric and no test.
"""

from __future__ import annotations

import math

_ROOT_2 = math.sqrt(2.0)
_HALF_LN_2PI = 0.5 * math.log(2.0 * math.pi)
_MAX_TERMS = 200_000
_TINY = 1e-300
# Below this erfc would lose digits and then underflow.
_FAR = -20.0


def log_normal_cdf(z: float) -> float:
    """ln Phi(z), the standard normal distribution function, exact far into the lower tail."""
    return _log_scaled_tail(-z) - 0.5 * z * z if z < _FAR else _log_near(z)


def log_scaled_normal_cdf(z: float) -> float:
    """ln Phi(z) + z^2 / 2: finite and exact where both are huge and cancel."""
    return _log_scaled_tail(-z) if z < _FAR else _log_near(z) + 0.5 * z * z


def _log_near(z: float) -> float:
    return math.log1p(-0.5 * math.erfc(z / _ROOT_2)) if z > 0 else _log_half_erfc(-z)


def _log_scaled_tail(x: float) -> float:
    """ln of Mills' ratio over sqrt(2 pi), x above 20, as a continued fraction (A&S 26.2.14)."""
    tail = x
    for k in range(60, 0, -1):
        tail = x + k / tail
    return -_HALF_LN_2PI - math.log(tail)


def _log_half_erfc(x: float) -> float:
    return math.log(0.5 * math.erfc(x / _ROOT_2))


def normal_tail(z: float) -> float:
    """P(Z > z) of a standard normal variable, in 0..1."""
    return 0.5 * math.erfc(z / _ROOT_2)


def log_chi2_tail(x: float, df: float) -> float:
    """ln P(X > x) of a chi-square variable with `df` degrees of freedom.

    That is ln Q(df/2, x/2), the upper regularised incomplete gamma function: its series for small
    x, else Legendre's continued fraction. Source: Press et al., Numerical Recipes 6.2; DLMF 8.9.2.

    :raises ValueError: no degrees of freedom, or x is NaN.
    """
    if not df > 0.0 or math.isnan(x):
        raise ValueError(f"a chi-square tail needs degrees of freedom and a number: {df}, {x}")
    if x <= 0.0:
        return 0.0
    if math.isinf(x):
        return -math.inf
    a, y = df / 2.0, x / 2.0
    edge = a * math.log(y) - y - math.lgamma(a)
    if y < a + 1.0:
        return math.log1p(-min(math.exp(edge) * _gamma_series(a, y), 1.0 - 1e-16))
    return edge + math.log(_gamma_fraction(a, y))


def _gamma_series(a: float, y: float) -> float:
    term = total = 1.0 / a
    for n in range(1, _MAX_TERMS):
        term *= y / (a + n)
        total += term
        if term < total * 1e-16:
            break
    return total


def _gamma_fraction(a: float, y: float) -> float:
    b = y + 1.0 - a
    c, d = 1.0 / _TINY, 1.0 / b
    value = d
    for n in range(1, _MAX_TERMS):
        step = -n * (n - a)
        b += 2.0
        d = 1.0 / _kept_off_zero(step * d + b)
        c = _kept_off_zero(b + step / c)
        change = d * c
        value *= change
        if abs(change - 1.0) < 1e-15:
            break
    return value


def _kept_off_zero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY


def chi2_quantile(alpha: float, df: float) -> float:
    """The x with P(X > x) = alpha for a chi-square variable, by bisection of `log_chi2_tail`.

    :raises ValueError: alpha is not in (0, 1), or no degrees of freedom.
    """
    if not 0.0 < alpha < 1.0:
        raise ValueError(f"alpha must be in (0, 1), got {alpha}")
    level = math.log(alpha)
    low, high = 0.0, max(1.0, df)
    while log_chi2_tail(high, df) > level:
        low, high = high, 2.0 * high
    while True:
        middle = 0.5 * (low + high)
        if middle in (low, high):
            return middle
        if log_chi2_tail(middle, df) > level:
            low = middle
        else:
            high = middle
