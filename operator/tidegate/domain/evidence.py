"""Evidence: what the metrics of an attempt have shown so far, and what that says.

Owns how a Rollout's metrics are started, updated with a batch and judged (statistics 1 to 2.1 and
4.1). The state of each metric stands in `status.evidence[].state`, so that a restarted operator
goes on where the last one stopped. It moves no traffic and knows no phases.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tidegate.api.rollout import ArmEvidence, Evidence, Interval
from tidegate.stats import (
    NO_COUNTS,
    Comparison,
    Counts,
    Histogram,
    Margin,
    NoThreshold,
    Threshold,
    difference_interval,
    guard_log_e,
    latency_thresholds,
    log_mean_exp,
)
from tidegate.stats.intervals import rate_interval

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from tidegate.api.rollout import Analysis, Metric

DEFAULT_QUANTILES = (0.5, 0.95, 0.99)


@dataclass(frozen=True)
class Arm:
    """What one arm did in one batch: requests, errors among them, and how many were slower than
    each latency bound that was asked for. `timed` is how many the latency histogram holds, when
    that is not all of them."""

    requests: float
    errors: float
    slow: tuple[float, ...] = ()
    timed: float | None = None

    def slower(self, bound: int) -> Counts:
        """How many of the timed requests were slower than the bound with that index."""
        timed = self.requests if self.timed is None else self.timed
        return Counts(bad=self.slow[bound], n=timed)


@dataclass(frozen=True)
class Batch:
    """One interval (start, end], the same for both arms."""

    start: datetime
    end: datetime
    stable: Arm
    candidate: Arm

    @property
    def seconds(self) -> float:
        """How much time the batch covers."""
        return (self.end - self.start).total_seconds()


@dataclass(frozen=True)
class Baseline:
    """What stable did before the attempt: errors of requests, and its latency histogram."""

    errors: Counts
    latency: Histogram


@dataclass(frozen=True)
class Unseen:
    """Why there is no batch or baseline: a hold reason, and what to do."""

    reason: str
    message: str


@dataclass(frozen=True)
class Judgement:
    """What all evidence together says. `metric` is the one to blame or to wait for."""

    verdict: str
    reason: str
    message: str
    metric: str = ""


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
        started.append(_display(metric, state, analysis))
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


def state_of(entry: Evidence) -> dict[str, Any]:
    """The state that `status.evidence[].state` holds. It is text there, so that people can read the
    rest."""
    state: dict[str, Any] = json.loads(entry.state)
    return state


def bounds_ms(evidence: Sequence[Evidence]) -> tuple[float, ...]:
    """Every latency bound in use, in milliseconds, rising: what `Arm.slow` must be counted for."""
    return tuple(sorted({bound for entry in evidence for bound in state_of(entry).get("t", ())}))


def update(evidence: Sequence[Evidence], analysis: Analysis, batch: Batch) -> list[Evidence]:
    """The evidence after one more batch."""
    bounds = bounds_ms(evidence)
    by_name = {entry.metric: entry for entry in evidence}
    return [
        _display(metric, _added(metric, state_of(by_name[metric.name]), batch, bounds), analysis)
        for metric in analysis.metrics
    ]


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


# -- what it says ------------------------------------------------------------------------------


def log_e_rollback(metric: Metric, state: dict[str, Any]) -> float:
    """Evidence (nats) that the candidate is worse than this metric allows."""
    if metric.margin is None:
        limit = metric.max
        assert limit is not None, "the schema requires margin or max"
        counts = Counts(*state["c"])
        return 0.0 if counts.n <= 0 or state.get("off") else guard_log_e(counts, limit)
    return log_mean_exp([Comparison.from_dict(stored).log_e_rollback for stored in state["c"]])


def log_e_promote(metric: Metric, state: dict[str, Any]) -> float | None:
    """Evidence (nats) that the candidate is within the margin; None for a guard."""
    if metric.margin is None:
        return None
    return min(Comparison.from_dict(stored).log_e_promote for stored in state["c"])


def judge(
    evidence: Sequence[Evidence], analysis: Analysis, *, candidate_requests: float
) -> Judgement:
    """What all evidence together says, by the first rule that matches (statistics 4.1).

    Rollback: a guard is broken at alpha_R/2 shared among the guards, or the mean of the
    comparisons' e-values reaches 2/alpha_R. Promote: every comparison reaches 1/alpha_P and the
    candidate had at least `minRequests`. Otherwise Continue, naming what is missing. Ties go to
    Rollback.
    """
    states = {entry.metric: entry for entry in evidence}
    rollback = _rollback(states, analysis)
    if rollback is not None:
        return rollback
    missing = [
        metric.name
        for metric in analysis.metrics
        if (log_e := log_e_promote(metric, state_of(states[metric.name]))) is not None
        and log_e < promote_level(analysis)
    ]
    if missing:
        return Judgement(
            "Continue", "EvidenceMissing", f"no verdict yet from {', '.join(missing)}", missing[0]
        )
    if candidate_requests < analysis.min_requests:
        return Judgement(
            "Continue",
            "RequestsMissing",
            f"{candidate_requests:.0f} of at least {analysis.min_requests} requests seen",
        )
    return Judgement("Promote", "EvidencePromotes", f"not worse than allowed: {summary(evidence)}")


def _rollback(states: dict[str, Evidence], analysis: Analysis) -> Judgement | None:
    for metric in analysis.metrics:
        if metric.margin is None and log_e_rollback(
            metric, state_of(states[metric.name])
        ) >= guard_level(analysis):
            return Judgement("Rollback", "GuardBroken", states[metric.name].message, metric.name)
    values = {
        metric.name: log_e_rollback(metric, state_of(states[metric.name]))
        for metric in analysis.metrics
        if metric.margin is not None
    }
    if values and log_mean_exp(list(values.values())) >= rollback_level(analysis):
        blamed = max(values, key=lambda name: values[name])
        return Judgement("Rollback", "EvidenceRollsBack", states[blamed].message, blamed)
    return None


def rollback_level(analysis: Analysis) -> float:
    """ln(2/alpha_R): what the mean of the comparisons' e-values must reach."""
    return math.log(2.0 / analysis.false_rollback_rate)


