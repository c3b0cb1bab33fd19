"""Kullback-Leibler projections of a two-arm alternative onto the edge of a null hypothesis.

Owns the two minimisations that statistics 1.2 needs. It knows nothing of batches or evidence.
"""

from __future__ import annotations

import math

_MAX_STEPS = 80
_CLOSE = 1e-12
"""A step so small, relative to s, is the last: the divergence is flat at its least, so what is left
of it is of the order of n _CLOSE^2."""


def project_difference(
    *, n_c: float, n_s: float, q_c: float, q_s: float, margin: float
) -> tuple[float, float]:
    """The point (c0, s0) on c = s + margin nearest to (q_c, q_s).

    Minimises n_c KL(q_c || s + margin) + n_s KL(q_s || s) over s, in nats, both KL between
    Bernoulli rates in 0..1. Closed form for margin 0, else the root of the decreasing

        g(s) = n_c (q_c - c) / (c (1 - c)) + n_s (q_s - s) / (s (1 - s)),   c = s + margin,

    by Newton steps kept inside a shrinking bracket (bisection whenever a step leaves it).
    Source: Turner, Ly & Grunwald, safe tests for 2x2 tables.
    """
    if margin == 0.0:
        pooled = (n_c * q_c + n_s * q_s) / (n_c + n_s)
        return pooled, pooled
    low, high = max(0.0, -margin), min(1.0, 1.0 - margin)
    s = min(max(q_s, low + (high - low) * 1e-9), high - (high - low) * 1e-9)
    for _ in range(_MAX_STEPS):
        c = s + margin
        v_c, v_s = c * (1.0 - c), s * (1.0 - s)
        if v_c <= 0.0 or v_s <= 0.0:
            s = 0.5 * (low + high)
            continue
        g = n_c * (q_c - c) / v_c + n_s * (q_s - s) / v_s
        if g > 0.0:
            low = s
        elif g < 0.0:
            high = s
        else:
            break
        # How fast each (q - p) / (p (1 - p)) falls in p.
        slope_c = (v_c + (q_c - c) * (1.0 - 2.0 * c)) / (v_c * v_c)
        slope_s = (v_s + (q_s - s) * (1.0 - 2.0 * s)) / (v_s * v_s)
        slope = n_c * slope_c + n_s * slope_s
        step = s + g / slope if slope > 0.0 else math.inf
        if not low < step < high:
            step = 0.5 * (low + high)
        if abs(step - s) <= _CLOSE * s or high - low <= 1e-16:
            s = step
            break
        s = step
    return s + margin, s


def project_ratio(
    *, n_c: float, n_s: float, q_c: float, q_s: float, ratio: float
) -> tuple[float, float]:
    """The point (c0, s0) on c = ratio * s nearest to (q_c, q_s), in the same sense.

    s0 is the smaller root of
        r (n_c + n_s) s^2 - [n_c (q_c + r) + n_s (1 + r q_s)] s + n_c q_c + n_s q_s = 0.
    Source: Turner & Grunwald 2023, general nulls.
    """
    a = ratio * (n_c + n_s)
    b = n_c * (q_c + ratio) + n_s * (1.0 + ratio * q_s)
    c = n_c * q_c + n_s * q_s
    # 2c / (b + sqrt) rather than (b - sqrt) / 2a: no cancellation at tiny rates.
    s = 2.0 * c / (b + math.sqrt(max(0.0, b * b - 4.0 * a * c)))
    return ratio * s, s
