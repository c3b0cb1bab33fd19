"""What the evidence says: Rollback, Promote or Continue (statistics 4.1).

It moves no traffic and knows no phases.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tidegate.stats import (
    Comparison,
    Counts,
    guard_log_e,
    log_mean_exp,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidegate.api.rollout import Analysis, Metric
    from tidegate.api.rollout_status import Evidence


@dataclass(frozen=True)
class Judgement:
    """What all evidence together says. `metric` is the one to blame or to wait for."""

    verdict: str
    reason: str
    message: str
    metric: str = ""


def state_of(entry: Evidence) -> dict[str, Any]:
    """The state that `status.evidence[].state` holds. It is text there, so that people can read the
    rest."""
    state: dict[str, Any] = json.loads(entry.state)
    return state


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
