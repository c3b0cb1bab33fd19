"""Evidence as it grows: started from a baseline, updated with each batch (statistics 1 to 2.1).

The state of each metric stands in `status.evidence[].state`, so that a restarted operator goes on
where the last one stopped.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tidegate.domain.evidence.batch import Arm, Baseline, Batch, Unseen
from tidegate.domain.evidence.display import display
from tidegate.domain.evidence.judgement import log_e_rollback, state_of
from tidegate.stats import (
    NO_COUNTS,
    Comparison,
    Counts,
    Histogram,
    Margin,
    NoThreshold,
    Threshold,
    latency_thresholds,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidegate.api.analysis import Analysis, Metric
    from tidegate.api.rollout_status import Evidence


NEVER = datetime(1970, 1, 1, tzinfo=UTC)
DEFAULT_QUANTILES = (0.5, 0.95, 0.99)


def quantiles_of(metric: Metric) -> tuple[float, ...]:
    """The quantiles of a Latency metric, rising."""
    return tuple(sorted(metric.quantiles or DEFAULT_QUANTILES))


def needs_latency(analysis: Analysis) -> bool:
    """Whether any metric needs stable's latency of before the attempt."""
    return any(metric.type == "Latency" for metric in analysis.metrics)


def start(analysis: Analysis, baseline: Baseline | None) -> list[Evidence] | Unseen:
    """Empty evidence for every metric, with what is frozen at the start of an attempt.

    Latency bounds are taken from the baseline now and never again: a bound that followed the data
    would be no bound. Returns why not, when a metric cannot be started yet.
    """
    errors = baseline.errors if baseline else NO_COUNTS
    history = {"h": [errors.bad, errors.n]}
    started = []
    for metric in analysis.metrics:
        state: dict[str, Any] = dict(history)
        if metric.type == "Latency":
            bounds = _latency_bounds(metric, baseline)
            if isinstance(bounds, Unseen):
                return bounds
            state = {
                "q": [bound.quantile for bound in bounds],
                "t": [bound.bound_ms for bound in bounds],
                "h": [_slower(baseline, bound.bound_ms) for bound in bounds],
                "c": [Comparison.start().as_dict() for _ in bounds],
                "phi": 1,
            }
        elif metric.margin is not None:
            state |= {"c": [Comparison.start().as_dict()], "phi": 1}
        else:
            before = errors.estimate
            over = before is not None and metric.max is not None and before > metric.max
            state |= {"s": [0.0, 0.0], "c": [0.0, 0.0], "off": over}
        started.append(display(metric, state, analysis))
    return started


def _slower(baseline: Baseline | None, bound_ms: float) -> list[float]:
    """What stable did before the attempt about one bound: [slower requests, requests]."""
    assert baseline is not None, "a bound comes from a baseline"
    histogram = baseline.latency
    at = histogram.bounds_ms.index(bound_ms)
    return [round(histogram.total - histogram.cumulative[at], 3), round(histogram.total, 3)]


def _latency_bounds(metric: Metric, baseline: Baseline | None) -> list[Threshold] | Unseen:
    assert metric.margin is not None, "the schema requires a margin for Latency"
    histogram = baseline.latency if baseline else Histogram((), ())
    bounds = []
    for bound in latency_thresholds(histogram, quantiles_of(metric), metric.margin.ratio):
        if isinstance(bound, NoThreshold):
            return Unseen(bound.reason, f"metric {metric.name}: {bound.message}")
        bounds.append(bound)
    return bounds


def bounds_ms(evidence: Sequence[Evidence]) -> tuple[float, ...]:
    """Every latency bound in use, in milliseconds, rising: what `Arm.slow` must be counted for."""
    return tuple(sorted({bound for entry in evidence for bound in state_of(entry).get("t", ())}))


def update(evidence: Sequence[Evidence], analysis: Analysis, batch: Batch) -> list[Evidence]:
    """The evidence after one more batch."""
    bounds = bounds_ms(evidence)
    by_name = {entry.metric: entry for entry in evidence}
    return [
        display(metric, _added(metric, state_of(by_name[metric.name]), batch, bounds), analysis)
        for metric in analysis.metrics
    ]


def readable(evidence: Sequence[Evidence], analysis: Analysis) -> bool:
    """Whether evidence from a status can be gone on with: it is of these metrics, and whole."""
    states = {entry.metric: entry for entry in evidence}
    try:
        bounds = bounds_ms(evidence)
        nothing = Arm(requests=0.0, errors=0.0, slow=(0.0,) * len(bounds))
        batch = Batch(NEVER, NEVER, stable=nothing, candidate=nothing)
        for metric in analysis.metrics:
            state = _added(metric, state_of(states[metric.name]), batch, bounds)
            log_e_rollback(metric, state)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        return False
    return True


def _added(
    metric: Metric, state: dict[str, Any], batch: Batch, bounds: tuple[float, ...]
) -> dict[str, Any]:
    """The state of one metric after a batch."""
    if metric.margin is None:
        return _guarded(metric, state, batch)
    if metric.type == "Latency":
        comparisons = []
        for bound, quantile, past, stored in zip(
            state["t"], state["q"], state["h"], state["c"], strict=True
        ):
            at = bounds.index(bound)
            margin = Threshold(quantile=quantile, target_ms=bound, bound_ms=bound).margin
            updated = Comparison.from_dict(stored).update(
                candidate=batch.candidate.slower(at),
                stable=batch.stable.slower(at),
                margin=margin,
                history=Counts(*past),
            )
            comparisons.append(updated.as_dict())
        return {**state, "c": comparisons}
    updated = Comparison.from_dict(state["c"][0]).update(
        candidate=Counts(bad=batch.candidate.errors, n=batch.candidate.requests),
        stable=Counts(bad=batch.stable.errors, n=batch.stable.requests),
        margin=Margin(ratio=metric.margin.ratio, absolute=metric.margin.absolute or 0.0),
        history=Counts(*state["h"]),
    )
    return {**state, "c": [updated.as_dict()]}


def _guarded(metric: Metric, state: dict[str, Any], batch: Batch) -> dict[str, Any]:
    """A guard's counts. A batch in which stable itself is over the limit is a shared incident: it
    says nothing about the candidate and is counted for neither arm."""
    if stable_over(metric, batch):
        return state
    candidate, stable = Counts(*state["c"]), Counts(*state["s"])
    candidate += Counts(bad=batch.candidate.errors, n=batch.candidate.requests)
    stable += Counts(bad=batch.stable.errors, n=batch.stable.requests)
    return {**state, "c": [candidate.bad, candidate.n], "s": [stable.bad, stable.n]}


def stable_over(metric: Metric, batch: Batch) -> bool:
    """Whether stable itself is over a guard's limit in a batch."""
    return (
        metric.max is not None
        and batch.stable.requests > 0
        and batch.stable.errors / batch.stable.requests > metric.max
    )


def common_cause(analysis: Analysis, batch: Batch) -> str | None:
    """The guard that both arms break in a batch, if any: then neither is to blame."""
    for metric in analysis.metrics:
        if (
            stable_over(metric, batch)
            and batch.candidate.requests > 0
            and metric.max is not None
            and batch.candidate.errors / batch.candidate.requests > metric.max
        ):
            return metric.name
    return None
