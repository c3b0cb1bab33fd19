"""Traffic as Prometheus has it, by the names of one profile: the one implementation of
`TrafficMetrics`.

Owns which queries are sent, and turns series into recordings. What names mean is `profiles`', how
samples become counts `counters`', how bursts are measured `halves`'.
"""

from __future__ import annotations

import math
import time
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from typing import TYPE_CHECKING

from tidegate.metrics import counters
from tidegate.metrics.base import Baseline, Batch, Error, NoData, Value
from tidegate.metrics.coalescing import Coalescer
from tidegate.metrics.halves import error_halves, recent_rate, slow_halves
from tidegate.metrics.profiles.base import SHADOW
from tidegate.metrics.promql import duration
from tidegate.metrics.selecting import bounds_ms, matchers
from tidegate.metrics.targets import gone, instance_of
from tidegate.stats.latency import Histogram

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from tidegate.metrics.profiles.base import Profile
    from tidegate.metrics.prometheus import Prometheus, Series

# After a longer silence the rest is skipped: raw samples of hours would not fit one answer.
LONGEST_BATCH = timedelta(hours=1)
# One missed scrape is bad luck, a second one is silence.
STALE_SCRAPES = 2.0
LOOK_BACK_SCRAPES = 3.0
_RECENT = timedelta(minutes=5)
_BLOCK = timedelta(minutes=1)
_CLOCK_KEPT_S = 10.0


