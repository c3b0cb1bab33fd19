"""Latency by exceedances: "the quantile is above T" is a share of slower requests (2.1).

Owns the choice of thresholds from stable's histogram. The exceedances themselves are counts and go
through `eprocess` like errors; this module never compares two arms.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tidegate.stats.counts import Margin

if TYPE_CHECKING:
    from collections.abc import Sequence

LEAST_BASELINE_REQUESTS = 1000
# A coarser boundary than this would tolerate a slowdown that nobody asked for.
COARSEST = 1.5
EXCEEDANCE_RATIO = 1.5


@dataclass(frozen=True, slots=True)
class Histogram:
    """Cumulative bucket counts: `cumulative[i]` requests took at most `bounds_ms[i]` milliseconds.

    Bounds rise; the last is +inf when the histogram is complete.

    :raises ValueError: lengths differ, bounds do not rise or counts fall.
    """

    bounds_ms: tuple[float, ...]
    cumulative: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.bounds_ms) != len(self.cumulative):
            raise ValueError("a histogram needs one count a bound")
        if any(b <= a for a, b in zip(self.bounds_ms, self.bounds_ms[1:], strict=False)):
            raise ValueError("the bounds of a histogram must rise")
        if any(b < a for a, b in zip(self.cumulative, self.cumulative[1:], strict=False)):
            raise ValueError("the cumulative counts of a histogram must not fall")

    @property
    def total(self) -> float:
        """Requests in all buckets."""
        return self.cumulative[-1] if self.cumulative else 0.0

    def quantile(self, q: float) -> float:
        """The q-quantile in milliseconds, linear inside its bucket; +inf above every finite bound.

        In the first bucket it is the bucket's bound: what is faster than the histogram can tell has
        no lower end to draw a line from.

        :raises ValueError: no requests, or q outside (0, 1).
        """
        if not 0.0 < q < 1.0 or self.total <= 0.0:
            raise ValueError("a quantile needs requests and 0 < q < 1")
        rank = q * self.total
        found = next(i for i, count in enumerate(self.cumulative) if count >= rank)
        bound = self.bounds_ms[found]
        if found == 0 or math.isinf(bound):
            return bound
        low, below = self.bounds_ms[found - 1], self.cumulative[found - 1]
        return low + (bound - low) * (rank - below) / (self.cumulative[found] - below)


@dataclass(frozen=True, slots=True)
class Threshold:
    """T_q: at most a share 1 - q of requests may be slower than `bound_ms` milliseconds.

    `target_ms` is ratio * Q_s(q), as asked for; `bound_ms` the bucket boundary that stands in.
    """

    quantile: float
    target_ms: float
    bound_ms: float

    @property
    def margin(self) -> Margin:
        """What the share of slower requests is tested with: ratio 1.5, absolute (1 - q) / 2."""
        return Margin(ratio=EXCEEDANCE_RATIO, absolute=(1.0 - self.quantile) / 2.0)


@dataclass(frozen=True, slots=True)
class NoThreshold:
    """Why there is no threshold for a quantile: a CamelCase reason and what to do about it.

    `NoBaseline`: too little traffic so far; wait. `BucketsTooCoarse`: the gateway's histogram has
    no boundary near the target; waiting will not help.
    """

    quantile: float
    reason: str
    message: str


def latency_thresholds(
    baseline: Histogram, quantiles: Sequence[float], ratio: float
) -> tuple[Threshold | NoThreshold, ...]:
    """For each quantile the smallest bucket boundary >= ratio * Q_s(q), in milliseconds.

    Needs 1,000 requests of baseline; refuses a boundary above 1.5 times the target. Choose once,
    before the first batch: a threshold that follows the data is no threshold. Source: statistics
    2.1.
    """
    return tuple(_threshold(baseline, q, ratio) for q in quantiles)


def _threshold(baseline: Histogram, q: float, ratio: float) -> Threshold | NoThreshold:
    if baseline.total < LEAST_BASELINE_REQUESTS:
        # In hundreds: the message stands in a status, and a status that changes with every request
        # is written, watched and looked at anew with every request.
        above = (math.floor(baseline.total / 100) + 1) * 100
        return NoThreshold(
            q,
            "NoBaseline",
            f"fewer than {above} requests of stable are known, "
            f"{LEAST_BASELINE_REQUESTS} are needed: send stable more traffic first",
        )
    target = ratio * baseline.quantile(q)
    bound = next((b for b in baseline.bounds_ms if b >= target and math.isfinite(b)), math.inf)
    if bound > COARSEST * target or math.isinf(bound):
        known = [b for b in baseline.bounds_ms if math.isfinite(b)]
        nearest = (
            f"{bound:g} ms" if math.isfinite(bound) else f"none up to {max(known, default=0):g} ms"
        )
        wanted = (
            f"a boundary between {target:.2g} and {COARSEST * target:.2g} ms"
            if math.isfinite(target)
            else "a boundary above the slowest requests"
        )
        return NoThreshold(
            q,
            "BucketsTooCoarse",
            f"the {q:g} quantile asks for {wanted}, the next in the gateway's histogram is "
            f"{nearest}: give the gateway finer histogram buckets",
        )
    return Threshold(quantile=q, target_ms=target, bound_ms=bound)
