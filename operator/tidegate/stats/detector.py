"""Monitoring for ever: e-values of windows, gathered so that false alarms stay rare (6).

Owns the conversion of p-values, the plug-in bet on bins, and the two e-detectors. All in nats; an
alarm at log M >= ln A gives an average run length of at least A windows without drift. Several
features: `log_mean_exp` of their log M.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

# Where a detector starts: no evidence at all (M = 0).
NO_EVIDENCE = -math.inf
LEAST_P = 1e-300
_PRIOR_WEIGHT = 500.0
_SMOOTHING = 0.5


def log_e_of_p(p: float) -> float:
    """ln((1 - p + p ln p) / (p ln^2 p)), in nats: an e-value from a p-value.

    p = 1 gives ln(1/2) and p = 0 +inf, which no detector forgets: where p can be too small for a
    float use `log_e_of_log_p`, or cap it at `LEAST_P`. Source: Vovk & Wang 2021 (the mixture of
    kappa p^(kappa - 1) over kappa).

    :raises ValueError: p is not in 0..1.
    """
    if not 0.0 <= p <= 1.0:
        raise ValueError(f"a p-value must be in 0..1, got {p}")
    return log_e_of_log_p(math.log(p) if p > 0.0 else -math.inf)


def log_e_of_log_p(log_p: float) -> float:
    """The same from ln p, which does not underflow: `Chi2.log_p` is one.

    :raises ValueError: ln p is above 0 or NaN.
    """
    if not log_p <= 0.0:
        raise ValueError(f"the logarithm of a p-value cannot be above 0, got {log_p}")
    v = -log_p
    if math.isinf(v):
        return math.inf
    if v < 1e-3:
        # (e^v - 1 - v) / v^2 by its series: the difference would cancel.
        return math.log(0.5 + v / 6.0 + v * v / 24.0 + v * v * v / 120.0)
    if v > 30.0:
        return v + math.log1p(-(1.0 + v) * math.exp(-v)) - 2.0 * math.log(v)
    return math.log(math.expm1(v) - v) - 2.0 * math.log(v)


def shiryaev_roberts(log_m: float, log_e: float) -> float:
    """ln M_t from ln M_(t-1) and the window's evidence: M_t = (M_(t-1) + 1) E_t, M_0 = 0.

    Source: Shin, Ramdas & Rinaldo 2023, e-detectors.
    """
    return log_e + (max(log_m, 0.0) + math.log1p(math.exp(-abs(log_m))))


def cusum(log_m: float, log_e: float) -> float:
    """ln M_t from ln M_(t-1): M_t = max(M_(t-1), 1) E_t. Source: as `shiryaev_roberts`."""
    return log_e + max(log_m, 0.0)


def plug_in_log_e(
    window: Sequence[float], *, reference: Sequence[float], recent: Sequence[float]
) -> float:
    """Log-e (nats) of a window's bins against the reference, betting on what came lately.

    ln(1/2 + 1/2 prod_b (qhat_b / y_b)^x_b) with qhat = (500 y + recent) / (500 + their n), where
    `recent` sums the bins of the last windows before this one (five or so) and y are the shares of
    the reference, smoothed by half a count a bin so that a new value cannot win at once.

    :raises ValueError: bins that differ, or an empty reference.
    """
    if not len(window) == len(reference) == len(recent) or math.fsum(reference) <= 0.0:
        raise ValueError("need the same bins everywhere, and a reference with values")
    total = math.fsum(reference) + _SMOOTHING * len(reference)
    seen = math.fsum(recent)
    bet = 0.0
    for x, y, late in zip(window, reference, recent, strict=True):
        share = (y + _SMOOTHING) / total
        bet += x * math.log((_PRIOR_WEIGHT + late / share) / (_PRIOR_WEIGHT + seen))
    return math.log(0.5) + max(bet, 0.0) + math.log1p(math.exp(-abs(bet)))
