"""What a source of traffic metrics answers: requests counted over whole intervals, or why not.

Owns the protocols `TrafficMetrics` and `OtherMetrics`, and the values they speak in. Three outcomes
are kept apart on purpose: a value, no data (never success, never failure) and an error (the source
did not answer). It asks nobody and decides nothing.
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
    """The source did not answer, or not sensibly. `reason` says what happened, for people.

    `refused`: it understood well enough to say that the question itself is wrong.
    """

    reason: str
    refused: bool = False


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
    tallies: Mapping[tuple[str, ...], float] = field(default_factory=dict)
    """What other counters rose by, where somebody asked for them."""

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


type Halves = tuple[tuple[Counts, Counts], ...]


@dataclass(frozen=True, slots=True)
class Baseline:
    """What a cluster did over a longer window: the history that thresholds are taken from.

    `rate` is requests a second in the last minutes, None where it cannot be told. `error_halves`
    and `slow_halves` (by bucket bound in ms) are the same requests minute by minute, split in two,
    for `stats.dispersion`.
    """

    requests: float
    errors: float
    histogram: Histogram = field(default_factory=lambda: Histogram((), ()))
    rate: float | None = None
    error_halves: Halves = ()
    slow_halves: Mapping[float, Halves] = field(default_factory=dict)

    @property
    def error_counts(self) -> Counts:
        """Errors of requests."""
        return Counts(bad=self.errors, n=self.requests)


@dataclass(frozen=True, slots=True)
class Counters:
    """Two counters of a user's, as selectors: the bad ones, and all of them."""

    bad: str
    total: str


@dataclass(frozen=True, slots=True)
class Ratios:
    """What pairs of counters rose by in one interval (start, end], by the asker's names."""

    start: datetime
    end: datetime
    counts: Mapping[str, Counts]


@dataclass(frozen=True, slots=True)
class Predictions:
    """Predictions in one interval, by the asker's names, then output, then bin."""

    start: datetime
    end: datetime
    bins: Mapping[str, Mapping[str, Mapping[str, float]]]


class OtherMetrics(Protocol):
    """Answers what is not the gateway's to count: users' own counters and values, model servers'
    predictions. As `TrafficMetrics` it reads only and never raises for a source that is down.

    `owner` (namespace/name) is who asks: nobody's questions keep others waiting for long.
    """

    async def ratios(
        self, counters: Mapping[str, Counters], *, start: datetime, end: datetime, owner: str
    ) -> Value[Ratios] | NoData | Error:
        """What each pair of counters rose by in (start, end].

        `NoData` where a total is not there at all or was not scraped up to the end; a bad counter
        that is absent beside its total stands at 0.
        """
        ...

    async def number(
        self, query: str, *, at: datetime, owner: str
    ) -> Value[float] | NoData | Error:
        """The one number of a query: a scalar, or an instant vector with one series.

        `NoData` for an empty answer and for NaN, `Error` for several series.
        """
        ...

    async def predictions(
        self, revisions: Mapping[str, str], *, start: datetime, end: datetime, owner: str
    ) -> Value[Predictions] | NoData | Error:
        """How many predictions fell into each bin in (start, end], by revision.

        `revisions` maps the asker's names to `namespace/model/revision`.
        """
        ...


class Metrics(Protocol):
    """All that rollouts are measured with."""

    @property
    def gateway(self) -> TrafficMetrics:
        """Requests as the gateway counts them."""
        ...

    @property
    def server(self) -> TrafficMetrics:
        """Requests as the model servers count them."""
        ...

    def of_backend(self, name: str) -> TrafficMetrics:
        """Requests as a backend of `spec.backend` counts them, or the gateway that it uses.

        :raises KeyError: it is none.
        """
        ...

    @property
    def other(self) -> OtherMetrics:
        """Everything else."""
        ...


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
