"""What choosing one of two arms is expected to cost: "safe to pick either" (statistics 5).

A decision rule, not a test: between equal arms it names a winner most of the time. Nobody is
promoted or rolled back by it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from tidegate.stats.guard import log_upper_beta

if TYPE_CHECKING:
    from tidegate.stats.counts import Counts

# Where the integrand has fallen by this many nats from its top it is left out.
_DEPTH = 45.0
_FARTHEST = 700.0


class Choice(NamedTuple):
    """P(p_1 > p_2), and E max(p_2 - p_1, 0): the rate expected to be lost by choosing 1."""

    larger: float
    loss: float


def choice(first: Counts, second: Counts, *, a: float = 1.0, b: float = 1.0) -> Choice:
    """Two rates (larger is better, so count successes as `bad`) under Beta(a, b) priors.

    With posterior means m:  loss = m_2 P(p_2' > p_1) - m_1 P(p_2 > p_1'), where p' has one more
    success. Source: expected-loss rule as of Chapman and others; integrals by the trapezoid rule
    in the log-odds, which converges exponentially.
    """
    a1, b1 = a + first.bad, b + first.n - first.bad
    a2, b2 = a + second.bad, b + second.n - second.bad
    gained = a2 / (a2 + b2) * larger_chance(a2 + 1.0, b2, a1, b1)
    given_up = a1 / (a1 + b1) * larger_chance(a2, b2, a1 + 1.0, b1)
    return Choice(larger_chance(a1, b1, a2, b2), max(0.0, gained - given_up))


def larger_chance(a1: float, b1: float, a2: float, b2: float) -> float:
    """P(X > Y) for independent X ~ Beta(a1, b1) and Y ~ Beta(a2, b2).

    Integrated over the narrower of the two, against the other's distribution function.
    """
    if _width(a2, b2) <= _width(a1, b1):
        return _above(a1, b1, a2, b2)
    return 1.0 - _above(a2, b2, a1, b1)


def _above(a1: float, b1: float, a2: float, b2: float) -> float:
    """E Q(Y; a1, b1) over Y ~ Beta(a2, b2): the density of ln(Y / (1 - Y)) times the tail of X.

    The density is scaled by its own sum, which is truer than lnB of large counts.
    """
    centre = math.log(a2 / b2)
    step = min(0.5, _width(a2, b2) / 3.0)
    top = _log_density(centre, a2, b2)
    whole, above = 1.0, _tail(centre, a1, b1)
    for direction in (step, -step):
        u = centre + direction
        while (depth := _log_density(u, a2, b2) - top) > -_DEPTH:
            whole += math.exp(depth)
            above += math.exp(depth) * _tail(u, a1, b1)
            u += direction
    return min(1.0, above / whole)


def _tail(u: float, a: float, b: float) -> float:
    """P(X > x) at the log-odds u of x, X ~ Beta(a, b)."""
    x = 1.0 / (1.0 + math.exp(min(abs(u), _FARTHEST)))
    if u > 0.0:
        # 1 - x is the small number that must stay exact.
        return -math.expm1(log_upper_beta(x, b, a))
    return math.exp(log_upper_beta(x, a, b))


def _log_density(u: float, a: float, b: float) -> float:
    """ln of the density of the log-odds u, but for a constant: a ln x + b ln(1 - x)."""
    even = math.log1p(math.exp(-abs(u)))
    return -a * (max(-u, 0.0) + even) - b * (max(u, 0.0) + even)


def _width(a: float, b: float) -> float:
    """The standard deviation of the log-odds, by the curvature at their mode."""
    return math.sqrt((a + b) / (a * b))
