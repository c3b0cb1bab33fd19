"""Answers to what is asked besides the gateway's counts: users' counters and values, predictions.

The one implementation of `OtherMetrics`. Owns which queries are sent for them; texts come filled
in (`templates`), counting is `counters`', and turns are taken in `fairness`.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from tidegate.metrics import counters as counting
from tidegate.metrics.base import Error, NoData, Predictions, Ratios, Value
from tidegate.metrics.counters import Recording
from tidegate.metrics.fairness import FairQueue
from tidegate.metrics.profiles.server import SERVER
from tidegate.metrics.promql import duration, is_one_of
from tidegate.metrics.targets import gone, instance_of
from tidegate.metrics.traffic import LONGEST_BATCH, LOOK_BACK_SCRAPES, STALE_SCRAPES
from tidegate.stats.counts import Counts

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tidegate.metrics.base import Counters
    from tidegate.metrics.counters import Instance
    from tidegate.metrics.prometheus import Prometheus, Series

PREDICTIONS = "tidegate_prediction_total"
_BAD, _TOTAL = ("bad",), ("total",)

type ByName = dict[str, dict[Instance, Recording]]


class PrometheusQueries:
    """`OtherMetrics` of one Prometheus; `scrape_interval` is that of the targets asked for."""

    def __init__(
        self,
        prometheus: Prometheus,
        *,
        scrape_interval: timedelta,
        queue: FairQueue | None = None,
    ) -> None:
        self._prometheus = prometheus
        self._queue = queue or FairQueue()
        self._look_back = scrape_interval * LOOK_BACK_SCRAPES
        self._stale_after_s = scrape_interval.total_seconds() * STALE_SCRAPES

    async def ratios(
        self, counters: Mapping[str, Counters], *, start: datetime, end: datetime, owner: str
    ) -> Value[Ratios] | NoData | Error:
        """What each pair of counters rose by in (start, end]; see the protocol."""
        ask = self._queue.ask
        return await ask(owner, lambda: self._ratios(counters, start, end), text=dict(counters))

    async def number(
        self, query: str, *, at: datetime, owner: str
    ) -> Value[float] | NoData | Error:
        """The one number of a query; see the protocol."""
        return await self._queue.ask(owner, lambda: self._number(query, at), text=query)

    async def predictions(
        self, revisions: Mapping[str, str], *, start: datetime, end: datetime, owner: str
    ) -> Value[Predictions] | NoData | Error:
        """How many predictions fell into each bin; see the protocol."""
        return await self._queue.ask(owner, lambda: self._predictions(revisions, start, end))

    async def _ratios(
        self, pairs: Mapping[str, Counters], start: datetime, end: datetime
    ) -> Value[Ratios] | NoData | Error:
        start = max(start, end - LONGEST_BATCH)
        known: ByName = {}
        for name, pair in pairs.items():
            recordings = await self._recorded(pair, start=start, end=end)
            if isinstance(recordings, NoData | Error):
                return recordings
            known[name] = recordings
        counted = await self._count(known, start=start, end=end)
        if isinstance(counted, NoData | Error):
            return counted
        counts = {
            name: Counts(bad=arm.tallies.get(_BAD, 0.0), n=arm.tallies.get(_TOTAL, 0.0))
            for name, arm in counted.arms.items()
        }
        return Value(Ratios(_began(counted, start), end, counts))

    async def _recorded(
        self, pair: Counters, *, start: datetime, end: datetime
    ) -> dict[Instance, Recording] | NoData | Error:
        """Both counters by instance: a scrape of the total proves that the bad ones were seen."""
        window = duration(end - start + self._look_back)
        found: dict[Instance, Recording] = {}
        for key, selector in ((_TOTAL, pair.total), (_BAD, pair.bad)):
            answer = await self._prometheus.query(f"{selector}[{window}]", at=end)
            if isinstance(answer, Error):
                return answer
            for series in answer.value:
                instance = instance_of(series)
                if key == _BAD and instance not in found:
                    name = "/".join(part for part in instance if part) or "a series without one"
                    return NoData(f"instance {name} has {pair.bad} and not {pair.total}")
                recording = found.setdefault(instance, Recording())
                recording.tallies.setdefault(key, []).append(series.samples)
                if key == _TOTAL:
                    recording.scrapes.update(moment for moment, _ in series.samples)
        return found or NoData(f"Prometheus has no samples of {pair.total}")

    async def _number(self, query: str, at: datetime) -> Value[float] | NoData | Error:
        answer = await self._prometheus.query(query, at=at)
        if isinstance(answer, Error):
            return answer
        if not answer.value:
            return NoData("the query has no result now")
        if len(answer.value) > 1:
            return Error(
                f"the query gives {len(answer.value)} series where one number is needed: add them"
                " up with sum(), or select one",
                refused=True,
            )
        samples = answer.value[0].samples
        if len(samples) != 1:
            return Error("the query gives a range where one number is needed", refused=True)
        value = samples[0][1]
        if math.isnan(value):
            return NoData("the query gives NaN, which is 0/0 where there was no traffic")
        return Value(value, answer.warnings)

    async def _predictions(
        self, revisions: Mapping[str, str], start: datetime, end: datetime
    ) -> Value[Predictions] | NoData | Error:
        start = max(start, end - LONGEST_BATCH)
        names = is_one_of("__name__", (PREDICTIONS, *SERVER.presence))
        matchers = ",".join((names, *SERVER.select(sorted(revisions.values()))))
        window = duration(end - start + self._look_back)
        answer = await self._prometheus.query(f"{{{matchers}}}[{window}]", at=end)
        if isinstance(answer, Error):
            return answer
        by_arm = _predicted(answer.value)
        missing = sorted(arm for arm in revisions.values() if arm not in by_arm)
        if missing:
            return NoData(f"Prometheus has no samples of the model servers of {missing[0]}")
        known = {name: by_arm[arm] for name, arm in revisions.items()}
        counted = await self._count(known, start=start, end=end)
        if isinstance(counted, NoData | Error):
            return counted
        bins: dict[str, dict[str, dict[str, float]]] = {}
        for name, arm in counted.arms.items():
            outputs = bins.setdefault(name, {})
            for (output, bin_), count in arm.tallies.items():
                outputs.setdefault(output, {})[bin_] = count
        return Value(Predictions(_began(counted, start), end, bins), answer.warnings)

    async def _count(
        self, known: ByName, *, start: datetime, end: datetime
    ) -> counting.Counted | NoData | Error:
        by_instance: dict[Instance, dict[str, Recording]] = {}
        for name, instances in known.items():
            for instance, recording in instances.items():
                by_instance.setdefault(instance, {})[name] = recording
        silent = counting.silent(by_instance, end=end.timestamp(), stale_after=self._stale_after_s)
        left = await gone(self._prometheus, silent, at=end)
        if isinstance(left, Error):
            return left
        return counting.count_apart(
            known,
            begin=start.timestamp(),
            end=end.timestamp(),
            stale_after=self._stale_after_s,
            gone=left,
        )


def _began(counted: counting.Counted, start: datetime) -> datetime:
    return max(start, datetime.fromtimestamp(counted.begin, UTC))


def _predicted(series: Iterable[Series]) -> ByName:
    """Predictions by arm and instance, each counter under (output, bin)."""
    found: ByName = {}
    for one in series:
        arm = SERVER.arm(one.labels)
        if arm is None:
            continue
        recording = found.setdefault(arm, {}).setdefault(instance_of(one), Recording())
        if one.labels.get("__name__") == PREDICTIONS:
            key = (one.labels.get("output", ""), one.labels.get("bin", ""))
            recording.tallies.setdefault(key, []).append(one.samples)
        else:
            recording.scrapes.update(moment for moment, _ in one.samples)
    return found
