"""Sums of a continuous metric, and differences of means made from them (statistics 3.2 and 3.3).

Owns the arithmetic only; what a difference says is for `means`. Sums of large values cancel:
accumulate x - c with a constant c chosen once (a mean of stable's history), for both arms alike.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True)
class Moments:
    """n values, the sum of them and of their squares.

    :raises ValueError: not finite, or a negative n or sum of squares.
    """

    n: float
    total: float
    squares: float

    def __post_init__(self) -> None:
        if not all(map(math.isfinite, (self.n, self.total, self.squares))):
            raise ValueError(f"moments must be finite: {self.n}, {self.total}, {self.squares}")
        if self.n < 0.0 or self.squares < 0.0:
            raise ValueError(f"moments must not be negative: n={self.n}, squares={self.squares}")

    def __add__(self, other: Moments) -> Moments:
        return Moments(self.n + other.n, self.total + other.total, self.squares + other.squares)

    @property
    def mean(self) -> float | None:
        """In the unit of the values; None before the first."""
        return self.total / self.n if self.n > 0.0 else None

    @property
    def variance(self) -> float | None:
        """(squares - n mean^2) / (n - 1), never negative; None before the second value."""
        if self.n < 2.0:
            return None
        return max(0.0, (self.squares - self.total * self.total / self.n) / (self.n - 1.0))


class Difference(NamedTuple):
    """Candidate's mean less stable's, and the variance of that difference."""

    d: float
    v: float


def difference(candidate: Moments, stable: Moments) -> Difference | None:
    """d = mean_c - mean_s, v = var_c / n_c + var_s / n_s; None below two values in an arm."""
    mean_c, var_c = candidate.mean, candidate.variance
    mean_s, var_s = stable.mean, stable.variance
    if mean_c is None or var_c is None or mean_s is None or var_s is None:
        return None
    return Difference(mean_c - mean_s, var_c / candidate.n + var_s / stable.n)


def stratified_difference(phases: Iterable[tuple[Moments, Moments]]) -> Difference | None:
    """One difference from phases of constant weight: (candidate, stable) of each.

    d = sum w d_g / sum w and v = sum w^2 v_g / (sum w)^2 with w = n_c n_s / (n_c + n_s). Pooling
    over a change of weight would take a drift of both arms for an effect. Phases with fewer than
    two values in an arm are skipped; None when none is left. Source: statistics 3.3.
    """
    weights = means = variances = 0.0
    for candidate, stable in phases:
        found = difference(candidate, stable)
        if found is None:
            continue
        w = candidate.n * stable.n / (candidate.n + stable.n)
        weights += w
        means += w * found.d
        variances += w * w * found.v
    if weights <= 0.0:
        return None
    return Difference(means / weights, variances / (weights * weights))
