"""What every count metric is made of: requests, the bad ones of them, and the margin tolerated.

Owns the input contract of statistics 0 (bad never above the total). It decides nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Counts:
    """Requests of one arm in one interval (or summed over intervals), in units of requests.

    `bad` of `n` were bad. Fractions are tolerated (weighted or extrapolated counters). Two
    counters read a moment apart can disagree, so `bad` above `n` is cut to `n`; negative or
    non-finite counts are a fault of the caller.

    :raises ValueError: a count is negative, infinite or NaN.
    """

    bad: float
    n: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.bad) and math.isfinite(self.n)):
            raise ValueError(f"counts must be finite: bad={self.bad}, n={self.n}")
        if self.bad < 0 or self.n < 0:
            raise ValueError(f"counts must not be negative: bad={self.bad}, n={self.n}")
        if self.bad > self.n:
            object.__setattr__(self, "bad", self.n)

    @property
    def estimate(self) -> float | None:
        """Share of bad requests in 0..1; None before the first request."""
        return self.bad / self.n if self.n > 0 else None

    def __add__(self, other: Counts) -> Counts:
        return Counts(bad=self.bad + other.bad, n=self.n + other.n)


NO_COUNTS = Counts(bad=0.0, n=0.0)


@dataclass(frozen=True, slots=True)
class Margin:
    """How much worse a candidate may be: p_c <= max(ratio * p_s, p_s + absolute).

    `ratio` is a factor on the rate, `absolute` a difference of rates in 0..1. At least one of them
    must leave room, or an identical candidate could never be promoted on the difference.

    :raises ValueError: ratio below 1, absolute outside 0..1, or no room at all.
    """

    ratio: float
    absolute: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.ratio) and self.ratio >= 1):
            raise ValueError(f"margin ratio must be at least 1, got {self.ratio}")
        if not 0 <= self.absolute < 1:
            raise ValueError(f"margin absolute must be in [0, 1), got {self.absolute}")
        if self.ratio == 1 and self.absolute == 0:
            raise ValueError("a margin needs a ratio above 1 or an absolute above 0")

    @property
    def half(self) -> Margin:
        """What rollback is tested against (statistics 1.3): sqrt(ratio) and absolute / 2."""
        return Margin(ratio=math.sqrt(self.ratio), absolute=self.absolute / 2)
