"""Evidence on means of continuous metrics, valid at every look once there are enough values (3).

Asymptotic: it leans on a normal approximation, so it starts after 30 blocks or 200 requests an arm
(1,000 where values are very skewed). Counts never go through here; `eprocess` is exact for them.
"""

from __future__ import annotations

import math

from tidegate.stats.special import log_scaled_normal_cdf

LEAST_BLOCKS = 30
LEAST_REQUESTS = 200
_LN_2 = math.log(2.0)


def half_width(t: float, *, deviation: float, alpha: float, t_opt: float) -> float:
    """Half the width of the two-sided confidence sequence of a mean after t values.

    sd sqrt(2 (t rho2 + 1) / (t^2 rho2) ln(sqrt(t rho2 + 1) / alpha)), tightest near `t_opt`
    values; in the unit of `deviation`, +inf before the first value. Source: Waudby-Smith, Arbour,
    Sinha, Kennedy & Ramdas, asymptotic confidence sequences.
    """
    if t <= 0.0:
        return math.inf
    grown = t * _tuning(alpha, t_opt) + 1.0
    return _width(t, grown, deviation, math.log(math.sqrt(grown) / alpha))


def one_sided_half_width(t: float, *, deviation: float, alpha: float, t_opt: float) -> float:
    """How far below (or above) the mean the true one may lie, one side at level alpha.

    sd sqrt(2 (t rho2 + 1) / (t^2 rho2) ln(1 + sqrt(t rho2 + 1) / (2 alpha))): an upper bound on
    the exact width. Source: as `half_width`.
    """
    if t <= 0.0:
        return math.inf
    grown = t * _tuning(alpha, t_opt) + 1.0
    return _width(t, grown, deviation, math.log1p(math.sqrt(grown) / (2.0 * alpha)))


def _tuning(alpha: float, t_opt: float) -> float:
    """rho^2 = (-2 ln alpha + ln(1 - 2 ln alpha)) / t_opt."""
    if not 0.0 < alpha < 1.0 or not t_opt > 0.0:
        raise ValueError(f"need 0 < alpha < 1 and t_opt > 0, got {alpha} and {t_opt}")
    level = -2.0 * math.log(alpha)
    return (level + math.log1p(level)) / t_opt


def _width(t: float, grown: float, deviation: float, logarithm: float) -> float:
    return deviation * math.sqrt(2.0 * grown / (t * (grown - 1.0)) * logarithm)


def mean_log_e(d: float, v: float, *, tau2: float, theta: float = 0.0) -> float | None:
    """Two-sided log-e (nats) against "the difference of means is theta", d with variance v.

    1/2 ln(v / (v + tau2)) + tau2 (d - theta)^2 / (2 v (v + tau2)); tau2 is the square of the
    smallest effect of interest, fixed before the start. None without a variance. Source: Johari,
    Koomen, Pekelis & Walsh, mixture SPRT.
    """
    if not v > 0.0:
        return None
    _check(tau2)
    return -0.5 * math.log1p(tau2 / v) + tau2 * (d - theta) ** 2 / (2.0 * v * (v + tau2))


def larger_log_e(d: float, v: float, *, tau2: float, theta: float = 0.0) -> float | None:
    """One-sided log-e (nats) against "the difference of means is at most theta".

    `mean_log_e` plus ln 2 + ln Phi((d - theta) sqrt(tau2 / (v (v + tau2)))): the mixture over
    effects above theta only. None without a variance.
    """
    if not v > 0.0:
        return None
    _check(tau2)
    z = (d - theta) * math.sqrt(tau2 / (v * (v + tau2)))
    # z^2 / 2 of the two-sided evidence is taken together with ln Phi: below 0 they cancel.
    return _LN_2 - 0.5 * math.log1p(tau2 / v) + log_scaled_normal_cdf(z)


def smaller_log_e(d: float, v: float, *, tau2: float, theta: float = 0.0) -> float | None:
    """One-sided log-e (nats) against "the difference of means is at least theta"."""
    return larger_log_e(-d, v, tau2=tau2, theta=-theta)


def mean_half_width(v: float, *, alpha: float, tau2: float) -> float | None:
    """Half the width of the confidence sequence that inverts `mean_log_e`; None without variance.

    sqrt(2 v (v + tau2) / tau2 (1/2 ln((v + tau2) / v) + ln(1 / alpha))).
    """
    if not v > 0.0:
        return None
    _check(tau2)
    level = 0.5 * math.log1p(tau2 / v) + math.log(1.0 / alpha)
    return math.sqrt(2.0 * v * (v + tau2) / tau2 * level)


def _check(tau2: float) -> None:
    if not tau2 > 0.0:
        raise ValueError(f"tau2 must be positive, got {tau2}")
