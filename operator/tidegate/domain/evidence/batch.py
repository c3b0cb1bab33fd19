"""What is measured: one interval of both arms, what stable did before, or why there is nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tidegate.stats import (
    Counts,
    Histogram,
)

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True)
class Arm:
    """What one arm did in one batch: requests, errors among them, and how many were slower than
    each latency bound that was asked for. `timed` is how many the latency histogram holds, when
    that is not all of them."""

    requests: float
    errors: float
    slow: tuple[float, ...] = ()
    timed: float | None = None

    def slower(self, bound: int) -> Counts:
        """How many of the timed requests were slower than the bound with that index."""
        timed = self.requests if self.timed is None else self.timed
        return Counts(bad=self.slow[bound], n=timed)


@dataclass(frozen=True)
class Batch:
    """One interval (start, end], the same for both arms.

    `shadow`: the candidate answered copies of requests, which no caller met."""

    start: datetime
    end: datetime
    stable: Arm
    candidate: Arm
    shadow: bool = False

    @property
    def seconds(self) -> float:
        """How much time the batch covers."""
        return (self.end - self.start).total_seconds()


@dataclass(frozen=True)
class Baseline:
    """What stable did before the attempt: errors of requests, and its latency histogram."""

    errors: Counts
    latency: Histogram


@dataclass(frozen=True)
class Unseen:
    """Why there is no batch or baseline: a hold reason, and what to do."""

    reason: str
    message: str
