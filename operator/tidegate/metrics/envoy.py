"""Traffic as Envoy counts it: which series to ask Prometheus for, and what their labels mean.

Owns the names of Envoy's cluster metrics. A request is an answer that was charged to a cluster
(`upstream_rq_xx`); `upstream_rq_total` stays 0 while a cluster without endpoints answers 503, so it
only proves that an instance was scraped. How samples become counts is `counters`'.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from typing import TYPE_CHECKING

from tidegate.metrics import counters
from tidegate.metrics.base import Baseline, Batch, Error, NoData, Value
from tidegate.metrics.promql import duration, is_exactly, is_one_of
from tidegate.stats.latency import Histogram

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tidegate.metrics.prometheus import Prometheus, Series

_CLASSES = "envoy_cluster_upstream_rq_xx"
_BUCKETS = "envoy_cluster_upstream_rq_time_bucket"
# Present for every configured cluster in every scrape, traffic or not.
_PRESENCE = ("envoy_cluster_upstream_rq_total", "envoy_cluster_membership_total")
_CLUSTER, _CLASS, _BOUND = "envoy_cluster_name", "envoy_response_code_class", "le"

# After a longer silence the rest is skipped: raw samples of hours would not fit one answer.
LONGEST_BATCH = timedelta(hours=1)
# One missed scrape is bad luck, a second one is silence.
_STALE_SCRAPES = 2.0
_LOOK_BACK_SCRAPES = 3.0


class EnvoyMetrics:
    """`TrafficMetrics` of every Envoy that one Prometheus scrapes, each as its own instance.

    `scrape_interval` is Prometheus's for these targets: an instance silent for two of them is
    stale. Per batch it asks one query for the counters of all clusters, one for their latency
    when there are thresholds, and one for `up` when an instance fell silent.
    """

    def __init__(self, prometheus: Prometheus, *, scrape_interval: timedelta) -> None:
        self._prometheus = prometheus
        self._look_back = scrape_interval * _LOOK_BACK_SCRAPES
        self._stale_after_s = scrape_interval.total_seconds() * _STALE_SCRAPES

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
        queries = [_counter_query(clusters), *_bucket_query(clusters, thresholds_ms)]
        samples = await self._samples(queries, start=start, end=end)
        if isinstance(samples, Error):
            return samples
        recordings = _recordings(samples.value)
        if not recordings:
            return NoData(f"Prometheus has no samples of cluster {', '.join(clusters)}")
        moments = {"end": end.timestamp(), "stale_after": self._stale_after_s}
        gone = await self._gone(counters.silent(recordings, **moments), end)
        if isinstance(gone, Error):
            return gone
        counted = counters.count(
            recordings,
            clusters,
            begin=start.timestamp(),
            thresholds_ms=thresholds_ms,
            gone=gone,
            **moments,
        )
        if isinstance(counted, NoData):
            return counted
        began = max(start, datetime.fromtimestamp(counted.begin, UTC))
        return Value(Batch(start=began, end=end, arms=counted.arms), samples.warnings)

    async def baseline(
        self, cluster: str, *, end: datetime, window: timedelta
    ) -> Value[Baseline] | NoData | Error:
        """What the cluster did in the window before `end`; see the protocol.

        PromQL's `increase` is used here and only here: it extrapolates, which evidence must not,
        but a day of raw samples would be a million numbers, and a baseline only guides.
        """
        by_class = f"sum by ({_CLASS}) (increase({_CLASSES}{{{is_exactly(_CLUSTER, cluster)}}}"
        by_bound = f"sum by ({_BOUND}) (increase({_BUCKETS}{{{is_exactly(_CLUSTER, cluster)}}}"
        classes = await self._prometheus.query(f"{by_class}[{duration(window)}]))", at=end)
        if isinstance(classes, Error):
            return classes
        bounds = await self._prometheus.query(f"{by_bound}[{duration(window)}]))", at=end)
        if isinstance(bounds, Error):
            return bounds
        answers = _latest(classes.value, _CLASS)
        if not answers:
            return NoData(f"Prometheus has no samples of cluster {cluster}")
        return Value(
            Baseline(
                requests=sum(answers.values()),
                errors=answers.get("5", 0.0),
                histogram=_histogram(_latest(bounds.value, _BOUND)),
            ),
            classes.warnings + bounds.warnings,
        )

    async def clock(self) -> Value[datetime] | NoData | Error:
        """Prometheus's own time."""
        return await self._prometheus.now()

    async def _samples(
        self, selectors: Sequence[str], *, start: datetime, end: datetime
    ) -> Value[list[Series]] | Error:
        """Raw samples of the interval and of a few scrapes before it."""
        window = duration(end - start + self._look_back)
        series: list[Series] = []
        warnings: list[str] = []
        for selector in selectors:
            answer = await self._prometheus.query(f"{selector}[{window}]", at=end)
            if isinstance(answer, Error):
                return answer
            series.extend(answer.value)
            warnings.extend(answer.warnings)
        return Value(series, tuple(warnings))

    async def _gone(
        self, silent: Sequence[counters.Instance], end: datetime
    ) -> list[counters.Instance] | Error:
        """Of silent instances those that Prometheus no longer scrapes: they have no `up`.

        A target that cannot be scraped has `up` 0; only one that left discovery has none.
        """
        if not silent:
            return []
        names = is_one_of("instance", sorted({instance for _, instance in silent}))
        answer = await self._prometheus.query(f"up{{{names}}}", at=end)
        if isinstance(answer, Error):
            return answer
        targets = {_instance(found) for found in answer.value}
        return [instance for instance in silent if instance not in targets]


