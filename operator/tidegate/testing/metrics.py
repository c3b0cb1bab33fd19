"""Traffic that a test writes down: rates, faults and latencies, and outages of their source.

Owns `FakeMetrics`, an implementation of `tidegate.metrics.base.TrafficMetrics` without a network.
Time is cut into cells of a second; what a cluster did in a cell depends on the seed, the cluster
and the cell alone, so the same interval always counts the same, however it is sliced and asked
again.
"""

from __future__ import annotations

import bisect
import copy
import math
import random
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from tidegate.metrics.base import (
    ArmCounts,
    Baseline,
    Batch,
    Error,
    NoData,
    Predictions,
    Ratios,
    Value,
)
from tidegate.stats.counts import Counts
from tidegate.stats.latency import Histogram

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tidegate.metrics.base import Counters

DEFAULT_BOUNDS_MS = (
    1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 12.0, 15.0, 20.0, 25.0, 30.0, 40.0, 50.0, 60.0,
    80.0, 100.0, 120.0, 150.0, 200.0, 250.0, 300.0, 400.0, 500.0, 750.0, 1000.0, 2000.0, math.inf,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Traffic:
    """What a cluster does from some moment on. Latency is lognormal: its median, its sigma."""

    rate: float = 0.0
    error_rate: float = 0.0
    latency_ms: float = 20.0
    spread: float = 0.4

    def share_below(self, bound_ms: float) -> float:
        """Share of requests that take at most `bound_ms`."""
        if math.isinf(bound_ms):
            return 1.0
        z = math.log(bound_ms / self.latency_ms) / self.spread
        return 0.5 * math.erfc(-z / math.sqrt(2.0))


class FakeMetrics:
    """All metrics, as a test scripts them; `now` is the test's clock.

    Changes (`route`, `behave`) hold from the moment they are made. `outage`, while set, is the
    answer to everything. `skew` is added to the clock that it reports. `asked` lists the
    intervals of every batch that was asked for.

    A pair of counters is a cluster too, named like its total: `route` and `behave` say how it
    rises. `numbers` has the answer to each query, by its text as it is sent; `queried` lists those
    that were.
    """

    def __init__(
        self,
        now: Callable[[], datetime],
        *,
        seed: int = 0,
        bounds_ms: Sequence[float] = DEFAULT_BOUNDS_MS,
    ) -> None:
        self._now = now
        self._seed = seed
        self._bounds = tuple(bounds_ms)
        self._changes: dict[str, list[tuple[float, Traffic]]] = {}
        self._history_from = -math.inf
        self.outage: NoData | Error | None = None
        self.skew = timedelta()
        self.asked: list[tuple[datetime, datetime]] = []
        self.numbers: dict[str, float | NoData | Error] = {}
        self.queried: list[str] = []
        self._shares: dict[str, dict[str, dict[str, float]]] = {}

    @property
    def gateway(self) -> FakeMetrics:
        """Itself: requests as the gateway counts them."""
        return self

    @property
    def server(self) -> FakeMetrics:
        """Itself: the servers count the same."""
        return self

    def of_backend(self, name: str) -> FakeMetrics:
        """Itself: backends count the same."""
        return self

    @property
    def other(self) -> FakeMetrics:
        """Itself."""
        return self

    def copy(self, now: Callable[[], datetime]) -> FakeMetrics:
        """The same story so far, for another clock that stands where this one does."""
        other = copy.copy(self)
        other._now = now
        other._changes = {cluster: list(changes) for cluster, changes in self._changes.items()}
        other._shares = {cluster: dict(outputs) for cluster, outputs in self._shares.items()}
        other.numbers = dict(self.numbers)
        other.asked = []
        return other

    def predict(self, cluster: str, output: str, shares: Mapping[str, float]) -> None:
        """What the cluster predicts from the first request on: the share of each bin (sum 1)."""
        self._shares.setdefault(cluster, {})[output] = dict(shares)

    def route(self, rates: Mapping[str, float]) -> None:
        """From now on these clusters get so many requests a second."""
        for cluster, rate in rates.items():
            self._change(cluster, rate=rate)

    def split(self, rate: float, weights: Mapping[str, float]) -> None:
        """From now on `rate` requests a second are shared by weight."""
        total = sum(weights.values()) or 1.0
        self.route({cluster: rate * weight / total for cluster, weight in weights.items()})

    def behave(
        self,
        cluster: str,
        *,
        error_rate: float | None = None,
        latency_ms: float | None = None,
        spread: float | None = None,
    ) -> None:
        """From now on the cluster fails or dawdles like this; what is not named stays as it is."""
        named = {"error_rate": error_rate, "latency_ms": latency_ms, "spread": spread}
        self._change(cluster, **{key: value for key, value in named.items() if value is not None})

    def lose_history(self) -> None:
        """The source restarts empty now: samples before this moment are gone."""
        self._history_from = self._now().timestamp()

    def forget(self, cluster: str) -> None:
        """The gateway no longer knows the cluster."""
        self._changes.pop(cluster, None)

    async def batch(
        self,
        clusters: Sequence[str],
        *,
        start: datetime,
        end: datetime,
        thresholds_ms: Sequence[float],
    ) -> Value[Batch] | NoData | Error:
        """Counts of the whole seconds in (start, end]; see the protocol."""
        self.asked.append((start, end))
        if self.outage is not None:
            return self.outage
        unknown = sorted(c for c in clusters if c not in self._changes)
        if unknown:
            return NoData(f"the gateway has no cluster {', '.join(unknown)}")
        odd = [t for t in thresholds_ms if t not in self._bounds]
        if odd:
            return NoData(f"{odd[0]:g} ms is no boundary of the gateway's histogram")
        begin = max(start.timestamp(), self._history_from)
        if math.floor(end.timestamp()) <= math.floor(begin):
            return NoData("no samples in the interval yet")
        arms = {
            cluster: self._count(cluster, begin, end.timestamp(), tuple(thresholds_ms))
            for cluster in clusters
        }
        return Value(Batch(start=datetime.fromtimestamp(begin, UTC), end=end, arms=arms))

    async def baseline(
        self, cluster: str, *, end: datetime, window: timedelta
    ) -> Value[Baseline] | NoData | Error:
        """What the cluster did, as far as its script reaches back; see the protocol."""
        if self.outage is not None:
            return self.outage
        if cluster not in self._changes:
            return NoData(f"the gateway has no cluster {cluster}")
        first = max(self._changes[cluster][0][0], self._history_from)
        begin = max((end - window).timestamp(), first)
        finite = self._bounds[:-1]
        counted = self._count(cluster, begin, end.timestamp(), finite)
        cumulative = (*(counted.timed - slow for slow in counted.slow), counted.timed)
        return Value(
            Baseline(
                requests=counted.requests,
                errors=counted.errors,
                histogram=Histogram(self._bounds, cumulative),
                rate=self._at(cluster, math.floor(end.timestamp())).rate,
            )
        )

    async def ratios(
        self, counters: Mapping[str, Counters], *, start: datetime, end: datetime, owner: str
    ) -> Value[Ratios] | NoData | Error:
        """What the clusters named like the totals did; see the protocol."""
        if self.outage is not None:
            return self.outage
        found = {}
        for name, pair in counters.items():
            if pair.total not in self._changes:
                return NoData(f"no samples of {pair.total}")
            counted = self._count(pair.total, start.timestamp(), end.timestamp(), ())
            found[name] = Counts(bad=counted.errors, n=counted.requests)
        return Value(Ratios(start, end, found))

    async def number(
        self, query: str, *, at: datetime, owner: str
    ) -> Value[float] | NoData | Error:
        """What `numbers` has for the query; see the protocol."""
        self.queried.append(query)
        if self.outage is not None:
            return self.outage
        answer = self.numbers.get(query, NoData("the query has no result now"))
        return Value(answer) if isinstance(answer, float) else answer

    async def predictions(
        self, revisions: Mapping[str, str], *, start: datetime, end: datetime, owner: str
    ) -> Value[Predictions] | NoData | Error:
        """One prediction of each output for each request; see the protocol."""
        if self.outage is not None:
            return self.outage
        bins = {}
        for name, cluster in revisions.items():
            if cluster not in self._changes:
                return NoData(f"no samples of the servers of {cluster}")
            outputs = self._shares.get(cluster, {})
            bins[name] = {
                output: self._binned(cluster, output, start.timestamp(), end.timestamp())
                for output in outputs
            }
        return Value(Predictions(start, end, bins))

    async def clock(self) -> Value[datetime] | NoData | Error:
        """The test's time plus `skew`."""
        return self.outage if self.outage is not None else Value(self._now() + self.skew)

    def _change(self, cluster: str, **fields: float) -> None:
        moment = self._now().timestamp()
        changes = self._changes.setdefault(cluster, [])
        before = changes[-1][1] if changes else Traffic()
        if changes and changes[-1][0] == moment:
            changes.pop()
        changes.append((moment, replace(before, **fields)))

    def _count(
        self, cluster: str, begin: float, end: float, thresholds: tuple[float, ...]
    ) -> ArmCounts:
        requests = errors = 0
        slow = [0] * len(thresholds)
        for cell in range(math.floor(begin), math.floor(end)):
            traffic = self._at(cluster, cell)
            n = math.floor(traffic.rate * (cell + 1)) - math.floor(traffic.rate * cell)
            if n <= 0:
                continue
            rng = random.Random(f"{self._seed}/{cluster}/{cell}")
            requests += n
            errors += rng.binomialvariate(n, traffic.error_rate)
            if thresholds:
                for i, above in enumerate(self._above(rng, n, traffic, thresholds)):
                    slow[i] += above
        return ArmCounts(
            requests=requests, errors=errors, slow=tuple(map(float, slow)), timed=requests
        )

    def _binned(self, cluster: str, output: str, begin: float, end: float) -> dict[str, float]:
        shares = self._shares[cluster][output]
        found = dict.fromkeys(shares, 0.0)
        for cell in range(math.floor(begin), math.floor(end)):
            rate = self._at(cluster, cell).rate
            n = math.floor(rate * (cell + 1)) - math.floor(rate * cell)
            rng = random.Random(f"{self._seed}/{cluster}/{output}/{cell}")
            for bin_ in rng.choices(list(shares), weights=list(shares.values()), k=n):
                found[bin_] += 1
        return found

    def _above(
        self, rng: random.Random, n: int, traffic: Traffic, thresholds: tuple[float, ...]
    ) -> list[int]:
        """How many of n are slower than each threshold, drawn over all bounds of the histogram."""
        left, share_left, above = n, 1.0, {}
        for bound in self._bounds[:-1]:
            share_above = 1.0 - traffic.share_below(bound)
            keep = min(1.0, share_above / share_left) if share_left > 0.0 else 0.0
            left = rng.binomialvariate(left, keep) if left else 0
            share_left = share_above
            above[bound] = left
        return [above.get(threshold, 0) for threshold in thresholds]

    def _at(self, cluster: str, cell: int) -> Traffic:
        changes = self._changes[cluster]
        index = bisect.bisect_right(changes, float(cell), key=lambda change: change[0]) - 1
        return changes[index][1] if index >= 0 else Traffic()
