"""The questions of single metrics, put to Prometheus, and their answers.

Fills placeholders in, names the series of the shadow comparer, and turns what came back into what
`domain.evidence` counts. It judges nothing but conditions, which are questions too.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tidegate.domain.evidence import (
    BAD_METRIC,
    CountersAsk,
    Paired,
    PairsAsk,
    Predicted,
    PredictionsAsk,
    Rated,
    Reading,
    Unseen,
    ValueAsk,
)
from tidegate.domain.evidence.condition import holds
from tidegate.metrics.base import Counters, Error, NoData, Value
from tidegate.metrics.promql import is_exactly
from tidegate.metrics.templates import filled
from tidegate.stats import NO_COUNTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidegate.domain.evidence import Answer, Ask
    from tidegate.metrics.base import Metrics, Ratios, TrafficMetrics

PAIRS = "tidegate_shadow_pairs_total"
DISAGREE = "tidegate_shadow_disagree_total"
_CANDIDATE, _STABLE = "candidate", "stable"


class Asker:
    """Asks for the metrics of one Model's Rollout."""

    def __init__(self, metrics: Metrics, namespace: str, model: str) -> None:
        self._metrics = metrics
        self._namespace = namespace
        self._model = model
        self._owner = f"{namespace}/{model}"

    async def answer(
        self,
        ask: Ask,
        *,
        stable: str,
        candidate: str,
        traffic: TrafficMetrics,
        others: Sequence[str] = (),
    ) -> Answer:
        """The answer for one metric, or why there is none. `others` are further arms of a test,
        which Counters are counted for."""
        match ask:
            case ValueAsk():
                return await self._value(ask, candidate)
            case CountersAsk():
                return await self._rated(ask, stable, candidate, traffic, others)
            case PairsAsk():
                return await self._pairs(ask, stable, candidate)
            case PredictionsAsk():
                return await self._predictions(ask, stable, candidate)

    async def wrong(self, ask: Ask, *, stable: str) -> Unseen | None:
        """What is wrong with a metric's own queries, by asking them for stable, or why that cannot
        be told now (MetricsUnavailable); None when nothing is."""
        try:
            found = await self._tried(ask, stable)
        except ValueError as error:
            return Unseen(BAD_METRIC, f"metric {ask.metric}: {error}")
        if isinstance(found, Error):
            return replace(_unseen(found), message=f"metric {ask.metric}: {found.reason}")
        return None

    async def _tried(self, ask: Ask, revision: str) -> object:
        match ask:
            case ValueAsk():
                query = self._filled(ask.query, revision)
                return await self._metrics.other.number(query, at=ask.at, owner=self._owner)
            case CountersAsk():
                pair = {_STABLE: self._counters(ask, revision)}
                return await self._metrics.other.ratios(
                    pair, start=ask.start, end=ask.end, owner=self._owner
                )
        return None

    async def _value(self, ask: ValueAsk, candidate: str) -> Reading | Unseen:
        try:
            query = self._filled(ask.query, candidate)
            found = await self._metrics.other.number(query, at=ask.at, owner=self._owner)
            if not isinstance(found, Value):
                return _unseen(found)
            return Reading(ask.at, found.value, holds(ask.condition, found.value))
        except ValueError as error:
            return Unseen(BAD_METRIC, str(error))

    async def _rated(
        self,
        ask: CountersAsk,
        stable: str,
        candidate: str,
        traffic: TrafficMetrics,
        others: Sequence[str],
    ) -> Rated | Unseen:
        try:
            pairs = {revision: self._counters(ask, revision) for revision in others}
            pairs[_CANDIDATE] = self._counters(ask, candidate)
            if not ask.alone:
                pairs[_STABLE] = self._counters(ask, stable)
        except ValueError as error:
            return Unseen(BAD_METRIC, str(error))
        found = await self._metrics.other.ratios(
            pairs, start=ask.start, end=ask.end, owner=self._owner
        )
        if not isinstance(found, Value):
            return _unseen(found)
        counts = found.value.counts
        requests = None
        if ask.cohort is not None:
            cohort = await self._cohort(ask, found.value, stable, candidate, traffic)
            if isinstance(cohort, Unseen):
                return cohort
            requests = cohort
        return Rated(
            ask.end,
            counts[_CANDIDATE],
            counts.get(_STABLE, NO_COUNTS),
            requests,
            {revision: counts[revision] for revision in others},
        )

    async def _cohort(
        self,
        ask: CountersAsk,
        labels: Ratios,
        stable: str,
        candidate: str,
        traffic: TrafficMetrics,
    ) -> tuple[float, float] | Unseen:
        """How many requests each arm had in the interval whose labels have matured since."""
        assert ask.cohort is not None, "only cohorts are asked for"
        arms = [f"{self._owner}/{revision}" for revision in (candidate, stable)]
        found = await traffic.batch(
            arms, start=labels.start - ask.cohort, end=labels.end - ask.cohort, thresholds_ms=()
        )
        if not isinstance(found, Value):
            return _unseen(found)
        counted = [found.value.arms[arm].requests for arm in arms]
        return counted[0], counted[1]

    async def _pairs(self, ask: PairsAsk, stable: str, candidate: str) -> Paired | Unseen:
        labels = {
            "namespace": self._namespace,
            "model": self._model,
            "stable": stable,
            "candidate": candidate,
        }
        matchers = ",".join(is_exactly(label, value) for label, value in labels.items())
        counters = Counters(bad=f"{DISAGREE}{{{matchers}}}", total=f"{PAIRS}{{{matchers}}}")
        found = await self._metrics.other.ratios(
            {_CANDIDATE: counters}, start=ask.start, end=ask.end, owner=self._owner
        )
        if not isinstance(found, Value):
            return _unseen(found)
        return Paired(ask.end, found.value.counts[_CANDIDATE])

    async def _predictions(
        self, ask: PredictionsAsk, stable: str, candidate: str
    ) -> Predicted | Unseen:
        arms = {
            name: f"{self._owner}/{revision}"
            for name, revision in ((_CANDIDATE, candidate), (_STABLE, stable))
        }
        found = await self._metrics.other.predictions(
            arms, start=ask.start, end=ask.end, owner=self._owner
        )
        if not isinstance(found, Value):
            return _unseen(found)
        return Predicted(ask.end, found.value.bins[_CANDIDATE], found.value.bins[_STABLE])

    def _counters(self, ask: CountersAsk, revision: str) -> Counters:
        return Counters(
            bad=self._filled(ask.bad, revision), total=self._filled(ask.total, revision)
        )

    def _filled(self, query: str, revision: str) -> str:
        names = {"revision": revision, "model": self._model, "namespace": self._namespace}
        return filled(query, names)


def _unseen(answer: NoData | Error) -> Unseen:
    """A hold reason for an answer that is no value."""
    if isinstance(answer, NoData):
        return Unseen("NoData", answer.reason)
    return Unseen(BAD_METRIC if answer.refused else "MetricsUnavailable", answer.reason)
