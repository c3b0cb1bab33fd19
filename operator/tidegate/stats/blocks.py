"""Differences of rates block by block: a second opinion that bursts cannot fool (statistics 2.4).

Blocks of a minute are independent of each other also where errors within one are not, so what they
say of the mean difference needs no over-dispersion factor. It is slow and asymptotic: it decides
nothing, and speaks only after 30 blocks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from tidegate.stats.means import LEAST_BLOCKS, one_sided_half_width

T_OPT = 60.0
"""Blocks at which the bound is tightest: an hour."""


@dataclass(frozen=True, slots=True)
class Blocks:
    """How many blocks there were, sums of their differences (candidate - stable) and squares."""

    n: int = 0
    total: float = 0.0
    squares: float = 0.0

    def added(self, difference: float) -> Blocks:
        """With one more block."""
        return Blocks(self.n + 1, self.total + difference, self.squares + difference**2)

    @property
    def enough(self) -> bool:
        """Whether a normal approximation may be leant on."""
        return self.n >= LEAST_BLOCKS

    @property
    def mean(self) -> float:
        """The mean difference, 0 before the first block."""
        return self.total / self.n if self.n else 0.0

    @property
    def deviation(self) -> float:
        """The standard deviation of a block's difference."""
        if self.n < 2:
            return 0.0
        return math.sqrt(max(0.0, (self.squares - self.n * self.mean**2) / (self.n - 1)))

    def errors_above(self, tolerated: float) -> float:
        """How many standard errors the mean difference is above what is tolerated."""
        above = self.mean - tolerated
        if self.deviation <= 0.0:
            return math.inf if above > 0.0 else -math.inf
        return above * math.sqrt(self.n) / self.deviation

    def lower(self, alpha: float) -> float:
        """What the true mean is above, at every look with probability 1 - alpha (3.1)."""
        width = one_sided_half_width(self.n, deviation=self.deviation, alpha=alpha, t_opt=T_OPT)
        return self.mean - width