def guard_level(analysis: Analysis) -> float:
    """ln(2 G/alpha_R) for G guards: the other half of alpha_R, shared among them."""
    guards = sum(1 for metric in analysis.metrics if metric.margin is None)
    return math.log(2.0 * max(1, guards) / analysis.false_rollback_rate)


def promote_level(analysis: Analysis) -> float:
    """ln(1/alpha_P): what every comparison must reach."""
    return math.log(1.0 / analysis.false_promotion_rate)


def summary(evidence: Sequence[Evidence]) -> str:
    """Every metric in one line."""
    return "; ".join(entry.message for entry in evidence)


# -- what people see ---------------------------------------------------------------------------


def _display(metric: Metric, state: dict[str, Any], analysis: Analysis) -> Evidence:
    """The entry of `status.evidence` for a metric in a state."""
    rollback = log_e_rollback(metric, state)
    promote = log_e_promote(metric, state)
    level = rollback_level(analysis) if metric.margin is not None else guard_level(analysis)
    shown, candidate, stable = _shown(metric, state)
    if metric.margin is None:
        bounds = rate_interval(candidate, analysis.false_rollback_rate)
    else:
        bounds = difference_interval(candidate, stable, 0.05)
    verdict = "Continue"
    if rollback >= level:
        verdict = "Rollback"
    elif promote is not None and promote >= promote_level(analysis):
        verdict = "Promote"
    return Evidence(
        metric=metric.name,
        stable=_arm(stable),
        candidate=_arm(candidate),
        interval=Interval(lower=_finite(bounds[0]), upper=_finite(bounds[1])),
        verdict=verdict,
        rollback=_share(rollback, level),
        promote=None if promote is None else _share(promote, promote_level(analysis)),
        message=_words(metric, shown, candidate, stable),
        state=json.dumps(state, separators=(",", ":")),
    )


def _shown(metric: Metric, state: dict[str, Any]) -> tuple[str, Counts, Counts]:
    """What is counted, in words, with the counts of candidate and stable that are shown.

    Of several latency bounds the one with the largest evidence against the candidate is shown.
    """
    if metric.margin is None:
        return "errors", Counts(*state["c"]), Counts(*state["s"])
    comparisons = [Comparison.from_dict(stored) for stored in state["c"]]
    worst = max(range(len(comparisons)), key=lambda i: comparisons[i].log_e_rollback)
    comparison = comparisons[worst]
    what = "errors"
    if metric.type == "Latency":
        what = f"slower than {state['t'][worst]:g} ms (p{100 * state['q'][worst]:g})"
    return what, comparison.candidate, comparison.stable


def _words(metric: Metric, what: str, candidate: Counts, stable: Counts) -> str:
    text = f"{metric.name}: candidate {_rate(candidate)} {what}, stable {_rate(stable)}"
    if metric.max is not None:
        return f"{text}, limit {metric.max:.2%}"
    return text


def _rate(counts: Counts) -> str:
    share = "-" if counts.estimate is None else f"{counts.estimate:.2%}"
    return f"{share} ({counts.bad:.0f} of {counts.n:.0f})"


def _arm(counts: Counts) -> ArmEvidence:
    estimate = counts.estimate
    return ArmEvidence(
        n=round(counts.n, 3),
        bad=round(counts.bad, 3),
        estimate=None if estimate is None else round(estimate, 6),
    )


def _share(log_e: float, level: float) -> float:
    """Evidence in per cent of what is needed, on the log scale, at least 0 and at most 999."""
    return round(min(999.0, max(0.0, 100.0 * log_e / level)), 1)


def _finite(value: float) -> float | None:
    return round(value, 6) if math.isfinite(value) else None
