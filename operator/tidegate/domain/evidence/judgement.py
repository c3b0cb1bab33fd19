"""What the evidence says: Rollback, Promote or Continue (statistics 4.1).

It moves no traffic and knows no phases.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tidegate.stats import (
    Comparison,
    Counts,
    guard_log_e,
    log_mean_exp,
)
from tidegate.stats import decision as rule

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidegate.api.analysis import Analysis, Metric
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
    """What all evidence together says, in words: the rule itself is `stats.decision.decide`.

    Guards share one half of alpha_R, the comparisons together have the other. Continue names what
    is missing. Ties go to Rollback.
    """
    entries = {entry.metric: entry for entry in evidence}
    guards = [metric for metric in analysis.metrics if metric.margin is None]
    compared = [metric for metric in analysis.metrics if metric.margin is not None]

    def states(metrics: Sequence[Metric]) -> list[tuple[Metric, dict[str, Any]]]:
        return [(metric, state_of(entries[metric.name])) for metric in metrics]

    decision = rule.decide(
        guards=[log_e_rollback(*known) for known in states(guards)],
        rollback=[log_e_rollback(*known) for known in states(compared)],
        promote=[
            log_e for known in states(compared) if (log_e := log_e_promote(*known)) is not None
        ],
        alpha_r=analysis.false_rollback_rate,
        alpha_p=analysis.false_promotion_rate,
        exposure=rule.Exposure(candidate_requests, least_requests=analysis.min_requests),
    )
    named = guards if decision.reason == "GuardBroken" else compared
    names = [named[i].name for i in decision.at]
    match decision.reason:
        case "GuardBroken" | "EvidenceRollsBack":
            message = entries[names[0]].message
        case "EvidencePromotes":
            message = f"not worse than allowed: {summary(evidence)}"
        case "RequestsMissing":
            least = analysis.min_requests
            message = f"{candidate_requests:.0f} of at least {least} requests seen"
        case _:
            message = f"no verdict yet from {', '.join(names)}"
    return Judgement(decision.verdict, decision.reason, message, metric=names[0] if names else "")


def rollback_level(analysis: Analysis) -> float:
    """ln(2/alpha_R): what the mean of the comparisons' e-values must reach."""
    return rule.rollback_level(analysis.false_rollback_rate)


def guard_level(analysis: Analysis) -> float:
    """ln(2 G/alpha_R) for G guards: the other half of alpha_R, shared among them."""
    guards = sum(1 for metric in analysis.metrics if metric.margin is None)
    return rule.guard_level(analysis.false_rollback_rate, guards)


def promote_level(analysis: Analysis) -> float:
    """ln(1/alpha_P): what every comparison must reach."""
    return rule.promote_level(analysis.false_promotion_rate)


def summary(evidence: Sequence[Evidence]) -> str:
    """Every metric in one line."""
    return "; ".join(entry.message for entry in evidence)
