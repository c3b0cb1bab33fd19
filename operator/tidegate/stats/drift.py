"""How far a window's binned values are from the reference's, and what chance alone does (6).

Owns distances between two rows of counts over the same bins, and their thresholds. Bins are fixed
when the reference is taken; whether to alert (significant and large enough) is the caller's.
Everywhere `window` (x, n in all) comes first, `reference` (y, m in all) second.
"""

from __future__ import annotations

import math
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, NamedTuple

from tidegate.stats.special import chi2_quantile, log_chi2_tail

if TYPE_CHECKING:
    from collections.abc import Sequence

SMOOTHING = 0.5
WATCH = 0.02
ACT = 0.1


class Chi2(NamedTuple):
    """A chi-square statistic and the natural logarithm of its p-value."""

    statistic: float
    log_p: float

    @property
    def p(self) -> float:
        """In 0..1; 0 where it is too small for a float."""
        return math.exp(self.log_p)


def _checked(window: Sequence[float], reference: Sequence[float]) -> tuple[float, float]:
    if len(window) != len(reference) or not window:
        raise ValueError("window and reference need the same bins, and at least one")
    if min(window) < 0.0 or min(reference) < 0.0:
        raise ValueError("counts must not be negative")
    return math.fsum(window), math.fsum(reference)


def _filled(window: Sequence[float], reference: Sequence[float]) -> tuple[float, float]:
    n, m = _checked(window, reference)
    if n <= 0.0 or m <= 0.0:
        raise ValueError("an empty window or reference has no distribution")
    return n, m


def _smoothed(counts: Sequence[float], smoothing: float) -> list[float]:
    total = math.fsum(counts) + smoothing * len(counts)
    if total <= 0.0:
        raise ValueError("an empty window or reference has no distribution")
    return [(count + smoothing) / total for count in counts]


def psi(
    window: Sequence[float], reference: Sequence[float], *, smoothing: float = SMOOTHING
) -> float:
    """Population stability index: sum (p - q) ln(p / q), p = (x + .5) / (n + .5 B), q likewise.

    In nats; finite whatever the counts when `smoothing` is positive. Without drift it is about
    (1/n + 1/m) chi2 with B - 1 degrees of freedom (Yurdakul 2018).
    """
    _checked(window, reference)
    ps, qs = _smoothed(window, smoothing), _smoothed(reference, smoothing)
    return math.fsum((p - q) * math.log(p / q) for p, q in zip(ps, qs, strict=True))


def psi_threshold(*, n: float, m: float, bins: int, alpha: float) -> float:
    """What `psi` exceeds with probability alpha without drift; Jensen-Shannon: an eighth of it.

    (1/n + 1/m) times the upper alpha quantile of chi-square with B - 1 degrees of freedom; `m` may
    be +inf. Needs 5 or more expected in each bin. Source: Yurdakul 2018.

    :raises ValueError: fewer than two bins: a constant has no drift to measure.
    """
    if bins < 2:
        raise ValueError(f"a threshold needs two bins or more, got {bins}")
    return (1.0 / n + 1.0 / m) * chi2_quantile(alpha, bins - 1)


def psi_effect(value: float, *, n: float, m: float, bins: int) -> float:
    """`psi` less what chance alone gives on average: to compare with WATCH and ACT."""
    return value - (bins - 1) * (1.0 / n + 1.0 / m)


def jensen_shannon(window: Sequence[float], reference: Sequence[float]) -> float:
    """Jensen-Shannon divergence of the shares p = x / n and q = y / m, in nats (0..ln 2).

    (KL(p || r) + KL(q || r)) / 2 with r = (p + q) / 2, not smoothed: it is finite anyway.
    """
    n, m = _filled(window, reference)
    ps, qs = [x / n for x in window], [y / m for y in reference]
    return 0.5 * math.fsum(
        _gain(p, (p + q) / 2.0) + _gain(q, (p + q) / 2.0) for p, q in zip(ps, qs, strict=True)
    )


def _gain(p: float, r: float) -> float:
    return p * math.log(p / r) if p > 0.0 else 0.0


def _gaps(window: Sequence[float], reference: Sequence[float]) -> list[float]:
    """|F - G| at the upper edge of every bin."""
    n, m = _filled(window, reference)
    sums = zip(accumulate(window), accumulate(reference), strict=True)
    return [abs(x / n - y / m) for x, y in sums]


def kolmogorov_smirnov(window: Sequence[float], reference: Sequence[float]) -> float:
    """max |F - G| over the edges of the bins, in units of probability."""
    return max(_gaps(window, reference))


def ks_threshold(*, n: float, m: float, alpha: float) -> float:
    """sqrt(-ln(alpha / 2) / 2 (n + m) / (n m)): asymptotic, and conservative on bins."""
    return math.sqrt(-math.log(alpha / 2.0) / 2.0 * (1.0 / n + 1.0 / m))


def wasserstein(
    window: Sequence[float], reference: Sequence[float], edges: Sequence[float]
) -> float:
    """First Wasserstein distance: sum |F - G| times the gap between neighbouring bins' centres.

    In the unit of the B + 1 `edges`; divide these by the reference's deviation to compare features.
    An open outer bin is taken to be as wide as its neighbour.

    :raises ValueError: edges do not fit the bins, do not rise, or too few are finite.
    """
    bounds = _closed(edges)
    if len(bounds) != len(window) + 1:
        raise ValueError(f"{len(window)} bins need {len(window) + 1} edges, got {len(bounds)}")
    centres = [(low + high) / 2.0 for low, high in pairwise(bounds)]
    steps = [high - low for low, high in pairwise(centres)]
    return math.fsum(
        gap * step for gap, step in zip(_gaps(window, reference)[:-1], steps, strict=True)
    )


def _closed(edges: Sequence[float]) -> list[float]:
    bounds = list(edges)
    if any(not low < high for low, high in pairwise(bounds)):
        raise ValueError("edges must rise")
    inner = [edge for edge in bounds if math.isfinite(edge)]
    if len(inner) < 2:
        raise ValueError("at least two edges must be finite")
    if math.isinf(bounds[0]):
        bounds[0] = 2.0 * inner[0] - inner[1]
    if math.isinf(bounds[-1]):
        bounds[-1] = 2.0 * inner[-1] - inner[-2]
    return bounds


def chi2_two_sample(window: Sequence[float], reference: Sequence[float]) -> Chi2:
    """Are both rows from the same distribution? For categories, without smoothing.

    sum (sqrt(m/n) x - sqrt(n/m) y)^2 / (x + y) over bins with x + y > 0, one degree of freedom
    fewer than those. One bin in use says nothing: statistic 0, p 1.
    """
    n, m = _filled(window, reference)
    scale = math.sqrt(m / n)
    used = [(x, y) for x, y in zip(window, reference, strict=True) if x + y > 0.0]
    if len(used) < 2:
        return Chi2(0.0, 0.0)
    value = math.fsum((scale * x - y / scale) ** 2 / (x + y) for x, y in used)
    return Chi2(value, log_chi2_tail(value, len(used) - 1))
