"""What a source of traffic metrics answers: requests counted over whole intervals, or why not.

Owns the protocol `TrafficMetrics` and the values it speaks in. Three outcomes are kept apart on
purpose: a value, no data (never success, never failure) and an error (the source did not answer).
It asks nobody and decides nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from tidegate.stats.counts import Counts
from tidegate.stats.latency import Histogram

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Value[T]:
    """The source answered. `warnings` are its own words, worth showing and never acted on."""

    value: T
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NoData:
    """The source answered and cannot tell (yet). `reason` says what is missing, for people."""

    reason: str


@dataclass(frozen=True, slots=True)
class Error:
    """The source did not answer, or not sensibly. `reason` says what happened, for people."""

    reason: str


@dataclass(frozen=True, slots=True)
class ArmCounts:
    """What one cluster answered in one interval, in requests.

    `errors` are answers of class 5; `slow[i]` are requests above the i-th threshold asked for,
    out of the `timed` ones: those whose latency is known. The two totals differ, because a
    gateway's own 503 has no upstream latency and because its histograms lag its counters.
    """

    requests: float
    errors: float
    slow: tuple[float, ...] = ()
    timed: float = 0.0

    @property
    def error_counts(self) -> Counts:
        """Errors of requests."""
        return Counts(bad=self.errors, n=self.requests)

    def slow_counts(self, threshold: int) -> Counts:
        """Requests slower than the threshold with that index, of those whose latency is known."""
        return Counts(bad=self.slow[threshold], n=self.timed)


@dataclass(frozen=True, slots=True)
class Batch:
    """Counts of the same interval (start, end] for every arm, keyed by the gateway's cluster name.

    `start` is later than asked for when the samples before it are gone: that gap was skipped.
    """

    start: datetime
    end: datetime
    arms: Mapping[str, ArmCounts]

    @property
    def duration(self) -> timedelta:
        """The observed time that this batch covers."""
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class Baseline:
    """What a cluster did over a longer window: the history that thresholds are taken from."""

    requests: float
    errors: float
    histogram: Histogram = field(default_factory=lambda: Histogram((), ()))

    @property
    def error_counts(self) -> Counts:
        """Errors of requests."""
        return Counts(bad=self.errors, n=self.requests)


class TrafficMetrics(Protocol):
    """Counts what the gateway charged to each cluster. Reads only, so every call may be repeated.

    No method raises for a source that is down, slow or empty: that is `Error` or `NoData`. Every
    call returns within the source's own timeout. Times are aware UTC datetimes of the source's
    clock.
    """

    async def batch(
        self,
        clusters: Sequence[str],
        *,
        start: datetime,
        end: datetime,
        thresholds_ms: Sequence[float],
    ) -> Value[Batch] | NoData | Error:
        """Counts of (start, end] for every cluster, all from the same interval.

        `NoData` when any of the clusters cannot be counted over the whole interval: unknown, a
        missing or stale instance, a latency threshold that is no bucket boundary. Never a batch
        of zeros for what was not seen; an arm that was seen and had no traffic has zeros.
        """
        ...

    async def baseline(
        self, cluster: str, *, end: datetime, window: timedelta
    ) -> Value[Baseline] | NoData | Error:
        """What the cluster did in the `window` before `end`, as far as samples reach back."""
        ...

    async def clock(self) -> Value[datetime] | NoData | Error:
        """The source's own time, to compare clocks."""
        ...
