"""Latency: requests slower than bounds that are frozen from stable's own quantiles (2.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.domain.evidence import comparing
from tidegate.domain.evidence.base import LogE, Role, Shown, State
from tidegate.domain.evidence.batch import Unseen
from tidegate.domain.evidence.comparing import Seen
from tidegate.stats import Counts, Histogram, NoThreshold, Threshold, latency_thresholds

if TYPE_CHECKING:
    from tidegate.api.metric import Metric
    from tidegate.domain.evidence.asks import Ask, Span
    from tidegate.domain.evidence.batch import Baseline, Batch
    from tidegate.stats import Margin

DEFAULT_QUANTILES = (0.5, 0.95, 0.99)


def quantiles_of(metric: Metric) -> tuple[float, ...]:
    """The quantiles of a Latency metric, rising."""
    return tuple(sorted(metric.quantiles or DEFAULT_QUANTILES))


def thresholds(metric: Metric, baseline: Baseline | None) -> list[Threshold] | Unseen:
    """The bounds that a baseline gives, or why it gives none."""
    assert metric.margin is not None, "the schema requires a margin for Latency"
    histogram = baseline.latency if baseline else Histogram((), ())
    found = []
    for bound in latency_thresholds(histogram, quantiles_of(metric), metric.margin.ratio):
        if isinstance(bound, NoThreshold):
            return Unseen(bound.reason, f"metric {metric.name}: {bound.message}")
        found.append(bound)
    return found


def slower(baseline: Baseline, bound_ms: float) -> Counts:
    """What stable did before the attempt about one bound."""
    histogram = baseline.latency
    at = histogram.bounds_ms.index(bound_ms)
    return Counts(bad=histogram.total - histogram.cumulative[at], n=histogram.total)


def margins_of(state: State) -> list[Margin]:
    """The margin of each bound: of the share of slower requests."""
    return [
        Threshold(quantile=quantile, target_ms=bound, bound_ms=bound).margin
        for bound, quantile in zip(state["t"], state["q"], strict=True)
    ]


class Latency:
    """Bounds are taken from the baseline at the start and never again: a bound that followed the
    data would be no bound."""

    def role(self, metric: Metric) -> Role:
        return Role.COMPARISON

    def start(self, metric: Metric, baseline: Baseline | None) -> State | Unseen:
        bounds = thresholds(metric, baseline)
        if isinstance(bounds, Unseen):
            return bounds
        assert baseline is not None, "a bound comes from a baseline"
        begun = comparing.begin(
            [slower(baseline, bound.bound_ms) for bound in bounds],
            [baseline.slow_halves.get(bound.bound_ms, ()) for bound in bounds],
        )
        return {
            "q": [bound.quantile for bound in bounds],
            "t": [bound.bound_ms for bound in bounds],
            **begun,
        }

    def ask(self, metric: Metric, state: State, span: Span) -> Ask | None:
        return None

    def add(self, metric: Metric, state: State, batch: Batch) -> State:
        places = [batch.bounds_ms.index(bound) for bound in state["t"]]
        seen = [Seen(batch.candidate.slower(at), batch.stable.slower(at)) for at in places]
        return comparing.added(state, margins_of(state), seen, shadow=batch.shadow)

    def log_e(self, metric: Metric, state: State) -> LogE:
        return comparing.log_e(state)

    def shown(self, metric: Metric, state: State) -> Shown:
        at = comparing.worst(state)
        what = f"slower than {state['t'][at]:g} ms (p{100 * state['q'][at]:g})"
        return Shown(what, *comparing.counted(state, at))