def _counter_query(clusters: Iterable[str]) -> str:
    """Counters and presence in one selector, so that both come from the same scrapes."""
    names = is_one_of("__name__", (_CLASSES, *_PRESENCE))
    return f"{{{names},{is_one_of(_CLUSTER, clusters)}}}"


def _bucket_query(clusters: Iterable[str], thresholds_ms: Sequence[float]) -> list[str]:
    """The selector of the buckets asked for and of the total; none without thresholds."""
    if not thresholds_ms:
        return []
    # Prometheus 3 writes "10.0" where 2 keeps Envoy's "10".
    spellings = {text for t in thresholds_ms for text in (f"{t:.15g}", str(float(t)))}
    bounds = is_one_of(_BOUND, ("+Inf", *sorted(spellings)))
    return [f"{_BUCKETS}{{{is_one_of(_CLUSTER, clusters)},{bounds}}}"]


def _instance(series: Series) -> counters.Instance:
    return series.labels.get("job", ""), series.labels.get("instance", "")


def _recordings(
    series: Iterable[Series],
) -> dict[counters.Instance, dict[str, counters.Recording]]:
    """Raw series by instance and cluster."""
    found: dict[counters.Instance, dict[str, counters.Recording]] = {}
    for one in series:
        clusters = found.setdefault(_instance(one), {})
        recording = clusters.setdefault(one.labels[_CLUSTER], counters.Recording())
        name = one.labels.get("__name__")
        if name in _PRESENCE:
            recording.scrapes.update(moment for moment, _ in one.samples)
        elif name == _CLASSES:
            recording.classes.setdefault(one.labels.get(_CLASS, ""), []).append(one.samples)
        elif name == _BUCKETS:
            recording.buckets.setdefault(float(one.labels[_BOUND]), []).append(one.samples)
    return found


def _latest(series: Iterable[Series], label: str) -> dict[str, float]:
    """Each series' value by one label; NaN is no value."""
    values = {one.labels.get(label, ""): one.samples[-1][1] for one in series if one.samples}
    return {name: value for name, value in values.items() if not math.isnan(value)}


def _histogram(by_bound: dict[str, float]) -> Histogram:
    """Extrapolation can leave neighbouring buckets out of order: counts are made to rise."""
    rows = sorted((float(bound), value) for bound, value in by_bound.items())
    return Histogram(
        tuple(bound for bound, _ in rows), tuple(accumulate((value for _, value in rows), max))
    )