class PrometheusTraffic:
    """`TrafficMetrics` of every instance that one Prometheus scrapes, by one profile.

    `scrape_interval` is Prometheus's for these targets: an instance silent for two of them is
    stale. With a `tick` above zero, all batches that are asked for within one are answered from
    the same queries (`coalescing`), and Prometheus's clock is asked every ten seconds at most.
    """

    def __init__(
        self,
        prometheus: Prometheus,
        profile: Profile,
        *,
        scrape_interval: timedelta,
        tick: timedelta = timedelta(0),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._prometheus = prometheus
        self._profile = profile
        self._stale_after_s = scrape_interval.total_seconds() * STALE_SCRAPES
        self._samples = Coalescer(
            prometheus,
            profile,
            tick=tick,
            look_back=scrape_interval * LOOK_BACK_SCRAPES,
            monotonic=monotonic,
        )
        self._kept_s = _CLOCK_KEPT_S if tick > timedelta(0) else 0.0
        self._monotonic = monotonic
        self._clock: tuple[float, datetime] | None = None

    async def batch(
        self,
        clusters: Sequence[str],
        *,
        start: datetime,
        end: datetime,
        thresholds_ms: Sequence[float],
    ) -> Value[Batch] | NoData | Error:
        """Counts of (start, end] for every cluster; see the protocol."""
        clusters = sorted(set(clusters))
        start = max(start, end - LONGEST_BATCH)
        if not clusters or start >= end:
            return NoData("the interval or the list of clusters is empty")
        arms = self._arms(clusters)
        if isinstance(arms, NoData):
            return arms
        samples = await self._samples.series(
            sorted(set(arms.values())), thresholds_ms, start=start, end=end
        )
        if isinstance(samples, Error):
            return samples
        recordings = _recordings(samples.value, self._profile)
        if not recordings:
            return NoData(f"Prometheus has no samples of cluster {', '.join(clusters)}")
        counted = await self._count(recordings, arms, start=start, end=end, of=thresholds_ms)
        if isinstance(counted, NoData | Error):
            return counted
        began = max(start, datetime.fromtimestamp(counted.begin, UTC))
        found = {cluster: counted.arms[arm] for cluster, arm in arms.items()}
        return Value(Batch(start=began, end=end, arms=found), samples.warnings)

    async def baseline(
        self, cluster: str, *, end: datetime, window: timedelta
    ) -> Value[Baseline] | NoData | Error:
        """What the cluster did in the window before `end`; see the protocol.

        PromQL's `increase` is used here and only here: it extrapolates, which evidence must not,
        but a day of raw samples would be a million numbers, and a baseline only guides. Blocks of
        a minute are differences of raw counters all the same.
        """
        profile = self._profile
        found: list[Sequence[Series]] = []
        warnings: tuple[str, ...] = ()
        for query in _baseline_queries(profile, cluster, window):
            answer = await self._prometheus.query(query, at=end)
            if isinstance(answer, Error):
                return answer
            found.append(answer.value)
            warnings += answer.warnings
        classes, by_bound, recent, minutes, slow = found
        by_class = _by_class(classes, profile.code)
        if not by_class:
            return NoData(f"Prometheus has no samples of cluster {cluster}")
        return Value(
            Baseline(
                requests=sum(by_class.values()),
                errors=by_class.get("5", 0.0),
                histogram=_histogram(by_bound, profile.bound_ms),
                rate=recent_rate(recent),
                error_halves=error_halves(minutes, code=profile.code),
                slow_halves=slow_halves(slow, bound_ms=profile.bound_ms),
            ),
            warnings,
        )

    async def clock(self) -> Value[datetime] | NoData | Error:
        """Prometheus's own time."""
        now = self._monotonic()
        if self._clock is not None and now - self._clock[0] < self._kept_s:
            return Value(self._clock[1] + timedelta(seconds=now - self._clock[0]))
        answer = await self._prometheus.now()
        self._clock = (now, answer.value) if isinstance(answer, Value) else None
        return answer

    def _arms(self, clusters: Sequence[str]) -> dict[str, str] | NoData:
        """The arm that each cluster is counted as."""
        profile = self._profile
        copies = [cluster for cluster in clusters if cluster.endswith(SHADOW)]
        if copies and not (profile.shadows or profile.shadow_is_arm):
            return NoData(
                f"metrics of {profile.name} do not count copies of requests; give the analysis"
                " source: Server for shadow steps"
            )
        as_arm = profile.shadow_is_arm
        return {name: name.removesuffix(SHADOW) if as_arm else name for name in clusters}

    async def _count(
        self,
        recordings: dict[counters.Instance, dict[str, counters.Recording]],
        arms: Mapping[str, str],
        *,
        start: datetime,
        end: datetime,
        of: Sequence[float],
    ) -> counters.Counted | NoData | Error:
        if self._profile.lazy:
            _prove_scrapes(recordings, arms.values())
        silent = counters.silent(recordings, end=end.timestamp(), stale_after=self._stale_after_s)
        left = await gone(self._prometheus, silent, at=end)
        if isinstance(left, Error):
            return left
        wanted = sorted(set(arms.values()))
        span = {"begin": start.timestamp(), "end": end.timestamp()}
        known = {"stale_after": self._stale_after_s}
        if not self._profile.own_instances:
            return counters.count(recordings, wanted, **span, thresholds_ms=of, **known, gone=left)
        by_arm = {
            arm: {name: one[arm] for name, one in recordings.items() if arm in one}
            for arm in wanted
        }
        return counters.count_apart(by_arm, **span, thresholds_ms=of, **known, gone=left)


def _baseline_queries(profile: Profile, cluster: str, window: timedelta) -> tuple[str, ...]:
    """Answers by code and durations by bound over the window, the last minutes' samples, and the
    counters minute by minute."""
    of = matchers(profile, [cluster])
    answers, buckets = f"{profile.requests}{{{of}}}", f"{profile.buckets}{{{of}}}"
    over, blocks = duration(window), f"{duration(window)}:{duration(_BLOCK)}"
    return (
        f"sum by ({profile.code}) (increase({answers}[{over}]))",
        f"sum by (le) (increase({buckets}[{over}]))",
        f"{answers}[{duration(_RECENT)}]",
        f"{answers}[{blocks}]",
        f"{buckets}[{blocks}]",
    )


def _recordings(
    series: Iterable[Series], profile: Profile
) -> dict[counters.Instance, dict[str, counters.Recording]]:
    """Raw series by instance and arm."""
    found: dict[counters.Instance, dict[str, counters.Recording]] = {}
    for one in series:
        arm = profile.arm(one.labels)
        if arm is None:
            continue
        arms = found.setdefault(instance_of(one), {})
        recording = arms.setdefault(arm, counters.Recording())
        name = one.labels.get("__name__")
        if name in profile.presence:
            recording.scrapes.update(moment for moment, _ in one.samples)
        elif name == profile.requests:
            if not profile.presence:
                recording.scrapes.update(moment for moment, _ in one.samples)
            klass = one.labels.get(profile.code, "")[:1]
            recording.classes.setdefault(klass, []).append(one.samples)
        elif name == profile.buckets:
            bound = bounds_ms(profile, one.labels["le"])
            recording.buckets.setdefault(bound, []).append(one.samples)
    return found


def _prove_scrapes(
    recordings: dict[counters.Instance, dict[str, counters.Recording]], arms: Iterable[str]
) -> None:
    """Where series appear with the first request, any series of an instance proves its scrape:
    an arm that it does not name had no requests."""
    for known in recordings.values():
        scrapes = set().union(*(recording.scrapes for recording in known.values()))
        for arm in arms:
            known.setdefault(arm, counters.Recording()).scrapes = set(scrapes)


def _by_class(series: Iterable[Series], label: str) -> dict[str, float]:
    """Answers by class; NaN is no value."""
    found: dict[str, float] = {}
    for one in series:
        value = one.samples[-1][1] if one.samples else math.nan
        if not math.isnan(value):
            klass = one.labels.get(label, "")[:1]
            found[klass] = found.get(klass, 0.0) + value
    return found


def _histogram(series: Iterable[Series], bound_ms: float) -> Histogram:
    """Extrapolation can leave neighbouring buckets out of order: counts are made to rise."""
    rows = sorted(
        (float(one.labels["le"]) * bound_ms, one.samples[-1][1])
        for one in series
        if one.samples and not math.isnan(one.samples[-1][1])
    )
    return Histogram(
        tuple(round(bound, 9) for bound, _ in rows),
        tuple(accumulate((value for _, value in rows), max)),
    )
