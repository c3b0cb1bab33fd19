"""What the metrics say, as far as one look needs to know it.

Reads only: asks exactly what `domain.rollout.wanted` names, and turns answers into batches. It
judges nothing; what it cannot have it names, with the reason of a hold.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from tidegate.controllers.asking import Asker
from tidegate.controllers.counting import batch_of, clusters_of
from tidegate.controllers.trying import Trier
from tidegate.domain import evidence
from tidegate.domain.evidence import Unseen
from tidegate.domain.rollout import WantedBatch, wanted
from tidegate.domain.rollout.wanted import BASELINE_WINDOW
from tidegate.metrics.base import Error, NoData, Value

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from tidegate.controllers.gathering import Gathered
    from tidegate.domain.evidence import Ask
    from tidegate.domain.rollout import Timing
    from tidegate.domain.rollout.wanted import Wanted
    from tidegate.kube.clock import Clock
    from tidegate.metrics.base import Metrics, TrafficMetrics

SKEW_LIMIT = timedelta(seconds=5)


class Observer:
    """Asks the metrics; `metrics` is None where the operator was given no Prometheus."""

    def __init__(self, clock: Clock, metrics: Metrics | None) -> None:
        self._clock = clock
        self._metrics = metrics
        self._trier = Trier()

    def forget(self, namespace: str, model: str) -> None:
        """The Model is gone."""
        self._trier.forget(namespace, model)

    async def observe(self, gathered: Gathered, timing: Timing) -> Gathered:
        """The same with what the metrics say, as far as this look needs to know it."""
        if gathered.declared is None or gathered.facts.blocked is not None:
            return gathered
        asks = wanted(gathered.declared, gathered.facts.delivery, timing)
        facts = gathered.facts
        if asks.baseline is not None:
            end = timing.now - timing.lag
            found = await self._baseline(gathered, asks.baseline, end, asks.trials)
            facts = replace(facts, baseline=found)
        elif asks.trials and self._metrics is not None:
            facts = replace(facts, tried=await self._tried(gathered, self._metrics, asks))
        if asks.batch is not None:
            facts = replace(facts, observation=await self._batch(gathered, asks.batch))
        if asks.quiet is not None:
            facts = replace(facts, quiet=await self._quiet(gathered, *asks.quiet))
        return replace(gathered, facts=facts)

    async def _tried(self, gathered: Gathered, metrics: Metrics, asks: Wanted) -> evidence.Tried:
        """What is wrong with the user's own queries, while nothing is judged by them."""
        asker = Asker(metrics, gathered.namespace, gathered.name)
        return await self._trier.at_rest(
            gathered, asker, asks.trials, revision=asks.tried_for, now=self._clock.now()
        )

    async def _baseline(
        self, gathered: Gathered, revision: str, end: datetime, trials: Sequence[Ask]
    ) -> evidence.Baseline | Unseen:
        """What stable did, once the user's own queries have been tried: a wrong one is shown
        before the candidate gets its first request."""
        problem = await self._clock_problem()
        if problem is not None or self._metrics is None:
            return problem or _no_metrics()
        asker = Asker(self._metrics, gathered.namespace, gathered.name)
        now = self._clock.now()
        wrong = await self._trier.now(gathered, asker, trials, revision=revision, now=now)
        if wrong is not None:
            return wrong
        answer = await _traffic(gathered, self._metrics).baseline(
            _cluster(gathered, revision), end=end, window=BASELINE_WINDOW
        )
        found = _value(answer, no_data="NoBaseline")
        if isinstance(found, Unseen):
            return found
        return evidence.Baseline(
            errors=found.error_counts,
            latency=found.histogram,
            rate=found.rate,
            errors_halves=found.error_halves,
            slow_halves=found.slow_halves,
        )

    async def _batch(self, gathered: Gathered, asked: WantedBatch) -> evidence.Batch | Unseen:
        problem = await self._clock_problem()
        if problem is not None or self._metrics is None:
            return problem or _no_metrics()
        traffic = _traffic(gathered, self._metrics)
        clusters = clusters_of(asked, lambda service: _cluster(gathered, service))
        answer = await traffic.batch(
            clusters.names,
            start=asked.start,
            end=asked.end,
            thresholds_ms=asked.bounds_ms,
        )
        found = _value(answer, no_data="NoData")
        if isinstance(found, Unseen):
            return found
        asker = Asker(self._metrics, gathered.namespace, gathered.name)
        answers = await asyncio.gather(
            *(
                asker.answer(
                    ask,
                    stable=asked.stable,
                    candidate=asked.candidate,
                    traffic=traffic,
                    others=asked.others,
                )
                for ask in asked.asks
            )
        )
        by_metric = {ask.metric: one for ask, one in zip(asked.asks, answers, strict=True)}
        return replace(batch_of(asked, clusters, found), answers=by_metric)

    async def _quiet(
        self, gathered: Gathered, revision: str, start: datetime, end: datetime
    ) -> bool | None:
        """Whether an arm had no requests in an interval; None when that cannot be told."""
        if self._metrics is None:
            return None
        cluster = _cluster(gathered, revision)
        traffic = _traffic(gathered, self._metrics)
        answer = await traffic.batch([cluster], start=start, end=end, thresholds_ms=())
        found = _value(answer, no_data="NoData")
        return None if isinstance(found, Unseen) else found.arms[cluster].requests == 0

    async def _clock_problem(self) -> Unseen | None:
        """Prometheus's clock must be near the API server's, or intervals mean something else."""
        if self._metrics is None:
            return _no_metrics()
        answer = await self._metrics.gateway.clock()
        found = _value(answer, no_data="MetricsUnavailable")
        if isinstance(found, Unseen):
            return found
        skew = found - self._clock.now()
        if abs(skew) <= SKEW_LIMIT:
            return None
        return Unseen(
            "ClockSkew",
            f"Prometheus's clock is {skew.total_seconds():+.1f} s off the API server's;"
            " synchronise the clocks",
        )


def _traffic(gathered: Gathered, metrics: Metrics) -> TrafficMetrics:
    """Who counts this Rollout's requests: the backend's series, where one routes them."""
    assert gathered.declared is not None, "only a Rollout is observed"
    if gathered.backed is not None:
        return metrics.of_backend(gathered.backed.backend.name)
    by_server = gathered.declared.spec.analysis.source == "Server"
    return metrics.server if by_server else metrics.gateway


def _value[T](answer: Value[T] | NoData | Error, *, no_data: str) -> T | Unseen:
    match answer:
        case Value(value=value):
            return value
        case NoData(reason=why):
            return Unseen(no_data, why)
        case Error(reason=why):
            return Unseen("MetricsUnavailable", why)


def _no_metrics() -> Unseen:
    return Unseen(
        "MetricsUnavailable",
        "no Prometheus is configured: set TIDEGATE_PROMETHEUS_URL for the operator",
    )


def _cluster(gathered: Gathered, revision: str) -> str:
    """The gateway's name of the cluster behind a revision."""
    return f"{gathered.namespace}/{gathered.name}/{revision}"
